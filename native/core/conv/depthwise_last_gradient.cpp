/* The weight gradient of depthwise with channels last. A unit is a block of channels; each tap's sum runs through the
 * features that it meets, in their order, a part of a row at a time. Taps that meet the same features share one call:
 *
 *     features   0 1 2 3 4 5 6 7
 *     tap 0        [-----------]
 *     tap 1      [-------------]        begin .. end - 1 = 1 .. 6, which all of them meet; before it and behind it tap
 *     tap 2      [-----------]          by tap
 *
 * Fewer channels than lanes: several features are merged, each with sums of its own, which are added up at the end. */
#include "depthwise_last.h"

#include "../gemm/move_block.h"

namespace convkit {
namespace {

constexpr int64_t kFeaturesBytes = 128 << 10, kLeastFeatures = 16, kMostFeatures = 64; /* pixels */
constexpr int64_t kSumsBytes = 64 << 10;                                               /* of a unit */
constexpr int64_t kMostMergedBytes = 256 << 10;
constexpr int64_t kGradientUnitsOfSlot = 2;

/* Several features of a channel are taken apart row by row, into a plane of vectors each. */
template <typename T>
struct Scratch {
  T *sums, *planes;
  T *source, *features;       /* of a block of channels that have maps of their own */
  int64_t *offsets, *numbers; /* of the rows of the source under a row of features, and of their taps */
  Range *met;                 /* by the taps of a row */

  Scratch(const Problem &problem, const DepthwiseForm &f, int64_t lanes, Carver *carver) {
    const ck_problem &p = problem.given;
    const int64_t multiplier = problem.group_features;
    const int64_t vectors = f.merged > 1 ? f.merged * p.groups / lanes : f.channel_block;
    sums = carver->take<T>(vectors * multiplier * problem.taps * lanes);
    planes = carver->take<T>(multiplier > 1 ? multiplier * p.features[2] * lanes : 0);
    source = carver->take<T>(f.blocks ? f.channel_block * lanes * problem.image_pixels : 0);
    features = carver->take<T>(f.blocks ? f.channel_block * lanes * problem.feature_pixels : 0);
    offsets = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    numbers = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    met = carver->take<Range>(p.kernel[2]);
  }
};

/* Features that tap j of an axis meets inside the image. */
Range met_features(const ck_problem &p, int axis, int64_t j) {
  const int64_t shift = j * p.dilation[axis] - p.pad_begin[axis];
  return inside({p.stride[axis], shift}, p.image[axis], 0, p.features[axis]);
}

/* Some vectors of channels, of which the last rather overlaps the one before. */
template <typename T>
class GradientUnit {
 public:
  GradientUnit(const RunContext &run, int64_t unit, int32_t slot)
      : context(run),
        problem(run.plan->problem),
        f(run.plan->depthwise),
        kernels(depthwise_of<T>(*run.plan->kernels)),
        lanes(tiles_of<T>(*run.plan->kernels).lanes),
        first_channel(unit * f.channel_block * lanes),
        channels(f.merged > 1 ? f.merged * problem.given.groups
                              : smaller(f.channel_block * lanes, problem.given.groups - first_channel)),
        carver(run.scratch + slot * run.plan->blocking.slot_bytes),
        scratch(problem, f, lanes, &carver) {
    const ck_problem &p = problem.given;
    for (int64_t i = 0; i < vectors() * all_taps() * lanes; ++i) scratch.sums[i] = 0;
    for (int64_t j = 0; j < p.kernel[2]; ++j) scratch.met[j] = met_features(p, 2, j);
  }

  /* False: cancelled. */
  bool add_image(int64_t image) const {
    const ck_problem &p = problem.given;
    const ck_operands &o = *context.operands;
    const T *source =
        static_cast<const T *>(o.image_in) + image * problem.image.batch + first_channel * problem.image.channel;
    const T *features = static_cast<const T *>(o.features_in) + image * problem.features.batch +
                        first_channel * multiplier() * problem.features.channel;
    if (f.blocks) {
      const auto &in = problem.image, &out = problem.features;
      move_block(channels, problem.image_pixels, source, in.channel, in.pixel, scratch.source, 1, pixel());
      move_block(channels, problem.feature_pixels, features, out.channel, out.pixel, scratch.features, 1, pixel());
      source = scratch.source, features = scratch.features;
    }
    for (int64_t z = 0; z < p.features[0]; ++z) {
      for (int64_t y = 0; y < p.features[1]; ++y) {
        const int64_t place = (z * p.features[1] + y) * p.features[2] * pixel() * multiplier();
        if (!add_row(z, y, source, features + place)) return false;
      }
    }
    return true;
  }

