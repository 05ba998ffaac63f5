/* Depthwise with channels last: channels fill the lanes, and nothing is copied. For each tap of a pixel, a table says
 * where its source pixel lies; taps that lie in the padding are not in it.
 *
 *     row of results    b b [ - - - - - ] b b       b: at the border, each with its own table
 *                            one table, moved along by a constant step: tiles of some pixels
 *
 * In the adjoint, pixels that are a stride apart share their taps, so a row is taken phase by phase.
 *
 * The weight gradient goes the other way round: for a vector of channels, each tap's sum runs through the features
 * that it meets, in their order. */
#include "depthwise.h"
#include "im2col.h"

namespace convkit {
namespace {

/* All channels of a part of a row stay in the second-level cache, while vector after vector of them is taken. */
constexpr int64_t kPackedPart = 1 << 16; /* channels of one tap: a unit of packing */
constexpr int64_t kPartBytes = 64 << 10, kLeastPart = 16;

struct Tables {
  int64_t *offsets, *numbers, *row_offsets, *row_numbers;

  Tables(const Problem &problem, Carver *carver) {
    const ck_problem &p = problem.given;
    offsets = carver->take<int64_t>(problem.taps);
    numbers = carver->take<int64_t>(problem.taps);
    row_offsets = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    row_numbers = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
  }
};

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

/* Results first, first + step, ... of a row, `count` of them. All taps of begin .. end - 1 lie inside the source. */
struct Sequence {
  int64_t first, step, count, begin, end;
};

Sequence sequence_at(const ck_problem &p, bool adjoint, int64_t phase) {
  const int64_t s = p.stride[2], d = p.dilation[2], last = p.kernel[2] - 1, pad = p.pad_begin[2];
  if (!adjoint) {
    const int64_t begin = clamp(ceil_div(pad, s), 0, p.features[2]);
    const int64_t end = clamp(ceil_div(p.image[2] + pad - last * d, s), begin, p.features[2]);
    return {0, 1, p.features[2], begin, end};
  }
  int64_t least = -1, most = -1; /* taps of the phase */
  for (int64_t j = 0; j <= last; ++j) {
    if ((phase + pad - j * d) % s != 0) continue;
    if (least < 0) least = j;
    most = j;
  }
  const int64_t count = ceil_div(p.image[2] - phase, s);
  if (least < 0) return {phase, s, count, 0, count};
  const int64_t begin = clamp(ceil_div(most * d - pad - phase, s), 0, count);
  const int64_t end = clamp(ceil_div((p.features[2] - 1) * s + least * d + 1 - pad - phase, s), begin, count);
  return {phase, s, count, begin, end};
}

template <typename T>
struct Last {
  const RunContext &context;
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;
  int64_t lanes;
  bool adjoint;

  /* A part of a row of results, of each phase. */
  void operator()(int64_t unit, int32_t slot) const {
    const ck_problem &p = problem.given;
    const int64_t first = unit % f.bands[2] * f.band[2], last = first + f.band[2];
    unit /= f.bands[2];
    const int64_t *const result = adjoint ? p.image : p.features, *const source = adjoint ? p.features : p.image;
    const MapSteps &in = adjoint ? problem.features : problem.image, &out = adjoint ? problem.image : problem.features;
    const int64_t y = unit % result[1], z = unit / result[1] % result[0], image = unit / result[1] / result[0];
    const ck_operands &o = *context.operands;
    const T *const from = static_cast<const T *>(adjoint ? o.features_in : o.image_in) + image * in.batch;
    T *const to = static_cast<T *>(adjoint ? o.image_out : o.features_out) + image * out.batch +
                  (z * result[1] + y) * result[2] * out.pixel;

    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Tables tables(problem, &carver);
    int64_t rows = 0;
    each_source(p, adjoint, 0, z, [&](int64_t tap_z, int64_t at_z) {
      each_source(p, adjoint, 1, y, [&](int64_t tap_y, int64_t at_y) {
        tables.row_numbers[rows] = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
        tables.row_offsets[rows++] = (at_z * source[1] + at_y) * source[2] * in.pixel;
      });
    });
    const int64_t phases = adjoint ? smaller(p.stride[2], result[2]) : 1;
    for (int64_t phase = 0; phase < phases; ++phase) {
      const Sequence row = sequence_at(p, adjoint, phase);
      const int64_t end = smaller(last, row.count);
      const auto border = [&](int64_t from_m, int64_t to_m) {
        for (int64_t m = larger(first, from_m); m < smaller(end, to_m); ++m) run(tables, rows, row, m, 1, from, to);
      };
      const int64_t inner = larger(first, row.begin), inner_end = smaller(end, row.end);
      border(0, row.begin);
      if (inner_end > inner) run(tables, rows, row, inner, inner_end - inner, from, to);
      border(row.end, row.count);
    }
  }

