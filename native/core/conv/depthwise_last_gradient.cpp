/* The weight gradient of depthwise with channels last. A unit is a vector of channels; each tap's sum runs through the
 * features that it meets, in their order. Taps of a row that meet the same features share one call:
 *
 *     features   0 1 2 3 4 5 6 7
 *     tap 0        [-----------]
 *     tap 1      [-------------]        begin .. end - 1 = 1 .. 6, which all of them meet; before it and behind it tap
 *     tap 2      [-----------]          by tap */
#include "depthwise_last.h"

namespace convkit {
namespace {

/* Features of a row between two looks at a cancellation: a tenth of a millisecond. */
constexpr int64_t kLookPixels = 1 << 16;

/* Several features of a channel are taken apart row by row, into a plane of vectors each. */
template <typename T>
struct Scratch {
  T *sums, *planes;
  int64_t *offsets;

  Scratch(const Problem &problem, int64_t lanes, Carver *carver) {
    const int64_t multiplier = problem.group_features;
    sums = carver->take<T>(multiplier * problem.taps * lanes);
    planes = carver->take<T>(multiplier > 1 ? multiplier * problem.given.features[2] * lanes : 0);
    offsets = carver->take<int64_t>(problem.given.kernel[2]);
  }
};

/* Features that tap j of an axis meets inside the image. */
Range met_features(const ck_problem &p, int axis, int64_t j) {
  const int64_t shift = j * p.dilation[axis] - p.pad_begin[axis];
  return inside({p.stride[axis], shift}, p.image[axis], 0, p.features[axis]);
}

template <typename T>
struct Gradient {
  const RunContext &context;
  const Problem &problem;
  const DepthwiseSet<T> &kernels;
  int64_t lanes;

  /* One vector of channels. */
  void operator()(int64_t unit, int32_t slot) const {
    const ck_problem &p = problem.given;
    const ck_operands &o = *context.operands;
    const int64_t c = unit * lanes, channels = smaller(lanes, p.groups - c);
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(problem, lanes, &carver);
    const int64_t multiplier = problem.group_features, plane = p.features[2] * lanes;
    for (int64_t i = 0; i < multiplier * problem.taps * lanes; ++i) scratch.sums[i] = 0;
    for (int64_t j = 0; j < p.kernel[2]; ++j) {
      scratch.offsets[j] = (j * p.dilation[2] - p.pad_begin[2]) * problem.image.pixel;
    }
    for (int64_t image = 0; image < p.batch; ++image) {
      const T *const source = static_cast<const T *>(o.image_in) + image * problem.image.batch + c;
      const T *const features = static_cast<const T *>(o.features_in) + image * problem.features.batch + c * multiplier;
      for (int64_t z = 0; z < p.features[0]; ++z) {
        for (int64_t y = 0; y < p.features[1]; ++y) {
          if (cancelled(*context.host)) return;
          const T *row = features + (z * p.features[1] + y) * p.features[2] * problem.features.pixel;
          for (int64_t m = 0; m < multiplier && multiplier > 1; ++m) {
            kernels.copy_rows(scratch.planes + m * plane, lanes, row + m, problem.features.pixel, multiplier, channels,
                              p.features[2]);
          }
          if (multiplier > 1) row = scratch.planes;
          each_source(p, false, 0, z, [&](int64_t tap_z, int64_t at_z) {
            each_source(p, false, 1, y, [&](int64_t tap_y, int64_t at_y) {
              const int64_t tap = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
              const T *const from = source + (at_z * p.image[1] + at_y) * p.image[2] * problem.image.pixel;
              for (int64_t m = 0; m < multiplier; ++m) {
                add_row(from, row + m * plane, scratch.sums + (m * problem.taps + tap) * lanes, channels,
                        scratch.offsets);
              }
            });
          });
        }
      }
    }
    const auto &w = problem.weights;
    T *const out = static_cast<T *>(o.weight_gradient) + w.origin + c * multiplier * w.feature;
    for (int64_t row = 0; row < multiplier * problem.taps; ++row) {
      T *const to = out + row / problem.taps * w.feature + row % problem.taps * w.tap;
      for (int64_t l = 0; l < channels; ++l) to[l * multiplier * w.feature] = scratch.sums[row * lanes + l];
    }
  }

  /* One row of features with one row of taps: the features that a few taps share together, the others tap by tap. */
  void add_row(const T *source, const T *features, T *sums, int64_t channels, const int64_t *offsets) const {
    const ck_problem &p = problem.given;
    const int64_t pixel = problem.image.pixel;
    DepthwiseLastGradientCall<T> call = {};
    call.features_step = problem.group_features > 1 ? lanes : pixel;
    call.source_step = p.stride[2] * pixel;
    call.sums_step = lanes;
    call.channels = static_cast<int32_t>(channels);
    const auto add = [&](int64_t tap, int64_t taps, int64_t begin, int64_t end) {
      call.offsets = offsets + tap;
      call.sums = sums + tap * lanes;
      for (int64_t first = begin; first < end; first += kLookPixels) {
        if (first > begin && cancelled(*context.host)) return;
        call.features = features + first * call.features_step;
        call.source = source + first * call.source_step;
        call.pixels = smaller(kLookPixels, end - first);
        kernels.last_gradients[taps - 1](&call);
      }
    };
    int64_t taps;
    for (int64_t tap = 0; tap < p.kernel[2]; tap += taps) {
      taps = smaller(p.kernel[2] - tap, kLastTaps);
      /* Ranges move to the left from tap to tap. */
      const int64_t begin = met_features(p, 2, tap).begin, end = met_features(p, 2, tap + taps - 1).end;
      for (int64_t j = tap; j < tap + taps; ++j) {
        const Range range = met_features(p, 2, j);
        add(j, 1, range.begin, begin < end ? smaller(begin, range.end) : range.end);
      }
      if (begin >= end) continue;
      add(tap, taps, begin, end);
      for (int64_t j = tap; j < tap + taps; ++j) {
        const Range range = met_features(p, 2, j);
        add(j, 1, larger(end, range.begin), range.end);
      }
    }
  }
};

}  // namespace

bool fits_depthwise_last_gradient(const Problem &problem) {
  const int64_t vectors = kPlanesBytes / element_bytes(problem) / kDepthwiseLanes;
  return problem.given.features[2] <= vectors / problem.group_features;
}

template <typename T>
void block_depthwise_last_gradient(ck_plan *plan) {
  const int64_t lanes = tiles_of<T>(*plan->kernels).lanes;
  plan->blocking.units = ceil_div(plan->problem.given.groups, lanes);
  plan->blocking.slot_bytes = bytes_of<Scratch<T>>(plan->problem, lanes);
}

template <typename T>
ck_status run_depthwise_last_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Gradient<T> gradient = {context, plan.problem, depthwise_of<T>(*plan.kernels),
                                tiles_of<T>(*plan.kernels).lanes};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, gradient);
}

template void block_depthwise_last_gradient<float>(ck_plan *);
template void block_depthwise_last_gradient<double>(ck_plan *);
template ck_status run_depthwise_last_gradient<float>(const RunContext &);
template ck_status run_depthwise_last_gradient<double>(const RunContext &);

}  // namespace convkit