  void write() const {
    const auto &w = problem.weights;
    T *const out =
        static_cast<T *>(context.operands->weight_gradient) + w.origin + first_channel * multiplier() * w.feature;
    for (int64_t v = 0; v < vectors(); ++v) {
      const int64_t first = clamp(channels - lanes, 0, v * lanes), count = smaller(lanes, channels);
      for (int64_t row = 0; row < all_taps(); ++row) {
        T *const to = out + row / problem.taps * w.feature + row % problem.taps * w.tap;
        const T *const from = scratch.sums + (v * all_taps() + row) * lanes;
        for (int64_t l = 0; l < count; ++l) {
          /* Merged pixels add up in the first of them. */
          const int64_t channel = f.merged > 1 ? (first + l) % problem.given.groups : first + l;
          T *const sum = to + channel * multiplier() * w.feature;
          *sum = channel == first + l ? from[l] : *sum + from[l];
        }
      }
    }
  }

 private:
  const RunContext &context;
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;
  const int64_t lanes, first_channel, channels; /* of merged pixels: all of them */
  Carver carver;
  const Scratch<T> scratch;

  int64_t multiplier() const { return problem.group_features; }
  int64_t vectors() const { return ceil_div(channels, lanes); }
  int64_t all_taps() const { return multiplier() * problem.taps; }

  /* A row of features. False: cancelled. */
  bool add_row(int64_t z, int64_t y, const T *source, const T *features) const {
    const ck_problem &p = problem.given;
    const int64_t plane = p.features[2] * lanes;
    if (cancelled(*context.host)) return false;
    if (multiplier() > 1) {
      for (int64_t m = 0; m < multiplier(); ++m) {
        kernels.copy_rows(scratch.planes + m * plane, lanes, features + m, problem.features.pixel, multiplier(),
                          channels, p.features[2]);
      }
      features = scratch.planes;
    }
    const int64_t rows = list_rows(z, y);
    const int64_t together =
        clamp(kFeaturesBytes / element_bytes(problem) / p.groups, kLeastFeatures, kMostFeatures * f.merged);
    DepthwiseLastGradientCall<T> call = {};
    call.features_step = multiplier() > 1 ? lanes : pixel();
    call.source_step = p.stride[2] * pixel();
    call.tap_step = p.dilation[2] * pixel();
    call.source = source;
    call.sums_step = all_taps() * lanes;
    call.channels = channels;
    for (int64_t first = 0; first < p.features[2]; first += together) {
      if (first > 0 && cancelled(*context.host)) return false;
      for (int64_t m = 0; m < multiplier(); ++m) {
        call.features = features + m * plane;
        call.sums = scratch.sums + m * problem.taps * lanes;
        add_rows(rows, {first, smaller(first + together, p.features[2])}, call);
      }
    }
    return true;
  }

  /* From pixel to pixel of the image; a feature of each channel lies as far apart. */
  int64_t pixel() const { return f.blocks ? f.channel_block * lanes : problem.image.pixel; }

  /* Rows of the source that a row of features meets, by tap 0. */
  int64_t list_rows(int64_t z, int64_t y) const {
    const ck_problem &p = problem.given;
    int64_t rows = 0;
    each_source(p, false, 0, z, [&](int64_t tap_z, int64_t at_z) {
      each_source(p, false, 1, y, [&](int64_t tap_y, int64_t at_y) {
        scratch.numbers[rows] = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
        scratch.offsets[rows++] = ((at_z * p.image[1] + at_y) * p.image[2] - p.pad_begin[2]) * pixel();
      });
    });
    return rows;
  }

  /* A part of a row of features with all rows of taps. */
  void add_rows(int64_t rows, const Range &part, DepthwiseLastGradientCall<T> call) const {
    int64_t together;
    for (int64_t r = 0; r < rows; r += together) {
      together = kernels.last_gradients_of_rows && rows - r >= kLastRows ? kLastRows : 1;
      call.offsets = scratch.offsets + r;
      call.numbers = scratch.numbers + r;
      add_taps(together, part, call);
    }
  }

  /* Whole groups of merged pixels, and what is left: whole vectors of it, and the rest. */
  void add_merged(Shaped<DepthwiseLastGradientCall<T>> gradient, DepthwiseLastGradientCall<T> call) const {
    const int64_t pixels = call.pixels, together = call.channels;
    const auto add = [&](int64_t some, int64_t times) {
      call.channels = some, call.pixels = times;
      if (some > 0 && times > 0) gradient(&call);
    };
    call.features_step = call.source_step = together;
    add(together, pixels / f.merged);
    call.features += pixels / f.merged * together, call.source += pixels / f.merged * together;
    const int64_t left = pixels % f.merged * problem.given.groups, whole = left / lanes * lanes;
    add(whole, 1);
    call.features += whole, call.source += whole, call.sums += whole / lanes * call.sums_step;
    add(left - whole, 1);
  }