  /* Results m .. m + count - 1 of a sequence, which have the taps of the first. */
  void run(const Tables &tables, int64_t rows, const Sequence &row, int64_t m, int64_t count, const T *from,
           T *to) const {
    const ck_problem &p = problem.given;
    const int64_t pixel = problem.image.pixel, x = row.first + m * row.step; /* both maps have the same channels */
    int64_t taps = 0;
    for (int64_t r = 0; r < rows; ++r) {
      each_source(p, adjoint, 2, x, [&](int64_t tap, int64_t at) {
        tables.numbers[taps] = tables.row_numbers[r] + tap;
        tables.offsets[taps++] = tables.row_offsets[r] + at * pixel;
      });
    }
    DepthwiseLastCall<T> call = {};
    call.offsets = tables.offsets;
    call.numbers = tables.numbers;
    call.taps = taps;
    call.source_step = adjoint || count == 1 ? pixel : p.stride[2] * pixel;
    call.weight_step = f.pitch;
    call.result_step = row.step * pixel;
    const int64_t widest = kLastVectors * lanes, tallest = balanced(count, kernels.last_pixels);
    for (int64_t c = 0; c < p.groups; c += widest) {
      const int64_t channels = smaller(widest, p.groups - c), vectors = ceil_div(channels, lanes);
      Epilogue<T> epilogue;
      call.epilogue = make_epilogue(context, c, &epilogue);
      call.channels = static_cast<int32_t>(channels);
      call.weights = reinterpret_cast<const T *>(context.weights) + c;
      for (int64_t i = 0; i < count; i += tallest) {
        const int64_t height = smaller(tallest, count - i);
        call.source = from + c + i * call.source_step;
        call.result = to + c + x * pixel + i * call.result_step;
        kernels.last_tiles[height - 1][vectors - 1](&call);
      }
    }
  }
};

template <typename T>
struct GradientScratch {
  T *sums;
  int64_t *offsets;

  GradientScratch(const Problem &problem, int64_t lanes, Carver *carver) {
    sums = carver->take<T>(problem.taps * lanes);
    offsets = carver->take<int64_t>(problem.given.kernel[2]);
  }
};

/* Features that tap j of an axis meets inside the image. */
Range met_features(const ck_problem &p, int axis, int64_t j) {
  const int64_t shift = j * p.dilation[axis] - p.pad_begin[axis];
  return inside({p.stride[axis], shift}, p.image[axis], 0, p.features[axis]);
}

template <typename T>
struct LastGradient {
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
    const GradientScratch<T> scratch(problem, lanes, &carver);
    for (int64_t i = 0; i < problem.taps * lanes; ++i) scratch.sums[i] = 0;
    for (int64_t j = 0; j < p.kernel[2]; ++j) {
      scratch.offsets[j] = (j * p.dilation[2] - p.pad_begin[2]) * problem.image.pixel;
    }
    for (int64_t image = 0; image < p.batch; ++image) {
      const T *const source = static_cast<const T *>(o.image_in) + image * problem.image.batch + c;
      const T *const features = static_cast<const T *>(o.features_in) + image * problem.features.batch + c;
      for (int64_t z = 0; z < p.features[0]; ++z) {
        for (int64_t y = 0; y < p.features[1]; ++y) {
          if (cancelled(*context.host)) return;
          const T *const row = features + (z * p.features[1] + y) * p.features[2] * problem.features.pixel;
          each_source(p, false, 0, z, [&](int64_t tap_z, int64_t at_z) {
            each_source(p, false, 1, y, [&](int64_t tap_y, int64_t at_y) {
              const int64_t tap = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
              add_row(source + (at_z * p.image[1] + at_y) * p.image[2] * problem.image.pixel, row,
                      scratch.sums + tap * lanes, channels, scratch.offsets);
            });
          });
        }
      }
    }
    const auto &w = problem.weights;
    T *const out = static_cast<T *>(o.weight_gradient) + w.origin + c * w.feature;
    for (int64_t t = 0; t < problem.taps; ++t) {
      for (int64_t l = 0; l < channels; ++l) out[l * w.feature + t * w.tap] = scratch.sums[t * lanes + l];
    }
  }

