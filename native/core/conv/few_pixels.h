/* im2col for few pixels under heavy weights that come with the call: the weights stay where they lie.
 *
 * A packed weight would be read once or twice here, so packing costs as much as the product. But with channels first
 * the weights of a feature are neighbours, (channel, tap) by (channel, tap), and whole vectors of them are an operand,
 * or a result, as they are:
 *
 *     adjoint            columns[pixel][(channel, tap)] = sum over features of features[feature][pixel] * weights
 *     weight gradient    weights[feature][(channel, tap)] = sum over pixels of features[feature][pixel] * columns
 *
 *                          (channel, tap) in lanes
 *                        +-------------------------+
 *               features |         weights         |   in memory: read or written once, row by row
 *                        +-------------------------+
 *     features  +---+    +-------------------------+
 *     or pixels |   |    |         columns         |   in the cache: added up to an image, or gathered from it
 *               +---+    +-------------------------+
 *
 * Forward, terms are in lanes (few_pixels_forward.cpp). With channels last, features are neighbours, and lanes, forward
 * and in the weight gradient (few_pixels_last.cpp). */
#ifndef CONVKIT_CONV_FEW_PIXELS_H
#define CONVKIT_CONV_FEW_PIXELS_H

#include "../convkit.h"

namespace convkit {

struct RunContext;

/* What a unit is: adjoint, a set of images and a block of channels; weight gradient, a block of channels, and with
 * channels last, of one tap; forward, a block of features (and before, of a block of channels to gather), with channels
 * last of a set of images. */
struct FewPixelsForm {
  bool taken;                            /* unless packed weights are given */
  int64_t units;                         /* forward: of a group and a set of images */
  int64_t images;                        /* of a set; of a weight gradient, all */
  int64_t depth;                         /* terms added at a time; channels first, forward: features of a unit */
  int64_t channel_block, channel_blocks; /* of a group; channels last, forward: of features */
  int64_t pitch;                         /* of columns */
  int64_t height, width;                 /* of a tile */
};

/* Why `direct` should step back, or null. */
const char *few_pixels_pay(const ck_plan &plan);

/* Where weights can stay, makes a form for im2col, and room in its scratch. */
template <typename T>
void block_few_pixels(ck_plan *plan, int32_t slots);

template <typename T>
ck_status run_few_pixels(const RunContext &context);

}  // namespace convkit
#endif
