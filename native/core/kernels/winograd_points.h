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

constexpr int32_t kWinogradSchemes = 8, kMostPoints = 7, kMostTaps = 4;

/* The finite points besides 0: a and -a of each pair, and one alone. */
struct WinogradPoints {
  int32_t pairs;
  double pair[2], odd;
};
/* By how many points there are in all: 2 + 2 * pairs, and one more with the odd one. */
constexpr WinogradPoints kWinogradPoints[kMostPoints + 1] = {
    {}, {}, {}, {}, {1, {1, 0}, 0}, {1, {0.75, 0}, 2}, {2, {0.625, 1.5}, 0}, {2, {0.5, 1.25}, 2}};

/* An axis is transformed by one of these. The first leaves it alone: its taps are terms of the product. */
struct WinogradScheme {
  int32_t outputs, taps, points; /* points = outputs + taps - 1 */
};
constexpr WinogradScheme kWinogradScheme[kWinogradSchemes] = {{1, 1, 1}, {2, 3, 4}, {3, 2, 4}, {3, 3, 5},
                                                              {4, 3, 6}, {5, 2, 6}, {3, 4, 6}, {4, 4, 7}};

}  // namespace convkit
#endif
