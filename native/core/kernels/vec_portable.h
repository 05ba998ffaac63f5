/* Vectors of 16 bytes in plain C++. It is also the definition of what each operation means.
 *
 * GCC and Clang have vectors with operators, which they map to their baseline registers (SSE2 on x86-64, SIMD128 on
 * WebAssembly); for other compilers the same operators are written out lane by lane.
 *
 * There is no fused multiply-add in those baselines, so multiply_add rounds twice here. */
#ifndef CONVKIT_VEC_PORTABLE_H
#define CONVKIT_VEC_PORTABLE_H

#include <stdint.h>
#include <string.h>

#include "unroll.h"

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
  static CONVKIT_INLINE Type if_less(Type a, Type b, Type yes, Type no) { return a < b ? yes : no; }
};
#else
template <typename T, int32_t LANES>
struct Lanes {
  struct Type {
    T lane[LANES];
    T &operator[](int32_t i) { return lane[i]; }
    T operator[](int32_t i) const { return lane[i]; }
    template <typename F>
    Type each(const Type &b, F f) const {
      Type x;
      for (int32_t i = 0; i < LANES; ++i) x.lane[i] = f(lane[i], b.lane[i]);
      return x;
    }
    Type operator+(const Type &b) const {
      return each(b, [](T x, T y) { return x + y; });
    }
    Type operator-(const Type &b) const {
      return each(b, [](T x, T y) { return x - y; });
    }
    Type operator*(const Type &b) const {
      return each(b, [](T x, T y) { return x * y; });
    }
    Type operator/(const Type &b) const {
      return each(b, [](T x, T y) { return x / y; });
    }
    Type operator-() const {
      return each(*this, [](T x, T) { return -x; });
    }
  };
  static Type if_less(const Type &a, const Type &b, const Type &yes, const Type &no) {
    Type x;
    for (int32_t i = 0; i < LANES; ++i) x.lane[i] = a[i] < b[i] ? yes[i] : no[i];
    return x;
  }
};
#endif

template <typename T, int32_t LANES>
struct Vec {
  using Element = T;
  using Bits = typename Powers<T>::Bits;
  static constexpr int32_t lanes = LANES;
  static constexpr bool masks = false;
  static constexpr int few_sums = 0;
  using Of = Lanes<T, LANES>;
  typename Of::Type v;

  /* The cache line is fetched into the second-level cache; p may lie outside of any array. Not known in plain C++. */
  static void fetch(const T *) {}
  static CONVKIT_INLINE Vec load(const T *p) {
    Vec x;
    memcpy(&x.v, p, sizeof x.v);
    return x;
  }
  /* The first `count` elements; zeros in the other lanes. Nothing behind them is touched. */
  static CONVKIT_NO_INLINE Vec load_partial(const T *p, int32_t count) {
    Vec x = set(0); /* whole, for a compiler that cannot see that every lane is set */
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = i < count ? p[i] : T(0);
    return x;
  }
  static CONVKIT_INLINE void store(T *p, Vec x) { memcpy(p, &x.v, sizeof x.v); }
  /* Past the caches, where there is such a store; p is aligned to the vector. Then, before others may read: the fence.
   */
  static void stream(T *p, Vec x) { store(p, x); }
  static void fence() {}
  static CONVKIT_NO_INLINE void store_partial(T *p, Vec x, int32_t count) {
    for (int32_t i = 0; i < count; ++i) p[i] = x.v[i];
  }
  static CONVKIT_INLINE Vec set(T x) {
    Vec y;
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) y.v[i] = x;
    return y;
  }
  static CONVKIT_INLINE Vec add(Vec a, Vec b) { return {a.v + b.v}; }
  static CONVKIT_INLINE Vec subtract(Vec a, Vec b) { return {a.v - b.v}; }
  static CONVKIT_INLINE Vec multiply(Vec a, Vec b) { return {a.v * b.v}; }
  static CONVKIT_INLINE Vec divide(Vec a, Vec b) { return {a.v / b.v}; }
  /* a * b + c */
  static CONVKIT_INLINE Vec multiply_add(Vec a, Vec b, Vec c) { return add(multiply(a, b), c); }
  /* c - a * b */
  static CONVKIT_INLINE Vec subtract_product(Vec a, Vec b, Vec c) { return subtract(c, multiply(a, b)); }
  /* The second operand when one is NaN, or when both are zero. */
  static CONVKIT_INLINE Vec min(Vec a, Vec b) { return {Of::if_less(a.v, b.v, a.v, b.v)}; }
  static CONVKIT_INLINE Vec max(Vec a, Vec b) { return {Of::if_less(b.v, a.v, a.v, b.v)}; }
  static CONVKIT_INLINE Vec negate(Vec a) { return {-a.v}; }
  /* a0 a2 ... b0 b2 ... */
  static CONVKIT_INLINE Vec evens(Vec a, Vec b) {
    Vec x;
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = 2 * i < LANES ? a.v[2 * i] : b.v[2 * i - LANES];
    return x;
  }
  /* a0 b0 a1 b1 ..., the first half and the second */
  static CONVKIT_INLINE Vec zip_low(Vec a, Vec b) { return zip(a, b, 0); }
  static CONVKIT_INLINE Vec zip_high(Vec a, Vec b) { return zip(a, b, LANES / 2); }
  static CONVKIT_INLINE Vec zip(Vec a, Vec b, int32_t first) {
    Vec x;
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) x.v[i] = (i % 2 == 0 ? a : b).v[first + i / 2];
    return x;
  }
  /* x < 0 ? yes : no */
  static CONVKIT_INLINE Vec select_negative(Vec x, Vec yes, Vec no) {
    return {Of::if_less(x.v, set(0).v, yes.v, no.v)};
  }
  /* To the nearest integer, ties to even; |x| far below 2^22. */
  static CONVKIT_INLINE Vec round(Vec a) { return subtract(add(a, set(Powers<T>::rounder)), set(Powers<T>::rounder)); }
  /* a * 2^n for an integral n in -1100 .. 0 with one rounding: two factors, so that each is a normal number. */
  static Vec scale(Vec a, Vec n) {
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) {
      const Bits whole = n.v[i] == n.v[i] ? static_cast<Bits>(n.v[i]) : 0; /* a is NaN too then */
      const Bits half = whole / 2;
      a.v[i] = a.v[i] * power(half) * power(whole - half);
    }
    return a;
  }
  /* The even and the odd elements of a and b, one behind the other; and the way back. */
  static CONVKIT_INLINE void split(Vec a, Vec b, Vec *even, Vec *odd) {
    Vec x = a, y = b; /* whole, for a compiler that cannot see that every lane is set */
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) {
      x.v[i] = 2 * i < LANES ? a.v[2 * i] : b.v[2 * i - LANES];
      y.v[i] = 2 * i < LANES ? a.v[2 * i + 1] : b.v[2 * i + 1 - LANES];
    }
    *even = x;
    *odd = y;
  }
  static CONVKIT_INLINE void merge(Vec even, Vec odd, Vec *a, Vec *b) {
    Vec x = even, y = odd;
    CONVKIT_UNROLL
    for (int32_t i = 0; i < LANES; ++i) {
      x.v[i] = i % 2 == 0 ? even.v[i / 2] : odd.v[i / 2];
      y.v[i] = i % 2 == 0 ? even.v[(LANES + i) / 2] : odd.v[(LANES + i) / 2];
    }
    *a = x;
    *b = y;
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
