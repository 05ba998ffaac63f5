/* Small exact arithmetic on sizes. Every size of a checked problem is at most 2^32 elements, so sums and
 * products of a few of them stay far inside 64 bits; see conv/problem.cpp for the limits. */
#ifndef CONVKIT_UTIL_NUMBERS_H
#define CONVKIT_UTIL_NUMBERS_H

#include <stdint.h>

namespace convkit {

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t clamp(int64_t x, int64_t low, int64_t high) { return smaller(larger(x, low), high); }

/* Rounded towards plus infinity for any sign of a; b >= 1. */
// NOLINTNEXTLINE(clang-analyzer-core.DivideZero): the analyser does not see that extents are at least 1
inline int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }
inline int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }

/* Of positive numbers. */
inline int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b > 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* The size of `count` equal parts, so that the last is not much smaller than the others. */
inline int64_t balanced(int64_t total, int64_t most) { return ceil_div(total, ceil_div(total, most)); }

/* *product *= factor; false when that exceeds the limit. All are >= 0. */
inline bool multiply_within(int64_t *product, int64_t factor, int64_t limit) {
  if (factor != 0 && *product > limit / factor) return false;
  *product *= factor;
  return true;
}

}  // namespace convkit
#endif
