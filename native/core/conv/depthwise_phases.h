/* Tables of the rows of a band, for tiles with pixels in lanes: which of them belong to a phase, and which of those one
 * tile takes together. */
#ifndef CONVKIT_CONV_DEPTHWISE_PHASES_H
#define CONVKIT_CONV_DEPTHWISE_PHASES_H

#include "depthwise.h"

namespace convkit {

/* How the rows of a tile lie; see depthwise.h. */
struct Tiling {
  int64_t stride, spacing, rows;
};

/* The rows (or planes) of one phase along y (or z) in a band; all steps are in elements. */
struct RowPhase {
  int64_t count; /* of positions whose result exists */
  int64_t taps, tap_step;
  int64_t source, source_step; /* under tap 0 of the first position; from one to the next */
  int64_t result, result_step;
  Tiling tiling; /* along y */
};

/* For all phases along axis a (z or y) of a band, whose source and result have rows (or planes) so far apart. */
void list_row_phases(const DepthwiseForm &f, int a, const DepthwiseBand &band, int64_t source_pitch,
                     int64_t result_pitch, RowPhase *phases);

}  // namespace convkit
#endif
