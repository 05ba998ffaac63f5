/* What all passes of depthwise with channels last have in common. */
#ifndef CONVKIT_CONV_DEPTHWISE_LAST_H
#define CONVKIT_CONV_DEPTHWISE_LAST_H

#include "depthwise.h"
#include "plan.h"
#include "taps.h"

namespace convkit {

/* Of the planes that several features of a channel are taken apart into, at most: half of a second-level cache. */
constexpr int64_t kPlanesBytes = 512 << 10;

constexpr int64_t kBlockBytes = 96 << 10; /* of a map of a block of channels */

/* So far that products with a pixel's elements might not fit into integers. */
inline bool reaches_far(const ck_problem &p) {
  constexpr int64_t kFar = 1 << 24;
  return p.stride[2] > kFar || p.dilation[2] > kFar || p.pad_begin[2] > kFar;
}

/* Calls visit(tap, source coordinate) for the taps of result coordinate i along an axis. */
template <typename Visit>
void each_source(const ck_problem &p, bool adjoint, int axis, int64_t i, const Visit &visit) {
  const int64_t s = p.stride[axis], d = p.dilation[axis];
  for (int64_t j = 0; j < p.kernel[axis]; ++j) {
    if (adjoint) {
      const int64_t at = i + p.pad_begin[axis] - j * d;
      if (at < 0) break;
      if (at % s == 0 && at / s < p.features[axis]) visit(j, at / s);
    } else {
      const int64_t at = map_coordinate(i * s + j * d - p.pad_begin[axis], p.image[axis], p.padding_mode);
      if (at != kZeros) visit(j, at);
    }
  }
}

}  // namespace convkit
#endif
