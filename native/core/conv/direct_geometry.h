/* The geometry of the direct algorithm: both passes as one stride-1 gather.
 *
 *     result[q] = sum over source channels (outer) and taps (inner) of  weight * grid[plane][q + shift]
 *
 * Forward. Feature o reads padded pixel o * s + j * d. Split the padded image into planes by its coordinate modulo s;
 * then tap j reads plane (j * d) mod s at o + floor(j * d / s): the stride is gone. Taps j and j + s / gcd(s, d) share
 * a plane.
 *
 *     s = 2, k = 3      padded image   a b c d e f g           plane 0 (taps 0, 2)   a c e g
 *                       feature 1 =    w0 c + w1 d + w2 e      plane 1 (tap 1)       b d f      = w0 c + w1 d + w2 e
 *
 * Adjoint. With o' = pixel + pad = q * s + r, only taps with (j * d) mod s = r reach the pixels of phase r: with
 * G = gcd(s, d), s1 = s / G, d1 = d / G these are j0, j0 + s1, ..., and tap number m reads feature q + e - m * d1,
 * where e = (r - j0 * d) / s. If G does not divide r, there are none and the phase holds the epilogue of zero. So each
 * phase is a gather of its own, and the phases lie interleaved in the result.
 *
 * With stride 1, a dilation D is taken out of the rows instead: rows q, q + D, q + 2 D, ... form a residue class and
 * are neighbours in its grid, so a band need not hold the rows in between. */
#ifndef CONVKIT_CONV_DIRECT_GEOMETRY_H
#define CONVKIT_CONV_DIRECT_GEOMETRY_H

#include "problem.h"

namespace convkit {

/* One axis. Positions of a residue class are counted by i: q = first + residue + residues * i. */
struct DirectAxis {
  bool adjoint;
  int64_t stride, dilation;
  int64_t pad;             /* of the trimmed kernel, so it may be negative */
  int64_t first_tap, taps; /* those that reach the source at all */
  int64_t source, result;  /* extents */
  int64_t first, count;    /* of q */
  int64_t residues;
  int64_t planes;           /* of the source: forward */
  int64_t phases;           /* of the result: adjoint */
  int64_t span_begin, span; /* the least shift, and what the greatest is more */

  int64_t most_positions() const { return (count + residues - 1) / residues; }
};

/* Takes a dilation out of an axis of stride 1 (see above), if the axis is long enough for it. */
void split_residues(DirectAxis *axis);

/* Makes each tap of an axis with one feature read a plane of its own: that feature has any stride. */
void split_taps(DirectAxis *axis);

/* Taps first, first + step, ... of one phase, which read at shift, shift + shift_step, ... */
struct PhaseTaps {
  int64_t first, step, count, shift, shift_step;
};

/* The axes of a pass. Returns null, or the reason why the pass has no such form. */
const char *direct_axes(const Problem &problem, ck_pass pass, DirectAxis axes[3]);

/* Forward has one phase. There, taps lie on several planes and their shifts are not evenly spaced, so ask tap_shift. */
PhaseTaps phase_taps(const DirectAxis &axis, int64_t phase);
int64_t tap_plane(const DirectAxis &axis, int64_t tap);
int64_t tap_shift(const DirectAxis &axis, const PhaseTaps &taps, int64_t number);

/* Grid index g of a residue class and plane holds source element g * step + offset. */
struct GridMap {
  int64_t step, offset;
};
GridMap grid_map(const DirectAxis &axis, int64_t plane, int64_t residue);

/* Position i of a residue class and phase is result element i * step + offset, where that exists. */
GridMap result_map(const DirectAxis &axis, int64_t phase, int64_t residue);

/* The positions i of begin .. end - 1 whose element lies in 0 .. extent - 1. */
struct Range {
  int64_t begin, end;
  bool empty() const { return begin >= end; }
};
Range inside(const GridMap &map, int64_t extent, int64_t begin, int64_t end);

/* Positions begin .. end - 1 of a residue class, at all of which the same taps of a phase reach the source; the others
 * read padding. The taps are neighbours: numbers taps.begin .. taps.end - 1. */
struct LiveTaps {
  int64_t begin, end;
  Range taps;
};
constexpr int32_t kMostLiveTaps = 16;

/* Cuts begin .. end - 1 into such runs. Returns their number, or 0 where they are more than kMostLiveTaps. */
int32_t cut_by_live_taps(const DirectAxis &axis, const PhaseTaps &taps, int64_t residue, int64_t begin, int64_t end,
                         LiveTaps runs[kMostLiveTaps]);

}  // namespace convkit
#endif
