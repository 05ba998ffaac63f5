/* Depthwise with channels last: channels fill the lanes, and nothing is copied. For each tap of a pixel, a table says
 * where its source pixel lies; taps that lie in the padding are not in it.
 *
 *     row of results    b b [ - - - - - ] b b       b: at the border, each with its own table
 *                            one table, moved along by a constant step: tiles of some pixels
 *
 * In the adjoint, pixels that are a stride apart share their taps, so a row is taken phase by phase.
 *
 * Several features of a channel (a multiplier) lie side by side: channel 0's, channel 1's, ... Lanes are channels all
 * the same, so they are taken apart into planes: in the forward pass results, each plane by itself, which are then
 * interleaved; in the adjoint the source under a part of a row, whose planes are so many more taps. */
#include "depthwise_last.h"

#include "im2col.h"

namespace convkit {
namespace {

/* All channels of a part of a row stay in the second-level cache, while vector after vector of them is taken. */
constexpr int64_t kPackedPart = 1 << 16; /* channels of one tap: a unit of packing */
constexpr int64_t kPartBytes = 64 << 10, kLeastPart = 16;

/* Pixels of a plane: of results, or of the source under them. */
int64_t plane_pixels(const Problem &problem, bool adjoint, int64_t band) {
  const ck_problem &p = problem.given;
  return adjoint ? band + (p.kernel[2] - 1) * p.dilation[2] / p.stride[2] + 2 : band;
}
/* Elements of all planes; none without a multiplier. */
int64_t planes_elements(const Problem &problem, bool adjoint, int64_t band) {
  if (problem.group_features == 1) return 0;
  const int64_t rows = adjoint ? problem.given.kernel[0] * problem.given.kernel[1] : 1;
  return rows * problem.group_features * plane_pixels(problem, adjoint, band) * problem.given.groups;
}

template <typename T>
struct Tables {
  int64_t *offsets, *numbers, *row_offsets, *row_numbers;
  T *planes;

  Tables(const Problem &problem, bool adjoint, int64_t band, Carver *carver) {
    const ck_problem &p = problem.given;
    const int64_t taps = problem.taps * (adjoint ? problem.group_features : 1);
    offsets = carver->take<int64_t>(taps);
    numbers = carver->take<int64_t>(taps);
    row_offsets = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    row_numbers = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    planes = carver->take<T>(planes_elements(problem, adjoint, band));
  }
};

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
  const TileSet<T> &tiles;
  int64_t lanes;
  bool adjoint;

  int64_t multiplier() const { return problem.group_features; }

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
    const Tables<T> tables(problem, adjoint, f.band[2], &carver);
    const bool apart = adjoint && multiplier() > 1;
    const Range under = apart ? source_under(first, last) : Range{0, 0};
    int64_t rows = 0;
    each_source(p, adjoint, 0, z, [&](int64_t tap_z, int64_t at_z) {
      each_source(p, adjoint, 1, y, [&](int64_t tap_y, int64_t at_y) {
        tables.row_numbers[rows] = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
        const int64_t row = (at_z * source[1] + at_y) * source[2] * in.pixel;
        if (apart) take_apart(from + row, under, tables.planes + rows * multiplier() * plane());
        tables.row_offsets[rows] = apart ? rows * multiplier() * plane() - under.begin * p.groups : row;
        ++rows;
      });
    });
    const int64_t phases = adjoint ? smaller(p.stride[2], result[2]) : 1;
    for (int64_t phase = 0; phase < phases; ++phase) {
      const Sequence row = sequence_at(p, adjoint, phase);
      const int64_t end = smaller(last, row.count);
      const auto border = [&](int64_t from_m, int64_t to_m) {
        for (int64_t m = larger(first, from_m); m < smaller(end, to_m); ++m)
          run(tables, rows, row, m, 1, apart ? tables.planes : from, to);
      };
      const int64_t inner = larger(first, row.begin), inner_end = smaller(end, row.end);
      border(0, row.begin);
      if (inner_end > inner) run(tables, rows, row, inner, inner_end - inner, apart ? tables.planes : from, to);
      border(row.end, row.count);
    }
  }

  /* From plane to plane. */
  int64_t plane() const { return plane_pixels(problem, adjoint, f.band[2]) * problem.given.groups; }

  /* Adjoint: the features of a row under positions first .. last - 1 of all phases. */
  Range source_under(int64_t first, int64_t last) const {
    const ck_problem &p = problem.given;
    const int64_t s = p.stride[2], reach = (p.kernel[2] - 1) * p.dilation[2], pad = p.pad_begin[2];
    const int64_t begin = first * s + pad - reach, end = (last * s - 1 + pad) / s + 1;
    return {clamp(begin > 0 ? begin / s : 0, 0, p.features[2]), clamp(end, 0, p.features[2])};
  }
  void take_apart(const T *row, const Range &under, T *planes) const {
    const int64_t count = (under.end - under.begin) * problem.given.groups;
    const T *const from = row + under.begin * problem.features.pixel;
    for (int64_t m = 0; m < multiplier() && count > 0; ++m) {
      kernels.copy_rows(planes + m * plane(), 0, from + m, 0, multiplier(), count, 1);
    }
  }

