/* Vectors of AVX2 with FMA. See vec_portable.h for the meaning of each operation. */
#ifndef CONVKIT_VEC_AVX2_H
#define CONVKIT_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "kernel_table.h"

namespace convkit {
namespace avx2 {

template <typename T>
inline __m256i load_numbers(const T *numbers) {
  return _mm256_load_si256(reinterpret_cast<const __m256i *>(numbers));
}

struct VecF32 {
  using Element = float;
  static constexpr int32_t lanes = 8;
  static constexpr bool masks = false;
  static constexpr int few_sums = 12;
  __m256 v;

  static __m256i first(int32_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), load_numbers(kLaneNumbers32));
  }
  static void fetch(const float *p) { _mm_prefetch(reinterpret_cast<const char *>(p), _MM_HINT_T1); }
  static VecF32 load(const float *p) { return {_mm256_loadu_ps(p)}; }
  static VecF32 load_partial(const float *p, int32_t count) { return {_mm256_maskload_ps(p, first(count))}; }
  static void store(float *p, VecF32 x) { _mm256_storeu_ps(p, x.v); }
  static void stream(float *p, VecF32 x) { _mm256_stream_ps(p, x.v); }
  static void fence() { _mm_sfence(); }
  static void store_partial(float *p, VecF32 x, int32_t count) { _mm256_maskstore_ps(p, first(count), x.v); }
  static VecF32 set(float x) { return {_mm256_set1_ps(x)}; }
  static VecF32 add(VecF32 a, VecF32 b) { return {_mm256_add_ps(a.v, b.v)}; }
  static VecF32 subtract(VecF32 a, VecF32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  static VecF32 multiply(VecF32 a, VecF32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  static VecF32 divide(VecF32 a, VecF32 b) { return {_mm256_div_ps(a.v, b.v)}; }
  static VecF32 multiply_add(VecF32 a, VecF32 b, VecF32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  static VecF32 subtract_product(VecF32 a, VecF32 b, VecF32 c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
  static VecF32 min(VecF32 a, VecF32 b) { return {_mm256_min_ps(a.v, b.v)}; }
  static VecF32 max(VecF32 a, VecF32 b) { return {_mm256_max_ps(a.v, b.v)}; }
  static VecF32 negate(VecF32 a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
  static VecF32 evens(VecF32 a, VecF32 b) {
    const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0x88)); /* a0 a2 b0 b2 a4 a6 b4 b6 */
    return {_mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xD8))};
  }
  static VecF32 zip_low(VecF32 a, VecF32 b) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v), 0x20)};
  }
  static VecF32 zip_high(VecF32 a, VecF32 b) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v), 0x31)};
  }
  static VecF32 select_negative(VecF32 x, VecF32 yes, VecF32 no) {
    return {_mm256_blendv_ps(no.v, yes.v, _mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_LT_OQ))};
  }
  static VecF32 round(VecF32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  /* Two factors, so that each is a normal number; the first product is exact. */
  static VecF32 scale(VecF32 a, VecF32 n) {
    const __m256i whole = _mm256_cvtps_epi32(n.v), half = _mm256_srai_epi32(whole, 1);
    return multiply(multiply(a, power(half)), power(_mm256_sub_epi32(whole, half)));
  }
  static void split(VecF32 a, VecF32 b, VecF32 *even, VecF32 *odd) {
    even->v = swap_middle(_mm256_shuffle_ps(a.v, b.v, _MM_SHUFFLE(2, 0, 2, 0)));
    odd->v = swap_middle(_mm256_shuffle_ps(a.v, b.v, _MM_SHUFFLE(3, 1, 3, 1)));
  }
  /* x[i] lane k becomes x[k] lane i: four by four inside the halves, then the halves. */
  static CONVKIT_INLINE void transpose(VecF32 (&x)[lanes]) {
    __m256 half[lanes];
    CONVKIT_UNROLL
    for (int i = 0; i < lanes; i += 4) {
      const __m256 low[2] = {_mm256_unpacklo_ps(x[i].v, x[i + 1].v), _mm256_unpacklo_ps(x[i + 2].v, x[i + 3].v)};
      const __m256 high[2] = {_mm256_unpackhi_ps(x[i].v, x[i + 1].v), _mm256_unpackhi_ps(x[i + 2].v, x[i + 3].v)};
      half[i] = _mm256_shuffle_ps(low[0], low[1], 0x44);
      half[i + 1] = _mm256_shuffle_ps(low[0], low[1], 0xee);
      half[i + 2] = _mm256_shuffle_ps(high[0], high[1], 0x44);
      half[i + 3] = _mm256_shuffle_ps(high[0], high[1], 0xee);
    }
    CONVKIT_UNROLL
    for (int k = 0; k < 4; ++k) {
      x[k].v = _mm256_permute2f128_ps(half[k], half[k + 4], 0x20);
      x[k + 4].v = _mm256_permute2f128_ps(half[k], half[k + 4], 0x31);
    }
  }
  static void merge(VecF32 even, VecF32 odd, VecF32 *a, VecF32 *b) {
    const __m256 low = _mm256_unpacklo_ps(even.v, odd.v), high = _mm256_unpackhi_ps(even.v, odd.v);
    a->v = _mm256_permute2f128_ps(low, high, 0x20);
    b->v = _mm256_permute2f128_ps(low, high, 0x31);
  }
  static __m256 swap_middle(__m256 x) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(x), _MM_SHUFFLE(3, 1, 2, 0)));
  }
  static VecF32 power(__m256i n) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23))};
  }
};

