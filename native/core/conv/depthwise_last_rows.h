/* Rows of depthwise results, with channels in lanes: those of a map with channels last (depthwise_last.cpp), or of
 * channels that have maps of their own (depthwise_blocks.cpp). Nothing is copied. In the adjoint, pixels that are a
 * stride apart share their taps, so a row is taken phase by phase.
 *
 * Where the next tap reads what the first tap reads for another result of the row, tiles are runs: a pixel of the
 * source is loaded once for all results and taps that it is a term of, and left out where it is padding.
 *
 *     results          0 1 2 3 4 5 6 7
 *     source     p p 0 1 2 3 4 5 6 7 8 9            p: padding; tap 2 of result 0 and tap 0 of result 2 read pixel 0
 *
 * Else (strides, other paddings) a table says where each tap of a pixel reads; padding is not in it.
 *
 *     row of results    b b [ - - - - - ] b b       b: at the border, each with its own table
 *                            one table, moved along by a constant step: tiles of some pixels
 *
 * Several features of a channel (a multiplier) lie side by side: channel 0's, channel 1's, ... Lanes are channels all
 * the same, so they are taken apart into planes: in the forward pass results, each plane by itself, which are then
 * interleaved; in the adjoint the source under a part of a row, whose planes are so many more taps. */
#ifndef CONVKIT_CONV_DEPTHWISE_LAST_ROWS_H
#define CONVKIT_CONV_DEPTHWISE_LAST_ROWS_H

#include "depthwise_last.h"

namespace convkit {

/* Pixels of a plane: of results, or of the source under them. */
int64_t last_plane_pixels(const Problem &problem, bool adjoint, int64_t band);

/* Scratch of one slot. */
template <typename T>
struct LastTables {
  int64_t *offsets, *numbers, *row_offsets, *row_numbers;
  T *planes; /* none without a multiplier */

  LastTables(const Problem &problem, const DepthwiseForm &f, bool adjoint, Carver *carver) {
    const ck_problem &p = problem.given;
    const int64_t rows = p.kernel[0] * p.kernel[1], multiplier = problem.group_features;
    offsets = carver->take<int64_t>(problem.taps * (adjoint ? multiplier : 1));
    numbers = carver->take<int64_t>(problem.taps * (adjoint ? multiplier : 1));
    row_offsets = carver->take<int64_t>(rows);
    row_numbers = carver->take<int64_t>(rows);
    const int64_t planes_of_pixels = multiplier > 1 ? (adjoint ? rows : 1) * multiplier : 0;
    planes = carver->take<T>(planes_of_pixels * last_plane_pixels(problem, adjoint, f.band[2]) * p.groups);
  }
};

/* Results first .. last - 1 of a row (in the adjoint, of each phase of it). */
template <typename T>
struct LastRow {
  int64_t z, y, first, last;
  const T *source, *weights; /* the whole map; of all taps */
  T *result;                 /* the whole map */
  const Epilogue<T> *finish;
};

/* The problem may be a part of the plan's. */
template <typename T>
void cover_last_row(const RunContext &context, const Problem &problem, const LastTables<T> &tables,
                    const LastRow<T> &row);

}  // namespace convkit
#endif
