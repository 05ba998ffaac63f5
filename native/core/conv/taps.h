/* Where the image lies under one tap: the geometry that im2col, col2im and the weight gradient share.
 *
 * For one tap and a row of consecutive feature pixels ("columns"), the image pixels under them form a few
 * runs: a run ends where a feature row ends, where the padding begins, or where a padding mode bends back.
 *
 *     columns     0 1 2 3 4 5 6 7 8 ...
 *     image       . a b c d . e f g      two feature rows of five; "." lies in the padding
 *     runs        [0][1 - - -][5][6 - -  sources: zeros, a, zeros, e
 *
 * The runs of a tap are the same for each channel, so they are listed once and used for all of a block.
 * Since gathering and scattering read the same list, col2im is the transpose of im2col by construction. */
#ifndef CONVKIT_CONV_TAPS_H
#define CONVKIT_CONV_TAPS_H

#include "problem.h"

namespace convkit {

struct Run {
  int32_t column, count;
  int64_t source; /* elements from channel 0 of the image, or kZeros */
};

constexpr int64_t kZeros = -1;

/* Feature pixels handled at a time, the same on every instruction set: the order in which col2im adds to an image
 * element follows from it. A list of runs is at most as long. */
constexpr int64_t kChunk = 256;

/* The pixel that a coordinate of a padded axis means, or kZeros; defined however far outside it lies. */
int64_t map_coordinate(int64_t i, int64_t extent, int32_t padding_mode);

/* The runs of columns first .. first + count - 1 under a tap; returns how many. Neighbours in a run
 * are `run_step` elements apart. */
int32_t list_runs(const Problem &problem, int64_t tap, int64_t first, int64_t count, Run *runs);

inline int64_t run_step(const Problem &problem) { return problem.given.stride[2] * problem.image.pixel; }

}  // namespace convkit
#endif
