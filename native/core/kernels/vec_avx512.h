/* Vectors of AVX-512 (F, DQ, BW, VL). See vec_portable.h for the meaning of each operation. */
#ifndef CONVKIT_VEC_AVX512_H
#define CONVKIT_VEC_AVX512_H

/* GCC's own header sets up "undefined" vectors in a way that GCC 12 warns about (its bug 105593). */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#include <stdint.h>

namespace convkit {
namespace avx512 {

struct VecF32 {
  using Element = float;
  static constexpr int32_t lanes = 16;
  static constexpr bool masks = true;
  static constexpr int few_sums = 16;
  __m512 v;

  static __mmask16 first(int32_t count) { return static_cast<__mmask16>((1u << count) - 1u); }
  static void fetch(const float *p) { _mm_prefetch(reinterpret_cast<const char *>(p), _MM_HINT_T1); }
  static VecF32 load(const float *p) { return {_mm512_loadu_ps(p)}; }
  static VecF32 load_partial(const float *p, int32_t count) { return {_mm512_maskz_loadu_ps(first(count), p)}; }
  static void store(float *p, VecF32 x) { _mm512_storeu_ps(p, x.v); }
  static void stream(float *p, VecF32 x) { _mm512_stream_ps(p, x.v); }
  static void fence() { _mm_sfence(); }
  static void store_partial(float *p, VecF32 x, int32_t count) { _mm512_mask_storeu_ps(p, first(count), x.v); }
  static VecF32 set(float x) { return {_mm512_set1_ps(x)}; }
  static VecF32 add(VecF32 a, VecF32 b) { return {_mm512_add_ps(a.v, b.v)}; }
  static VecF32 subtract(VecF32 a, VecF32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static VecF32 multiply(VecF32 a, VecF32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static VecF32 divide(VecF32 a, VecF32 b) { return {_mm512_div_ps(a.v, b.v)}; }
  static VecF32 multiply_add(VecF32 a, VecF32 b, VecF32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static VecF32 subtract_product(VecF32 a, VecF32 b, VecF32 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
  static VecF32 min(VecF32 a, VecF32 b) { return {_mm512_min_ps(a.v, b.v)}; }
  static VecF32 max(VecF32 a, VecF32 b) { return {_mm512_max_ps(a.v, b.v)}; }
  static VecF32 negate(VecF32 a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
  static VecF32 evens(VecF32 a, VecF32 b) {
    const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return {_mm512_permutex2var_ps(a.v, at, b.v)};
  }
  static VecF32 zip_low(VecF32 a, VecF32 b) {
    const __m512i at = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return {_mm512_permutex2var_ps(a.v, at, b.v)};
  }
  static VecF32 zip_high(VecF32 a, VecF32 b) {
    const __m512i at = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return {_mm512_permutex2var_ps(a.v, at, b.v)};
  }
  static VecF32 select_negative(VecF32 x, VecF32 yes, VecF32 no) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OQ), no.v, yes.v)};
  }
  static VecF32 round(VecF32 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static VecF32 scale(VecF32 a, VecF32 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
  static void split(VecF32 a, VecF32 b, VecF32 *even, VecF32 *odd) {
    even->v =
        _mm512_permutex2var_ps(a.v, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b.v);
    odd->v =
        _mm512_permutex2var_ps(a.v, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b.v);
  }
  /* x[i] lane k becomes x[k] lane i: four by four inside the 128-bit parts, then the parts. */
  static CONVKIT_INLINE void transpose(VecF32 (&x)[lanes]) {
    __m512 part[lanes];
    CONVKIT_UNROLL
    for (int i = 0; i < lanes; i += 4) {
      const __m512d low[2] = {_mm512_castps_pd(_mm512_unpacklo_ps(x[i].v, x[i + 1].v)),
                              _mm512_castps_pd(_mm512_unpacklo_ps(x[i + 2].v, x[i + 3].v))};
      const __m512d high[2] = {_mm512_castps_pd(_mm512_unpackhi_ps(x[i].v, x[i + 1].v)),
                               _mm512_castps_pd(_mm512_unpackhi_ps(x[i + 2].v, x[i + 3].v))};
      part[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1]));
      part[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1]));
      part[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1]));
      part[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1]));
    }
    CONVKIT_UNROLL
    for (int k = 0; k < 4; ++k) {
      const __m512 even[2] = {_mm512_shuffle_f32x4(part[k], part[k + 4], 0x88),
                              _mm512_shuffle_f32x4(part[k + 8], part[k + 12], 0x88)};
      const __m512 odd[2] = {_mm512_shuffle_f32x4(part[k], part[k + 4], 0xdd),
                             _mm512_shuffle_f32x4(part[k + 8], part[k + 12], 0xdd)};
      x[k].v = _mm512_shuffle_f32x4(even[0], even[1], 0x88);
      x[k + 4].v = _mm512_shuffle_f32x4(odd[0], odd[1], 0x88);
      x[k + 8].v = _mm512_shuffle_f32x4(even[0], even[1], 0xdd);
      x[k + 12].v = _mm512_shuffle_f32x4(odd[0], odd[1], 0xdd);
    }
  }
  static void merge(VecF32 even, VecF32 odd, VecF32 *a, VecF32 *b) {
    a->v = _mm512_permutex2var_ps(even.v, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
                                  odd.v);
    b->v = _mm512_permutex2var_ps(
        even.v, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), odd.v);
  }
};