  /* One row of features with one row of taps: the features that a few taps share together, the others tap by tap. */
  void add_row(const T *source, const T *features, T *sums, int64_t channels, const int64_t *offsets) const {
    const ck_problem &p = problem.given;
    const int64_t pixel = problem.image.pixel;
    DepthwiseLastGradientCall<T> call = {};
    call.features_step = pixel;
    call.source_step = p.stride[2] * pixel;
    call.sums_step = lanes;
    call.channels = static_cast<int32_t>(channels);
    const auto add = [&](int64_t tap, int64_t taps, int64_t begin, int64_t end) {
      if (begin >= end) return;
      call.features = features + begin * call.features_step;
      call.source = source + begin * call.source_step;
      call.pixels = end - begin;
      call.offsets = offsets + tap;
      call.sums = sums + tap * lanes;
      kernels.last_gradients[taps - 1](&call);
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

template <typename T>
void block_depthwise_last(ck_plan *plan) {
  const Problem &problem = plan->problem;
  const ck_problem &p = problem.given;
  Carver measure(nullptr);
  if (plan->pass == CK_WEIGHT_GRADIENT) {
    const int64_t lanes = tiles_of<T>(*plan->kernels).lanes;
    plan->blocking.units = ceil_div(p.groups, lanes);
    GradientScratch<T>(problem, lanes, &measure);
  } else {
    const int64_t *const result = plan->pass == CK_ADJOINT ? p.image : p.features;
    DepthwiseForm &f = plan->depthwise;
    const int64_t pixel = p.groups * static_cast<int64_t>(sizeof(T));
    const int64_t length = plan->pass == CK_ADJOINT ? ceil_div(result[2], p.stride[2]) : result[2];
    f.band[2] = balanced(length, larger(kPartBytes / pixel, kLeastPart));
    f.bands[2] = ceil_div(length, f.band[2]);
    plan->blocking.units = p.batch * result[0] * result[1] * f.bands[2];
    f.pitch = round_up(p.groups, 16);
    plan->weights_bytes = problem.taps * f.pitch * static_cast<int64_t>(sizeof(T));
    Tables(problem, &measure);
  }
  plan->blocking.slot_bytes = measure.used();
}

/* [tap][channel], whole vectors. */
template <typename T>
ck_status pack_depthwise_last(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const Problem &problem = plan.problem;
  const auto &w = problem.weights;
  const T *const from = static_cast<const T *>(weights) + w.origin;
  const int64_t pitch = plan.depthwise.pitch, parts = ceil_div(pitch, kPackedPart);
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t t = unit / parts, first = unit % parts * kPackedPart;
    T *const to = reinterpret_cast<T *>(packed) + t * pitch;
    for (int64_t c = first; c < smaller(first + kPackedPart, pitch); ++c) {
      to[c] = c < problem.given.groups ? from[t * w.tap + c * w.feature] : T(0);
    }
  };
  return for_each_unit(host, problem.taps * parts, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template <typename T>
ck_status run_depthwise_last(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const int64_t lanes = tiles_of<T>(*plan.kernels).lanes;
  if (plan.pass == CK_WEIGHT_GRADIENT) {
    const LastGradient<T> gradient = {context, plan.problem, depthwise_of<T>(*plan.kernels), lanes};
    return for_each_unit(*context.host, plan.blocking.units, plan.small, gradient);
  }
  const Last<T> last = {context, plan.problem,           plan.depthwise, depthwise_of<T>(*plan.kernels),
                        lanes,   plan.pass == CK_ADJOINT};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, last);
}

template void block_depthwise_last<float>(ck_plan *);
template void block_depthwise_last<double>(ck_plan *);
template ck_status pack_depthwise_last<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_depthwise_last<double>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status run_depthwise_last<float>(const RunContext &);
template ck_status run_depthwise_last<double>(const RunContext &);

}  // namespace convkit