  /* The features that a few taps share together, the others tap by tap. */
  void add_taps(int64_t rows, const Range &part, const DepthwiseLastGradientCall<T> &given) const {
    const auto *const gradients = rows > 1 ? kernels.last_gradients_of_rows : kernels.last_gradients;
    const int64_t most = rows > 1 ? kLastRowsTaps : kLastTaps;
    const ck_problem &p = problem.given;
    const Range *const met = scratch.met;
    const auto add = [&](int64_t tap, int64_t taps, int64_t begin, int64_t end) {
      begin = larger(begin, part.begin), end = smaller(end, part.end);
      if (begin >= end) return;
      DepthwiseLastGradientCall<T> call = given;
      call.features += begin * call.features_step;
      call.source += begin * call.source_step + tap * call.tap_step;
      call.sums += tap * lanes;
      call.pixels = end - begin;
      if (f.merged > 1) return add_merged(gradients[taps - 1], call);
      gradients[taps - 1](&call);
    };
    int64_t taps;
    for (int64_t tap = 0; tap < p.kernel[2]; tap += taps) {
      taps = smaller(p.kernel[2] - tap, most);
      if (p.kernel[2] - tap == most + 1) taps = most - 1; /* a single tap shares nothing */
      /* Ranges move to the left from tap to tap. */
      const int64_t begin = met[tap].begin, end = met[tap + taps - 1].end;
      for (int64_t j = tap; j < tap + taps; ++j) {
        add(j, 1, met[j].begin, begin < end ? smaller(begin, met[j].end) : met[j].end);
      }
      if (begin >= end) continue;
      add(tap, taps, begin, end);
      for (int64_t j = tap; j < tap + taps; ++j) add(j, 1, larger(end, met[j].begin), met[j].end);
    }
  }
};

}  // namespace

bool fits_depthwise_last_gradient(const Problem &problem) {
  const int64_t vectors = kPlanesBytes / element_bytes(problem) / kDepthwiseLanes;
  return problem.given.features[2] <= vectors / problem.group_features;
}

template <typename T>
void block_depthwise_last_gradient(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const int64_t lanes = tiles_of<T>(*plan->kernels).lanes, vectors = ceil_div(problem.given.groups, lanes);
  const int64_t room = kSumsBytes / element_bytes(problem) / lanes / problem.taps;
  int64_t share = slots > 1 ? ceil_div(vectors, kGradientUnitsOfSlot * slots) : vectors;
  if (plan->depthwise.blocks) {
    const int64_t pixels = larger(problem.image_pixels, problem.feature_pixels);
    share = clamp(kBlockBytes / element_bytes(problem) / pixels / lanes, 1, share);
  }
  plan->depthwise.merged = 1;
  if (problem.given.groups < kDepthwiseLanes && problem.given.stride[2] == 1 && problem.group_features == 1) {
    const int64_t together = kDepthwiseLanes / greatest_divisor(kDepthwiseLanes, problem.given.groups);
    const int64_t sums = together * problem.given.groups * problem.taps * element_bytes(problem);
    if (sums <= kMostMergedBytes) plan->depthwise.merged = together;
  }
  plan->depthwise.channel_block = problem.group_features > 1 ? 1 : balanced(vectors, clamp(room, 1, share));
  if (plan->depthwise.merged > 1) plan->depthwise.channel_block = vectors;
  plan->blocking.units = ceil_div(vectors, plan->depthwise.channel_block);
  plan->blocking.slot_bytes = bytes_of<Scratch<T>>(problem, plan->depthwise, lanes);
}

template <typename T>
ck_status run_depthwise_last_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const auto body = [&](int64_t number, int32_t slot) {
    const GradientUnit<T> unit(context, number, slot);
    for (int64_t image = 0; image < plan.problem.given.batch; ++image) {
      if (!unit.add_image(image)) return;
    }
    unit.write();
  };
  return for_each_unit(*context.host, plan.blocking.units, plan.small, body);
}

template void block_depthwise_last_gradient<float>(ck_plan *, int32_t);
template void block_depthwise_last_gradient<double>(ck_plan *, int32_t);
template ck_status run_depthwise_last_gradient<float>(const RunContext &);
template ck_status run_depthwise_last_gradient<double>(const RunContext &);

}  // namespace convkit
