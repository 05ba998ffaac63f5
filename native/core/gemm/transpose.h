/* A 4 x 4 transpose, the inner step of packing against the grain: four rows of four terms become four
 * terms of four rows. Each baseline has it in registers (SSE2 on x86-64, NEON on
 * arm64), and 16 bytes a cycle are more than memory delivers. */
#ifndef CONVKIT_GEMM_TRANSPOSE_H
#define CONVKIT_GEMM_TRANSPOSE_H

#include <stdint.h>

#include "../kernels/unroll.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#endif

namespace convkit {

/* out[k][i] = rows[i][k] */
template <typename T>
CONVKIT_INLINE void transpose4(const T *const rows[4], T *const out[4]) {
  for (int k = 0; k < 4; ++k) {
    for (int i = 0; i < 4; ++i) out[k][i] = rows[i][k];
  }
}

/* A line of memory that will be read soon; or later, so that the second-level cache will do. */
inline void fetch_ahead(const void *place) {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_prefetch(static_cast<const char *>(place), _MM_HINT_T0);
#elif defined(__GNUC__)
  __builtin_prefetch(place);
#else
  (void)place;
#endif
}
inline void fetch_early(const void *place) {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_prefetch(static_cast<const char *>(place), _MM_HINT_T1);
#elif defined(__GNUC__)
  __builtin_prefetch(place, 0, 2);
#else
  (void)place;
#endif
}

#if defined(__x86_64__) || defined(_M_X64)

template <>
CONVKIT_INLINE void transpose4(const float *const rows[4], float *const out[4]) {
  __m128 a = _mm_loadu_ps(rows[0]), b = _mm_loadu_ps(rows[1]), c = _mm_loadu_ps(rows[2]), d = _mm_loadu_ps(rows[3]);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out[0], a);
  _mm_storeu_ps(out[1], b);
  _mm_storeu_ps(out[2], c);
  _mm_storeu_ps(out[3], d);
}

template <>
CONVKIT_INLINE void transpose4(const double *const rows[4], double *const out[4]) {
  for (int i = 0; i < 4; i += 2) {
    for (int k = 0; k < 4; k += 2) {
      const __m128d a = _mm_loadu_pd(rows[i] + k), b = _mm_loadu_pd(rows[i + 1] + k);
      _mm_storeu_pd(out[k] + i, _mm_unpacklo_pd(a, b));
      _mm_storeu_pd(out[k + 1] + i, _mm_unpackhi_pd(a, b));
    }
  }
}

#elif defined(__aarch64__) || defined(_M_ARM64)

template <>
CONVKIT_INLINE void transpose4(const float *const rows[4], float *const out[4]) {
  const float32x4_t a = vld1q_f32(rows[0]), b = vld1q_f32(rows[1]), c = vld1q_f32(rows[2]), d = vld1q_f32(rows[3]);
  const float64x2_t ab_even = vreinterpretq_f64_f32(vtrn1q_f32(a, b)), ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
  const float64x2_t cd_even = vreinterpretq_f64_f32(vtrn1q_f32(c, d)), cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
  vst1q_f32(out[0], vreinterpretq_f32_f64(vzip1q_f64(ab_even, cd_even)));
  vst1q_f32(out[1], vreinterpretq_f32_f64(vzip1q_f64(ab_odd, cd_odd)));
  vst1q_f32(out[2], vreinterpretq_f32_f64(vzip2q_f64(ab_even, cd_even)));
  vst1q_f32(out[3], vreinterpretq_f32_f64(vzip2q_f64(ab_odd, cd_odd)));
}

template <>
CONVKIT_INLINE void transpose4(const double *const rows[4], double *const out[4]) {
  for (int i = 0; i < 4; i += 2) {
    for (int k = 0; k < 4; k += 2) {
      const float64x2_t a = vld1q_f64(rows[i] + k), b = vld1q_f64(rows[i + 1] + k);
      vst1q_f64(out[k] + i, vzip1q_f64(a, b));
      vst1q_f64(out[k + 1] + i, vzip2q_f64(a, b));
    }
  }
}

#endif

/* out[k * step + i] = rows[i][k] */
template <typename T>
CONVKIT_INLINE void transpose4(const T *const rows[4], T *out, int64_t step) {
  T *const places[4] = {out, out + step, out + 2 * step, out + 3 * step};
  transpose4(rows, places);
}

}  // namespace convkit
#endif
