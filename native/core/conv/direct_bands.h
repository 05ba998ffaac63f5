/* Which band a unit of the direct algorithm takes: how much of the source fits into the cache at a time. */
#ifndef CONVKIT_CONV_DIRECT_BANDS_H
#define CONVKIT_CONV_DIRECT_BANDS_H

#include "direct_form.h"

namespace convkit {

/* Scratch of a slot, made for 1 MiB of second-level cache (the smallest of current servers): the copy, the stage
 * (kStageBytes in direct_form.cpp) and a block of weights (kWeightBlock in direct_form.h) stay in it together. */
constexpr int64_t kGridBytes = 656 << 10;

/* Channels of a deep source that a grid holds at least, and in halves of which they are counted. */
constexpr int64_t kLeastHeld = 32;

/* Cuts the positions into bands, for the axes and the order of phases in the form; false where none is small enough. */
bool choose_band(const Problem &problem, DirectForm *form);

/* Sizes that follow from the positions of a band. */
void lay_out_band(const Problem &problem, const int64_t band[3], DirectForm *form);

}  // namespace convkit
#endif
