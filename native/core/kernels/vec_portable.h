/* Vectors of 16 bytes in plain C++. It is also the definition of what each operation means.
 *
 * Lanes are written one by one and left to the compiler, which maps them to its baseline registers (SSE2
 * on x86-64, SIMD128 on WebAssembly). GCC and Clang do so reliably when the array is one of their vector types, which
 * can be indexed like an array.
 *
 * There is no fused multiply-add in those baselines, so multiply_add rounds twice here. */
#ifndef CONVKIT_VEC_PORTABLE_H
#define CONVKIT_VEC_PORTABLE_H

#include <stdint.h>
#include <string.h>

namespace convkit {
namespace portable {

template <typename T>
struct Powers;

/* How to add n to the exponent, and the constant that rounds to an integer when added and taken away. */
template <>
struct Powers<float> {
  using Bits = int32_t;
  static constexpr Bits bias = 127;
  static constexpr int shift = 23;
  static constexpr float rounder = 12582912.0f; /* 1.5 * 2^23 */
};

template <>
struct Powers<double> {
  using Bits = int64_t;
  static constexpr Bits bias = 1023;
  static constexpr int shift = 52;
  static constexpr double rounder = 6755399441055744.0; /* 1.5 * 2^52 */
};

#if defined(__GNUC__)
template <typename T, int32_t LANES>
struct Lanes {
  typedef T Type __attribute__((vector_size(LANES * sizeof(T))));
};
#else
template <typename T, int32_t LANES>
struct Lanes {
  using Type = T[LANES];
};
#endif

template <typename T, int32_t LANES>
struct Vec {
  using Element = T;
  using Bits = typename Powers<T>::Bits;
  static constexpr int32_t lanes = LANES;
  typename Lanes<T, LANES>::Type v;

  /* The cache line is fetched into the second-level cache; p may lie outside of any array. Not known in plain C++. */
  static void fetch(const T *) {}
  static Vec load(const T *p) { return load_partial(p, LANES); }
  /* Of float64: float32 elements, widened, and results rounded to float32. */
  static Vec load_float(const float *p) {
    Vec x;
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = static_cast<T>(p[i]);
    return x;
  }
  static void store_float(float *p, Vec x) {
    for (int32_t i = 0; i < LANES; ++i) p[i] = static_cast<float>(x.v[i]);
  }
  /* The first `count` elements; zeros in the other lanes. Nothing behind them is touched. */
  static Vec load_partial(const T *p, int32_t count) {
    Vec x;
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = i < count ? p[i] : T(0);
    return x;
  }
  static void store(T *p, Vec x) { store_partial(p, x, LANES); }
  /* Past the caches, where there is such a store; p is aligned to the vector. Then, before others may read: the fence.
   */
  static void stream(T *p, Vec x) { store(p, x); }
  static void fence() {}
  static void store_partial(T *p, Vec x, int32_t count) {
    for (int32_t i = 0; i < LANES; ++i) {
      if (i < count) p[i] = x.v[i];
    }
  }
  static Vec set(T x) {
    Vec y;
    for (int32_t i = 0; i < LANES; ++i) y.v[i] = x;
    return y;
  }
  static Vec add(Vec a, Vec b) {
    for (int32_t i = 0; i < LANES; ++i) a.v[i] = a.v[i] + b.v[i];
    return a;
  }
  static Vec subtract(Vec a, Vec b) {
    for (int32_t i = 0; i < LANES; ++i) a.v[i] = a.v[i] - b.v[i];
    return a;
  }
  static Vec multiply(Vec a, Vec b) {
    for (int32_t i = 0; i < LANES; ++i) a.v[i] = a.v[i] * b.v[i];
    return a;
  }
  static Vec divide(Vec a, Vec b) {
    for (int32_t i = 0; i < LANES; ++i) a.v[i] = a.v[i] / b.v[i];
    return a;
  }
  /* a * b + c */
  static Vec multiply_add(Vec a, Vec b, Vec c) { return add(multiply(a, b), c); }
  /* c - a * b */
  static Vec subtract_product(Vec a, Vec b, Vec c) { return subtract(c, multiply(a, b)); }
  /* The second operand when one is NaN, or when both are zero. */
  static Vec min(Vec a, Vec b) {
    for (int32_t i = 0; i < LANES; ++i) b.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
    return b;
  }
  static Vec max(Vec a, Vec b) {
    for (int32_t i = 0; i < LANES; ++i) b.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    return b;
  }
  static Vec negate(Vec a) {
    for (int32_t i = 0; i < LANES; ++i) a.v[i] = -a.v[i];
    return a;
  }
  /* a0 a2 ... b0 b2 ... */
  static Vec evens(Vec a, Vec b) {
    Vec x;
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = 2 * i < LANES ? a.v[2 * i] : b.v[2 * i - LANES];
    return x;
  }
  /* a0 b0 a1 b1 ..., the first half and the second */
  static Vec zip_low(Vec a, Vec b) { return zip(a, b, 0); }
  static Vec zip_high(Vec a, Vec b) { return zip(a, b, LANES / 2); }
  static Vec zip(Vec a, Vec b, int32_t first) {
    Vec x;
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = (i % 2 == 0 ? a : b).v[first + i / 2];
    return x;
  }
  /* x < 0 ? yes : no */
  static Vec select_negative(Vec x, Vec yes, Vec no) {
    for (int32_t i = 0; i < LANES; ++i) no.v[i] = x.v[i] < T(0) ? yes.v[i] : no.v[i];
    return no;
  }
  /* To the nearest integer, ties to even; |x| far below 2^22. */
  static Vec round(Vec a) {
    for (int32_t i = 0; i < LANES; ++i) a.v[i] = (a.v[i] + Powers<T>::rounder) - Powers<T>::rounder;
    return a;
  }
  /* a * 2^n for an integral n in -1100 .. 0 with one rounding: two factors, so that each is a normal number. */
  static Vec scale(Vec a, Vec n) {
    for (int32_t i = 0; i < LANES; ++i) {
      const Bits whole = n.v[i] == n.v[i] ? static_cast<Bits>(n.v[i]) : 0; /* a is NaN too then */
      const Bits half = whole / 2;
      a.v[i] = a.v[i] * power(half) * power(whole - half);
    }
    return a;
  }
  /* The even and the odd elements of a and b, one behind the other; and the way back. */
  static void split(Vec a, Vec b, Vec *even, Vec *odd) {
    for (int32_t i = 0; i < LANES; ++i) {
      even->v[i] = 2 * i < LANES ? a.v[2 * i] : b.v[2 * i - LANES];
      odd->v[i] = 2 * i < LANES ? a.v[2 * i + 1] : b.v[2 * i + 1 - LANES];
    }
  }
  static void merge(Vec even, Vec odd, Vec *a, Vec *b) {
    for (int32_t i = 0; i < LANES; ++i) {
      a->v[i] = i % 2 == 0 ? even.v[i / 2] : odd.v[i / 2];
      b->v[i] = i % 2 == 0 ? even.v[(LANES + i) / 2] : odd.v[(LANES + i) / 2];
    }
  }
  static T power(Bits n) {
    const Bits bits = (n + Powers<T>::bias) << Powers<T>::shift;
    T x;
    memcpy(&x, &bits, sizeof x);
    return x;
  }
};

using VecF32 = Vec<float, 4>;
using VecF64 = Vec<double, 2>;

}  // namespace portable
}  // namespace convkit
#endif
