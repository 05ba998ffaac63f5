/* A checked problem and the sizes that follow from it. Everything below the C header works on this and
 * trusts it. */
#ifndef CONVKIT_CONV_PROBLEM_H
#define CONVKIT_CONV_PROBLEM_H

#include "../convkit.h"

namespace convkit {

/* Distances in elements between neighbours of an image or a feature map. */
struct MapSteps {
  int64_t batch, channel, pixel;

  /* Are pixels neighbours? So they are with channels first, and in the map of a single channel. */
  bool rows() const { return pixel == 1; }
};

struct Problem {
  ck_problem given;
  int64_t taps;           /* of one kernel: the product of its extents */
  int64_t group_channels; /* image channels of one group */
  int64_t group_features; /* feature channels of one group */
  int64_t depth;          /* group_channels * taps: the terms of one feature */
  int64_t image_pixels, feature_pixels;
  MapSteps image, features;
  /* weights[origin + feature * w.feature + channel * w.channel + tap * w.tap], channel within the group.
   * A flipped kernel is the same array read backwards: reversing every axis reverses the tap number. */
  struct {
    int64_t origin, feature, channel, tap;
  } weights;
  double flops; /* 2 per multiply-add, padding counted */
};

/* The maps that a pass reads and writes. */
inline const MapSteps &source_steps(const Problem &p, bool adjoint) { return adjoint ? p.features : p.image; }
inline const MapSteps &result_steps(const Problem &p, bool adjoint) { return adjoint ? p.image : p.features; }

inline bool is_f32(const Problem &problem) { return problem.given.image_type == CK_FLOAT32; }
inline int64_t element_bytes(const Problem &problem) { return is_f32(problem) ? 4 : 8; }

/* A result of this many bytes has left the caches before anyone reads it, so whole lines of it are written past them:
 * then they are not read first. About a core's share, or a few cores', of the last cache of current servers. */
constexpr int64_t kStreamedBytes = 16 << 20;

inline bool streams_result(const Problem &p, bool adjoint) {
  const int64_t elements = p.given.batch * result_steps(p, adjoint).batch;
  return elements >= kStreamedBytes / element_bytes(p);
}

/* Fills *problem, or returns one line that says what is wrong. */
const char *check_problem(const ck_problem &given, Problem *problem);

}  // namespace convkit
#endif
