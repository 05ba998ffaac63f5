/* Vectors of arm64's NEON, which always has fused multiply-add. See vec_portable.h for the meaning of
 * each operation. NEON's own min and max differ from x86 for NaN and for zeros of both signs, so
 * they are built from a comparison. */
#ifndef CONVKIT_VEC_NEON_H
#define CONVKIT_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>

namespace convkit {
namespace neon {

struct VecF32 {
  using Element = float;
  static constexpr int32_t lanes = 4;
  static constexpr bool masks = false;
  static constexpr int few_sums = 12;
  float32x4_t v;

  static void fetch(const float *p) { __builtin_prefetch(p, 0, 2); }
  static VecF32 load(const float *p) { return {vld1q_f32(p)}; }
  static VecF32 load_partial(const float *p, int32_t count) {
    float x[4] = {0, 0, 0, 0};
    for (int32_t i = 0; i < count; ++i) x[i] = p[i];
    return load(x);
  }
  static void store(float *p, VecF32 x) { vst1q_f32(p, x.v); }
  static void stream(float *p, VecF32 x) { store(p, x); }
  static void fence() {}
  static void store_partial(float *p, VecF32 x, int32_t count) {
    float y[4];
    store(y, x);
    for (int32_t i = 0; i < count; ++i) p[i] = y[i];
  }
  static VecF32 set(float x) { return {vdupq_n_f32(x)}; }
  static VecF32 add(VecF32 a, VecF32 b) { return {vaddq_f32(a.v, b.v)}; }
  static VecF32 subtract(VecF32 a, VecF32 b) { return {vsubq_f32(a.v, b.v)}; }
  static VecF32 multiply(VecF32 a, VecF32 b) { return {vmulq_f32(a.v, b.v)}; }
  static VecF32 divide(VecF32 a, VecF32 b) { return {vdivq_f32(a.v, b.v)}; }
  static VecF32 multiply_add(VecF32 a, VecF32 b, VecF32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  static VecF32 subtract_product(VecF32 a, VecF32 b, VecF32 c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
  static VecF32 min(VecF32 a, VecF32 b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }
  static VecF32 max(VecF32 a, VecF32 b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
  static VecF32 negate(VecF32 a) { return {vnegq_f32(a.v)}; }
  static VecF32 evens(VecF32 a, VecF32 b) { return {vuzp1q_f32(a.v, b.v)}; }
  static VecF32 zip_low(VecF32 a, VecF32 b) { return {vzip1q_f32(a.v, b.v)}; }
  static VecF32 zip_high(VecF32 a, VecF32 b) { return {vzip2q_f32(a.v, b.v)}; }
  static VecF32 select_negative(VecF32 x, VecF32 yes, VecF32 no) { return {vbslq_f32(vcltzq_f32(x.v), yes.v, no.v)}; }
  static VecF32 round(VecF32 a) { return {vrndnq_f32(a.v)}; }
  /* Two factors, so that each is a normal number; the first product is exact. */
  static VecF32 scale(VecF32 a, VecF32 n) {
    const int32x4_t whole = vcvtnq_s32_f32(n.v), half = vshrq_n_s32(whole, 1);
    return multiply(multiply(a, power(half)), power(vsubq_s32(whole, half)));
  }
  static void split(VecF32 a, VecF32 b, VecF32 *even, VecF32 *odd) {
    even->v = vuzp1q_f32(a.v, b.v);
    odd->v = vuzp2q_f32(a.v, b.v);
  }
  static void merge(VecF32 even, VecF32 odd, VecF32 *a, VecF32 *b) {
    a->v = vzip1q_f32(even.v, odd.v);
    b->v = vzip2q_f32(even.v, odd.v);
  }
  static VecF32 power(int32x4_t n) { return {vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23))}; }
};

struct VecF64 {
  using Element = double;
  static constexpr int32_t lanes = 2;
  static constexpr bool masks = false;
  static constexpr int few_sums = 12;
  float64x2_t v;

  static void fetch(const double *p) { __builtin_prefetch(p, 0, 2); }
  static VecF64 load(const double *p) { return {vld1q_f64(p)}; }
  static VecF64 load_partial(const double *p, int32_t count) {
    double x[2] = {0, 0};
    for (int32_t i = 0; i < count; ++i) x[i] = p[i];
    return load(x);
  }
  static void store(double *p, VecF64 x) { vst1q_f64(p, x.v); }
  static void stream(double *p, VecF64 x) { store(p, x); }
  static void fence() {}
  static void store_partial(double *p, VecF64 x, int32_t count) {
    double y[2];
    store(y, x);
    for (int32_t i = 0; i < count; ++i) p[i] = y[i];
  }
  static VecF64 set(double x) { return {vdupq_n_f64(x)}; }
  static VecF64 add(VecF64 a, VecF64 b) { return {vaddq_f64(a.v, b.v)}; }
  static VecF64 subtract(VecF64 a, VecF64 b) { return {vsubq_f64(a.v, b.v)}; }
  static VecF64 multiply(VecF64 a, VecF64 b) { return {vmulq_f64(a.v, b.v)}; }
  static VecF64 divide(VecF64 a, VecF64 b) { return {vdivq_f64(a.v, b.v)}; }
  static VecF64 multiply_add(VecF64 a, VecF64 b, VecF64 c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
  static VecF64 subtract_product(VecF64 a, VecF64 b, VecF64 c) { return {vfmsq_f64(c.v, a.v, b.v)}; }
  static VecF64 min(VecF64 a, VecF64 b) { return {vbslq_f64(vcltq_f64(a.v, b.v), a.v, b.v)}; }
  static VecF64 max(VecF64 a, VecF64 b) { return {vbslq_f64(vcgtq_f64(a.v, b.v), a.v, b.v)}; }
  static VecF64 negate(VecF64 a) { return {vnegq_f64(a.v)}; }
  static VecF64 evens(VecF64 a, VecF64 b) { return {vuzp1q_f64(a.v, b.v)}; }
  static VecF64 zip_low(VecF64 a, VecF64 b) { return {vzip1q_f64(a.v, b.v)}; }
  static VecF64 zip_high(VecF64 a, VecF64 b) { return {vzip2q_f64(a.v, b.v)}; }
  static VecF64 select_negative(VecF64 x, VecF64 yes, VecF64 no) { return {vbslq_f64(vcltzq_f64(x.v), yes.v, no.v)}; }
  static VecF64 round(VecF64 a) { return {vrndnq_f64(a.v)}; }
  static VecF64 scale(VecF64 a, VecF64 n) {
    const int64x2_t whole = vcvtnq_s64_f64(n.v), half = vshrq_n_s64(whole, 1);
    return multiply(multiply(a, power(half)), power(vsubq_s64(whole, half)));
  }
  static void split(VecF64 a, VecF64 b, VecF64 *even, VecF64 *odd) {
    even->v = vuzp1q_f64(a.v, b.v);
    odd->v = vuzp2q_f64(a.v, b.v);
  }
  static void merge(VecF64 even, VecF64 odd, VecF64 *a, VecF64 *b) {
    a->v = vzip1q_f64(even.v, odd.v);
    b->v = vzip2q_f64(even.v, odd.v);
  }
  static VecF64 power(int64x2_t n) { return {vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(n, vdupq_n_s64(1023)), 52))}; }
};

}  // namespace neon
}  // namespace convkit
#endif