  /* Results m .. m + count - 1 of a sequence, which have the taps of the first. */
  void run(const Tables<T> &tables, int64_t rows, const Sequence &row, int64_t m, int64_t count, const T *from,
           T *to) const {
    const ck_problem &p = problem.given;
    const int64_t pixel = problem.image.pixel, x = row.first + m * row.step; /* a plane has the channels of the image */
    const int64_t sources = adjoint ? multiplier() : 1, planes = adjoint ? 1 : multiplier();
    int64_t taps = 0;
    for (int64_t n = 0; n < sources; ++n) {
      for (int64_t r = 0; r < rows; ++r) {
        each_source(p, adjoint, 2, x, [&](int64_t tap, int64_t at) {
          tables.numbers[taps] = n * problem.taps + tables.row_numbers[r] + tap;
          tables.offsets[taps++] = n * plane() + tables.row_offsets[r] + at * pixel;
        });
      }
    }
    DepthwiseLastCall<T> call = {};
    call.offsets = tables.offsets;
    call.numbers = tables.numbers;
    call.taps = taps;
    call.source_step = adjoint || count == 1 ? pixel : p.stride[2] * pixel;
    call.weight_step = f.pitch;
    call.result_step = row.step * pixel;
    const int64_t widest = kLastVectors * lanes, tallest = balanced(count, kernels.last_pixels);
    for (int64_t n = 0; n < planes; ++n) {
      T *const result = planes > 1 ? tables.planes + n * plane() : to + x * pixel;
      const T *const weights = reinterpret_cast<const T *>(context.weights) + n * problem.taps * f.pitch;
      for (int64_t c = 0; c < p.groups; c += widest) {
        const int64_t channels = smaller(widest, p.groups - c), vectors = ceil_div(channels, lanes);
        Epilogue<T> epilogue;
        call.epilogue = planes > 1 ? nullptr : make_epilogue(context, c, &epilogue);
        call.channels = static_cast<int32_t>(channels);
        call.weights = weights + c;
        for (int64_t i = 0; i < count; i += tallest) {
          const int64_t height = smaller(tallest, count - i);
          call.source = from + c + i * call.source_step;
          call.result = result + c + i * call.result_step;
          kernels.last_tiles[height - 1][vectors - 1](&call);
        }
      }
    }
    if (planes == 1) return;
    T *const result = to + x * problem.features.pixel;
    kernels.interleave(tables.planes, plane(), planes, count * pixel, result);
    Epilogue<T> epilogue;
    if (const Epilogue<T> *const finish = make_epilogue(context, 0, &epilogue)) {
      tiles.finish(result, problem.features.pixel, count, problem.features.pixel, finish);
    }
  }
};

/* Positions of a part of a row. */
int64_t choose_part(const Problem &problem, bool adjoint) {
  const ck_problem &p = problem.given;
  const int64_t length = adjoint ? ceil_div(p.image[2], p.stride[2]) : p.features[2];
  const int64_t most = larger(kPartBytes / element_bytes(problem) / problem.features.pixel, kLeastPart);
  return balanced(length, most);
}

}  // namespace

bool fits_depthwise_last(const Problem &problem, bool adjoint) {
  const int64_t room = kPlanesBytes / element_bytes(problem), multiplier = problem.group_features;
  const int64_t rows = adjoint ? problem.given.kernel[0] * problem.given.kernel[1] : 1;
  const int64_t pixels = plane_pixels(problem, adjoint, choose_part(problem, adjoint));
  return pixels <= room && problem.given.groups <= room && rows * multiplier <= room / problem.given.groups / pixels;
}

template <typename T>
void block_depthwise_last(ck_plan *plan) {
  const Problem &problem = plan->problem;
  const ck_problem &p = problem.given;
  const bool adjoint = plan->pass == CK_ADJOINT;
  const int64_t *const result = adjoint ? p.image : p.features;
  DepthwiseForm &f = plan->depthwise;
  const int64_t length = adjoint ? ceil_div(result[2], p.stride[2]) : result[2];
  f.band[2] = choose_part(problem, adjoint);
  f.bands[2] = ceil_div(length, f.band[2]);
  f.pitch = round_up(p.groups, kDepthwiseLanes);
  plan->blocking.units = p.batch * result[0] * result[1] * f.bands[2];
  plan->weights_bytes = problem.group_features * problem.taps * f.pitch * static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = bytes_of<Tables<T>>(problem, adjoint, f.band[2]);
}

/* [feature of a channel][tap][channel], whole vectors. */
template <typename T>
ck_status pack_depthwise_last(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const Problem &problem = plan.problem;
  const auto &w = problem.weights;
  const T *const from = static_cast<const T *>(weights) + w.origin;
  const int64_t pitch = plan.depthwise.pitch, parts = ceil_div(pitch, kPackedPart);
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t row = unit / parts, first = unit % parts * kPackedPart;
    const T *const at = from + row % problem.taps * w.tap + row / problem.taps * w.feature;
    T *const to = reinterpret_cast<T *>(packed) + row * pitch;
    for (int64_t c = first; c < smaller(first + kPackedPart, pitch); ++c) {
      to[c] = c < problem.given.groups ? at[c * problem.group_features * w.feature] : T(0);
    }
  };
  return for_each_unit(host, problem.group_features * problem.taps * parts,
                       plan.small || plan.weights_bytes < (1 << 16), pack);
}

template <typename T>
ck_status run_depthwise_last(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Last<T> last = {context,
                        plan.problem,
                        plan.depthwise,
                        depthwise_of<T>(*plan.kernels),
                        tiles_of<T>(*plan.kernels),
                        tiles_of<T>(*plan.kernels).lanes,
                        plan.pass == CK_ADJOINT};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, last);
}

template void block_depthwise_last<float>(ck_plan *);
template void block_depthwise_last<double>(ck_plan *);
template ck_status pack_depthwise_last<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_depthwise_last<double>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status run_depthwise_last<float>(const RunContext &);
template ck_status run_depthwise_last<double>(const RunContext &);

}  // namespace convkit
