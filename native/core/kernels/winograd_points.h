/* The interpolation points of the Winograd forms, and which forms there are.
 *
 * F(m, r) gives m neighbouring results of r taps with n = m + r - 1 multiplications (Toom-Cook; Winograd; for
 * convolution: Lavin and Gray 2015). Its n points are n - 1 numbers and infinity. Written as polynomials, with
 * M(x) the product of (x - p) over the finite points:
 *
 *     data    v_p = coefficients of M(x) / (x - p), times d     v_inf = coefficients of M(x), times d
 *     filter  u_p = sum of g_k p^k / product of (p - p')        u_inf = g_(r - 1)
 *     result  y_i = sum of p^i v_p u_p, and y_(m - 1) += v_inf u_inf
 *
 * The data transform depends on n alone, so forms share points. Order: 0, +a, -a, +b, -b, c, infinity; pairs halve the
 * work of the transforms. The numbers have few bits, so that matrices are exact in float32; among those they were
 * chosen for the least error (see README.md; compare 0, 1, -1, 2, -2, which costs F(4, 3) another digit).
 *
 * Plain data: it is read by files that are built with ISA flags. */
#ifndef CONVKIT_WINOGRAD_POINTS_H
#define CONVKIT_WINOGRAD_POINTS_H

#include <stdint.h>

namespace convkit {

/* POINTS = 2 + 2 * pairs + (1 if there is an odd point). */
template <int POINTS>
struct WinogradPoints;
template <>
struct WinogradPoints<1> {
  static constexpr int pairs = 0;
  static constexpr double pair[2] = {0, 0}, odd = 0;
};
template <>
struct WinogradPoints<4> {
  static constexpr int pairs = 1;
  static constexpr double pair[2] = {1, 0}, odd = 0;
};
template <>
struct WinogradPoints<5> {
  static constexpr int pairs = 1;
  static constexpr double pair[2] = {0.75, 0}, odd = 2;
};
template <>
struct WinogradPoints<6> {
  static constexpr int pairs = 2;
  static constexpr double pair[2] = {0.625, 1.5}, odd = 0;
};
template <>
struct WinogradPoints<7> {
  static constexpr int pairs = 2;
  static constexpr double pair[2] = {0.5, 1.25}, odd = 2;
};

/* An axis is transformed by one of these. The first leaves it alone: its taps are terms of the product. */
struct WinogradScheme {
  int32_t outputs, taps;
};
constexpr int32_t kWinogradSchemes = 8, kMostPoints = 7, kMostTaps = 4;
constexpr WinogradScheme kWinogradScheme[kWinogradSchemes] = {{1, 1}, {2, 3}, {3, 2}, {3, 3},
                                                              {4, 3}, {5, 2}, {3, 4}, {4, 4}};

}  // namespace convkit
#endif