struct VecF64 {
  using Element = double;
  static constexpr int32_t lanes = 4;
  static constexpr bool masks = false;
  static constexpr int few_sums = 12;
  __m256d v;

  static __m256i first(int32_t count) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), load_numbers(kLaneNumbers64));
  }
  static void fetch(const double *p) { _mm_prefetch(reinterpret_cast<const char *>(p), _MM_HINT_T1); }
  static VecF64 load(const double *p) { return {_mm256_loadu_pd(p)}; }
  static VecF64 load_partial(const double *p, int32_t count) { return {_mm256_maskload_pd(p, first(count))}; }
  static void store(double *p, VecF64 x) { _mm256_storeu_pd(p, x.v); }
  static void stream(double *p, VecF64 x) { _mm256_stream_pd(p, x.v); }
  static void fence() { _mm_sfence(); }
  static void store_partial(double *p, VecF64 x, int32_t count) { _mm256_maskstore_pd(p, first(count), x.v); }
  static VecF64 set(double x) { return {_mm256_set1_pd(x)}; }
  static VecF64 add(VecF64 a, VecF64 b) { return {_mm256_add_pd(a.v, b.v)}; }
  static VecF64 subtract(VecF64 a, VecF64 b) { return {_mm256_sub_pd(a.v, b.v)}; }
  static VecF64 multiply(VecF64 a, VecF64 b) { return {_mm256_mul_pd(a.v, b.v)}; }
  static VecF64 divide(VecF64 a, VecF64 b) { return {_mm256_div_pd(a.v, b.v)}; }
  static VecF64 multiply_add(VecF64 a, VecF64 b, VecF64 c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  static VecF64 subtract_product(VecF64 a, VecF64 b, VecF64 c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
  static VecF64 min(VecF64 a, VecF64 b) { return {_mm256_min_pd(a.v, b.v)}; }
  static VecF64 max(VecF64 a, VecF64 b) { return {_mm256_max_pd(a.v, b.v)}; }
  static VecF64 negate(VecF64 a) { return {_mm256_xor_pd(a.v, _mm256_set1_pd(-0.0))}; }
  static VecF64 evens(VecF64 a, VecF64 b) { return {_mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xD8)}; }
  static VecF64 zip_low(VecF64 a, VecF64 b) {
    return {_mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v), 0x20)};
  }
  static VecF64 zip_high(VecF64 a, VecF64 b) {
    return {_mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v), 0x31)};
  }
  static VecF64 select_negative(VecF64 x, VecF64 yes, VecF64 no) {
    return {_mm256_blendv_pd(no.v, yes.v, _mm256_cmp_pd(x.v, _mm256_setzero_pd(), _CMP_LT_OQ))};
  }
  static VecF64 round(VecF64 a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static VecF64 scale(VecF64 a, VecF64 n) {
    const __m128i whole = _mm256_cvtpd_epi32(n.v), half = _mm_srai_epi32(whole, 1);
    return multiply(multiply(a, power(half)), power(_mm_sub_epi32(whole, half)));
  }
  static void split(VecF64 a, VecF64 b, VecF64 *even, VecF64 *odd) {
    even->v = _mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), _MM_SHUFFLE(3, 1, 2, 0));
    odd->v = _mm256_permute4x64_pd(_mm256_unpackhi_pd(a.v, b.v), _MM_SHUFFLE(3, 1, 2, 0));
  }
  static CONVKIT_INLINE void transpose(VecF64 (&x)[lanes]) {
    __m256d half[lanes];
    CONVKIT_UNROLL
    for (int i = 0; i < lanes; i += 2) {
      half[i] = _mm256_unpacklo_pd(x[i].v, x[i + 1].v);
      half[i + 1] = _mm256_unpackhi_pd(x[i].v, x[i + 1].v);
    }
    CONVKIT_UNROLL
    for (int k = 0; k < 2; ++k) {
      x[k].v = _mm256_permute2f128_pd(half[k], half[k + 2], 0x20);
      x[k + 2].v = _mm256_permute2f128_pd(half[k], half[k + 2], 0x31);
    }
  }
  static void merge(VecF64 even, VecF64 odd, VecF64 *a, VecF64 *b) {
    const __m256d low = _mm256_unpacklo_pd(even.v, odd.v), high = _mm256_unpackhi_pd(even.v, odd.v);
    a->v = _mm256_permute2f128_pd(low, high, 0x20);
    b->v = _mm256_permute2f128_pd(low, high, 0x31);
  }
  static VecF64 power(__m128i n) {
    const __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(n), _mm256_set1_epi64x(1023));
    return {_mm256_castsi256_pd(_mm256_slli_epi64(wide, 52))};
  }
};

}  // namespace avx2
}  // namespace convkit
#endif