struct VecF64 {
  using Element = double;
  static constexpr int32_t lanes = 8;
  static constexpr bool masks = true;
  static constexpr int few_sums = 16;
  __m512d v;

  static __mmask8 first(int32_t count) { return static_cast<__mmask8>((1u << count) - 1u); }
  static void fetch(const double *p) { _mm_prefetch(reinterpret_cast<const char *>(p), _MM_HINT_T1); }
  static VecF64 load(const double *p) { return {_mm512_loadu_pd(p)}; }
  static VecF64 load_partial(const double *p, int32_t count) { return {_mm512_maskz_loadu_pd(first(count), p)}; }
  static void store(double *p, VecF64 x) { _mm512_storeu_pd(p, x.v); }
  static void stream(double *p, VecF64 x) { _mm512_stream_pd(p, x.v); }
  static void fence() { _mm_sfence(); }
  static void store_partial(double *p, VecF64 x, int32_t count) { _mm512_mask_storeu_pd(p, first(count), x.v); }
  static VecF64 set(double x) { return {_mm512_set1_pd(x)}; }
  static VecF64 add(VecF64 a, VecF64 b) { return {_mm512_add_pd(a.v, b.v)}; }
  static VecF64 subtract(VecF64 a, VecF64 b) { return {_mm512_sub_pd(a.v, b.v)}; }
  static VecF64 multiply(VecF64 a, VecF64 b) { return {_mm512_mul_pd(a.v, b.v)}; }
  static VecF64 divide(VecF64 a, VecF64 b) { return {_mm512_div_pd(a.v, b.v)}; }
  static VecF64 multiply_add(VecF64 a, VecF64 b, VecF64 c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
  static VecF64 subtract_product(VecF64 a, VecF64 b, VecF64 c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
  static VecF64 min(VecF64 a, VecF64 b) { return {_mm512_min_pd(a.v, b.v)}; }
  static VecF64 max(VecF64 a, VecF64 b) { return {_mm512_max_pd(a.v, b.v)}; }
  static VecF64 negate(VecF64 a) { return {_mm512_xor_pd(a.v, _mm512_set1_pd(-0.0))}; }
  static VecF64 evens(VecF64 a, VecF64 b) {
    return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b.v)};
  }
  static VecF64 zip_low(VecF64 a, VecF64 b) {
    return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b.v)};
  }
  static VecF64 zip_high(VecF64 a, VecF64 b) {
    return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b.v)};
  }
  static VecF64 select_negative(VecF64 x, VecF64 yes, VecF64 no) {
    return {_mm512_mask_blend_pd(_mm512_cmp_pd_mask(x.v, _mm512_setzero_pd(), _CMP_LT_OQ), no.v, yes.v)};
  }
  static VecF64 round(VecF64 a) { return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static VecF64 scale(VecF64 a, VecF64 n) { return {_mm512_scalef_pd(a.v, n.v)}; }
  static void split(VecF64 a, VecF64 b, VecF64 *even, VecF64 *odd) {
    even->v = _mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b.v);
    odd->v = _mm512_permutex2var_pd(a.v, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b.v);
  }
  static CONVKIT_INLINE void transpose(VecF64 (&x)[lanes]) {
    __m512d part[lanes];
    CONVKIT_UNROLL
    for (int i = 0; i < lanes; i += 2) {
      part[i] = _mm512_unpacklo_pd(x[i].v, x[i + 1].v);
      part[i + 1] = _mm512_unpackhi_pd(x[i].v, x[i + 1].v);
    }
    CONVKIT_UNROLL
    for (int k = 0; k < 2; ++k) {
      const __m512d even[2] = {_mm512_shuffle_f64x2(part[k], part[k + 2], 0x88),
                               _mm512_shuffle_f64x2(part[k + 4], part[k + 6], 0x88)};
      const __m512d odd[2] = {_mm512_shuffle_f64x2(part[k], part[k + 2], 0xdd),
                              _mm512_shuffle_f64x2(part[k + 4], part[k + 6], 0xdd)};
      x[k].v = _mm512_shuffle_f64x2(even[0], even[1], 0x88);
      x[k + 2].v = _mm512_shuffle_f64x2(odd[0], odd[1], 0x88);
      x[k + 4].v = _mm512_shuffle_f64x2(even[0], even[1], 0xdd);
      x[k + 6].v = _mm512_shuffle_f64x2(odd[0], odd[1], 0xdd);
    }
  }
  static void merge(VecF64 even, VecF64 odd, VecF64 *a, VecF64 *b) {
    a->v = _mm512_permutex2var_pd(even.v, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), odd.v);
    b->v = _mm512_permutex2var_pd(even.v, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), odd.v);
  }
};

}  // namespace avx512
}  // namespace convkit
#endif
