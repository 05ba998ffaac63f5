/* Depthwise with channels last: channels fill the lanes, and nothing is copied. In the adjoint, pixels that are a
 * stride apart share their taps, so a row is taken phase by phase.
 *
 * Where the next tap reads what the first tap reads for another result of the row, tiles are runs: a pixel of the
 * source is loaded once for all results and taps that it is a term of, and left out where it is padding.
 *
 *     results          0 1 2 3 4 5 6 7
 *     source     p p 0 1 2 3 4 5 6 7 8 9            p: padding; tap 2 of result 0 and tap 0 of result 2 read pixel 0
 *
 * Else (strides, other paddings) a table says where each tap of a pixel reads; padding is not in it.
 *
 *     row of results    b b [ - - - - - ] b b       b: at the border, each with its own table
 *                            one table, moved along by a constant step: tiles of some pixels
 *
 * If there are fewer channels than lanes, results that follow each other in memory are merged (without a stride): they
 * have the same taps, and weights that are repeated from pixel to pixel.
 *
 * Several features of a channel (a multiplier) lie side by side: channel 0's, channel 1's, ... Lanes are channels all
 * the same, so they are taken apart into planes: in the forward pass results, each plane by itself, which are then
 * interleaved; in the adjoint the source under a part of a row, whose planes are so many more taps. */
#include "depthwise_last.h"

#include "../gemm/move_block.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int64_t kPackedPart = 1 << 16; /* channels of one tap: a unit of packing */
constexpr int64_t kMostMerged = 16;      /* pixels */
constexpr int64_t kMostTurned = 128;     /* channels */
constexpr int64_t kUnitsOfSlot = 4;
constexpr int64_t kPartBytes = 64 << 10, kLeastPart = 16; /* of all channels, in the second-level cache; pixels */

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
  T *planes, *bias, *slope;

  Tables(const Problem &problem, const DepthwiseForm &f, bool adjoint, Carver *carver) {
    const ck_problem &p = problem.given;
    const int64_t taps = problem.taps * (adjoint ? problem.group_features : 1);
    offsets = carver->take<int64_t>(taps);
    numbers = carver->take<int64_t>(taps);
    row_offsets = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    row_numbers = carver->take<int64_t>(p.kernel[0] * p.kernel[1]);
    planes = carver->take<T>(planes_elements(problem, adjoint, f.band[2]));
    bias = carver->take<T>(f.merged > 1 ? f.pitch : 0);
    slope = carver->take<T>(f.merged > 1 ? f.pitch : 0);
  }
};

/* Results first, first + step, ... of a row, `count` of them. All taps of begin .. end - 1 lie inside the source. */
struct Sequence {
  int64_t first, step, count, begin, end;
  int64_t tap, taps, tap_step, source; /* the taps; where the first of them reads for the first result */
  int64_t shift; /* the next tap reads there for the result so many places before (or, negative, behind); 0: nowhere */
};

Sequence sequence_at(const ck_problem &p, bool adjoint, int64_t phase) {
  const int64_t s = p.stride[2], d = p.dilation[2], last = p.kernel[2] - 1, pad = p.pad_begin[2];
  if (!adjoint) {
    const int64_t begin = clamp(ceil_div(pad, s), 0, p.features[2]);
    const int64_t end = clamp(ceil_div(p.image[2] + pad - last * d, s), begin, p.features[2]);
    return {0, 1, p.features[2], begin, end, 0, last + 1, 1, -pad, d % s == 0 ? d / s : 0};
  }
  const int64_t common = greatest_divisor(s, d), tap_step = s / common, count = ceil_div(p.image[2] - phase, s);
  int64_t least = 0;
  while (least <= smaller(last, tap_step) && (phase + pad - least * d) % s != 0) ++least;
  if (least > smaller(last, tap_step)) return {phase, s, count, 0, count, 0, 0, 1, 0, 0};
  const int64_t taps = (last - least) / tap_step + 1, most = least + (taps - 1) * tap_step;
  const int64_t begin = clamp(ceil_div(most * d - pad - phase, s), 0, count);
  const int64_t end = clamp(ceil_div((p.features[2] - 1) * s + least * d + 1 - pad - phase, s), begin, count);
  return {phase, s, count, begin, end, least, taps, tap_step, (phase + pad - least * d) / s, -(d / common)};
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

  /* A part of a row of results. */
  void operator()(int64_t unit, int32_t slot) const {
    const ck_problem &p = problem.given;
    const int64_t first = unit % f.bands[2] * f.band[2];
    unit /= f.bands[2];
    const int64_t *const result = adjoint ? p.image : p.features;
    const MapSteps &in = adjoint ? problem.features : problem.image, &out = adjoint ? problem.image : problem.features;
    const int64_t y = unit % result[1], z = unit / result[1] % result[0], image = unit / result[1] / result[0];
    const ck_operands &o = *context.operands;
    const T *const from = static_cast<const T *>(adjoint ? o.features_in : o.image_in) + image * in.batch;
    T *const to = static_cast<T *>(adjoint ? o.image_out : o.features_out) + image * out.batch;
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Tables<T> tables(problem, f, adjoint, &carver);
    Epilogue<T> epilogue;
    const Epilogue<T> *const finish = make_epilogue(context, 0, &epilogue);
    if (finish) repeat(tables, &epilogue);
    cover_row(tables, {z, y, first, first + f.band[2]}, from, reinterpret_cast<const T *>(context.weights), finish, to);
  }

  /* Results first .. last - 1 of a row, of each phase. */
  struct Part {
    int64_t z, y, first, last;
  };
  void cover_row(const Tables<T> &tables, const Part &part, const T *from, const T *weights, const Epilogue<T> *finish,
                 T *to) const {
    const ck_problem &p = problem.given;
    const int64_t *const result = adjoint ? p.image : p.features, *const source = adjoint ? p.features : p.image;
    const MapSteps &in = adjoint ? problem.features : problem.image, &out = adjoint ? problem.image : problem.features;
    to += (part.z * result[1] + part.y) * result[2] * out.pixel;
    const bool apart = adjoint && multiplier() > 1;
    const Range under = apart ? source_under(part.first, part.last) : Range{0, 0};
    int64_t rows = 0;
    each_source(p, adjoint, 0, part.z, [&](int64_t tap_z, int64_t at_z) {
      each_source(p, adjoint, 1, part.y, [&](int64_t tap_y, int64_t at_y) {
        tables.row_numbers[rows] = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
        const int64_t row = (at_z * source[1] + at_y) * source[2] * in.pixel;
        if (apart) take_apart(from + row, under, tables.planes + rows * multiplier() * plane());
        tables.row_offsets[rows] = apart ? rows * multiplier() * plane() - under.begin * p.groups : row;
        ++rows;
      });
    });
    const int64_t planes = adjoint ? 1 : multiplier(), phases = adjoint ? smaller(p.stride[2], result[2]) : 1;
    DepthwiseLastCall<T> call = {};
    call.offsets = tables.offsets;
    call.numbers = tables.numbers;
    call.weight_step = f.pitch;
    call.channels = p.groups;
    call.epilogue = planes > 1 ? nullptr : finish;
    for (int64_t n = 0; n < planes; ++n) {
      call.weights = weights + n * problem.taps * f.pitch;
      T *const results = planes > 1 ? tables.planes + n * plane() - part.first * p.groups : to;
      for (int64_t phase = 0; phase < phases; ++phase) {
        cover_sequence({tables, apart ? tables.planes : from, rows}, sequence_at(p, adjoint, phase), part.first,
                       part.last, call, results);
      }
    }
    if (planes == 1) return;
    const int64_t count = smaller(part.last, result[2]) - part.first;
    T *const mixed = to + part.first * out.pixel;
    kernels.interleave(tables.planes, plane(), planes, count * p.groups, mixed);
    if (finish) tiles.finish(mixed, out.pixel, count, out.pixel, finish);
  }

  /* Where the rows of taps read that meet a row of results. */
  struct Source {
    const Tables<T> &tables;
    const T *data;
    int64_t rows;
  };
  template <typename Visit>
  void each_row(const Source &from, const Visit &visit) const {
    for (int64_t n = 0; n < (adjoint ? multiplier() : 1); ++n) {
      for (int64_t r = 0; r < from.rows; ++r) {
        visit(n * problem.taps + from.tables.row_numbers[r], n * plane() + from.tables.row_offsets[r]);
      }
    }
  }

  /* From pixel to pixel of the image, and of planes. */
  int64_t pixel() const { return problem.image.pixel; }

  /* Of merged pixels. */
  void repeat(const Tables<T> &tables, Epilogue<T> *epilogue) const {
    const int64_t channels = problem.given.groups;
    if (f.merged == 1) return;
    const auto again = [&](const T **values, T *room) {
      if (!*values) return;
      for (int64_t c = 0; c < f.merged * channels; ++c) room[c] = (*values)[c % channels];
      *values = room;
    };
    again(&epilogue->bias, tables.bias);
    again(&epilogue->slope, tables.slope);
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

  /* Pixels of the source and of results, as far apart as the call says. */
  struct Line {
    const T *source;
    T *result;
    int64_t pixels;
  };

  /* Tiles over a line; the last ones are computed twice rather than few at a time. */
  void cover(DepthwiseLastCall<T> call, const Line &line) const {
    const int64_t most = kernels.last_pixels, begin = call.begin, end = call.end;
    const bool varies = kernels.last_runs[0] != kernels.last_runs[1];
    const bool shorter = varies && round_up(line.pixels, most - 1) < round_up(line.pixels, most);
    int64_t height = shorter ? most - 1 : most, number = shorter ? 0 : 1;
    if (call.run == 0) {
      number = 0, height = 1;
      while (2 * height <= smaller(line.pixels, most)) height *= 2, ++number;
    }
    const auto tile = (call.run > 0 ? kernels.last_runs : kernels.last_tiles)[number];
    call.pixels = smaller(height, line.pixels);
    for (int64_t i = 0; i < line.pixels; i += height) {
      const int64_t first = smaller(i, line.pixels - call.pixels);
      call.source = line.source + first * call.source_step;
      call.result = line.result + first * call.result_step;
      call.begin = begin - first;
      /* A tile may be higher than what is wanted of it, and read no more for that. */
      call.end = larger(call.begin, smaller(end - first, call.pixels + call.run - 1));
      tile(&call);
    }
  }

  /* Results m .. m + count - 1 of a sequence, which have the taps of the first. */
  void cover_alike(const Source &from, const Sequence &row, int64_t m, int64_t count, DepthwiseLastCall<T> call,
                   T *to) const {
    const ck_problem &p = problem.given;
    const int64_t x = row.first + m * row.step;
    each_row(from, [&](int64_t number, int64_t offset) {
      each_source(p, adjoint, 2, x, [&](int64_t tap, int64_t at) {
        from.tables.numbers[call.taps] = number + tap;
        from.tables.offsets[call.taps++] = offset + at * pixel();
      });
    });
    const Line line = {from.data, to + x * pixel(), count};
    if (f.merged > 1) {
      const int64_t merged = f.merged * p.groups, whole = count / f.merged, places = whole * merged;
      call.source_step = call.result_step = call.channels = merged;
      if (whole > 0) cover(call, {line.source, line.result, whole});
      call.channels = count % f.merged * p.groups;
      if (call.channels > 0) cover(call, {line.source + places, line.result + places, 1});
      return;
    }
    call.source_step = adjoint || count == 1 ? pixel() : p.stride[2] * pixel();
    call.result_step = count == 1 ? 0 : row.step * pixel();
    cover(call, line);
  }

  /* Results m .. end - 1 of a sequence, in runs. */
  void cover_runs(const Source &from, const Sequence &row, int64_t m, int64_t end, DepthwiseLastCall<T> call,
                  T *to) const {
    const ck_problem &p = problem.given;
    each_row(from, [&](int64_t number, int64_t offset) {
      from.tables.numbers[call.taps] = number + row.tap;
      from.tables.offsets[call.taps++] = offset;
    });
    call.run = row.taps;
    call.run_step = row.tap_step;
    const int64_t apart = row.shift < 0 ? -row.shift : row.shift, size = adjoint ? p.features[2] : p.image[2];
    for (int64_t i = 0; i < apart; ++i) {
      /* Where taps go backwards, so do pixels. */
      const int64_t pixels = ceil_div(end - m - i, apart), first = m + i + (row.shift < 0 ? (pixels - 1) * apart : 0);
      const int64_t at = row.source + first * (adjoint ? 1 : p.stride[2]); /* of its first tap */
      const int64_t step = row.shift * (adjoint ? 1 : p.stride[2]);
      call.begin = step > 0 ? ceil_div(-at, step) : ceil_div(at - size + 1, -step);
      call.end = step > 0 ? ceil_div(size - at, step) : ceil_div(at + 1, -step);
      call.source_step = step * pixel();
      call.result_step = row.shift * row.step * pixel();
      cover(call, {from.data + at * pixel(), to + (row.first + first * row.step) * pixel(), pixels});
    }
  }

  /* Results first .. last - 1 of a sequence. */
  void cover_sequence(const Source &from, const Sequence &row, int64_t first, int64_t last,
                      const DepthwiseLastCall<T> &call, T *to) const {
    const int64_t end = smaller(last, row.count), apart = row.shift < 0 ? -row.shift : row.shift;
    const int64_t least = kernels.last_pixels / 2 + 1; /* of which a run is made, else too much of it is thrown away */
    const bool shares = apart > 0 && row.taps > 1 && (end - first) / least >= apart;
    const ck_problem &p = problem.given;
    if (shares && p.groups >= lanes && p.padding_mode == CK_ZEROS && !reaches_far(p)) {
      return cover_runs(from, row, first, end, call, to);
    }
    const auto border = [&](int64_t begin, int64_t stop) {
      for (int64_t m = larger(first, begin); m < smaller(end, stop); ++m) cover_alike(from, row, m, 1, call, to);
    };
    const int64_t inner = larger(first, row.begin), inner_end = smaller(end, row.end);
    border(0, row.begin);
    if (inner_end > inner) cover_alike(from, row, inner, inner_end - inner, call, to);
    border(row.end, row.count);
  }
};

/* Small maps with channels first, whose rows leave lanes empty: a block of channels is turned, so that channels fill
 * the lanes, and its result turned back, all of it within the second-level cache:
 *
 *     channels x pixels  -->  pixels x channels  -->  results x channels  -->  channels x results                    */
template <typename T>
struct TurnedScratch {
  T *source, *result;
  Tables<T> tables;

  TurnedScratch(const Problem &problem, const DepthwiseForm &f, bool adjoint, Carver *carver)
      : source(carver->take<T>(f.channel_block * (adjoint ? problem.feature_pixels : problem.image_pixels))),
        result(carver->take<T>(f.channel_block * (adjoint ? problem.image_pixels : problem.feature_pixels))),
        tables(problem, f, adjoint, carver) {}
};

template <typename T>
struct Turned {
  const RunContext &context;
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;
  const TileSet<T> &tiles;
  bool adjoint;

  /* A block of channels of an image. */
  void operator()(int64_t unit, int32_t slot) const {
    const int64_t image = unit / f.channel_blocks, first = unit % f.channel_blocks * f.channel_block;
    const int64_t channels = smaller(f.channel_block, problem.given.groups - first);
    const MapSteps &in = adjoint ? problem.features : problem.image, &out = adjoint ? problem.image : problem.features;
    const int64_t *const size = adjoint ? problem.given.image : problem.given.features;
    const ck_operands &o = *context.operands;
    const T *const from =
        static_cast<const T *>(adjoint ? o.features_in : o.image_in) + image * in.batch + first * in.channel;
    T *const to = static_cast<T *>(adjoint ? o.image_out : o.features_out) + image * out.batch + first * out.channel;

    Problem part = problem;
    part.given.layout = CK_CHANNELS_LAST;
    part.given.groups = part.given.image_channels = part.given.feature_channels = channels;
    part.image.channel = part.features.channel = 1;
    part.image.pixel = part.features.pixel = f.channel_block;
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const TurnedScratch<T> scratch(problem, f, adjoint, &carver);
    Epilogue<T> epilogue;
    const Epilogue<T> *const finish = make_epilogue(context, first, &epilogue);
    epilogue.channels_in_lanes = 1;
    const T *const weights = reinterpret_cast<const T *>(context.weights) + first;
    const Last<T> last = {context, part, f, kernels, tiles, tiles.lanes, adjoint};
    const int64_t ahead = 16 * in.channel; /* what it turns next */
    turn_block(channels, in.channel, from, in.channel, scratch.source, f.channel_block, ahead);
    for (int64_t z = 0; z < size[0]; ++z) {
      for (int64_t y = 0; y < size[1]; ++y) {
        if (cancelled(*context.host)) return;
        last.cover_row(scratch.tables, {z, y, 0, f.band[2]}, scratch.source, weights, finish, scratch.result);
      }
    }
    turn_block(out.channel, channels, scratch.result, f.channel_block, to, out.channel);
  }
};

/* Positions of a part of a row. */
int64_t choose_part(const Problem &problem, bool adjoint) {
  const ck_problem &p = problem.given;
  const int64_t length = adjoint ? ceil_div(p.image[2], p.stride[2]) : p.features[2];
  const int64_t most = larger(kPartBytes / element_bytes(problem) / problem.features.pixel, kLeastPart);
  return balanced(length, most);
}

/* Fewer channels than lanes: as many pixels as fill vectors best. */
int64_t choose_merged(const Problem &problem, int64_t lanes) {
  const int64_t channels = problem.given.groups;
  if (channels >= lanes || problem.given.stride[2] > 1 || problem.group_features > 1) return 1;
  int64_t best = 1;
  const auto waste = [&](int64_t pixels) { return round_up(pixels * channels, lanes) - pixels * channels; };
  for (int64_t m = 2; m <= kMostMerged; ++m) {
    if (waste(m) * best < waste(best) * m) best = m; /* a pixel's share of it */
  }
  return best;
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
  f.merged = choose_merged(problem, tiles_of<T>(*plan->kernels).lanes);
  f.pitch = round_up(f.merged * p.groups, kDepthwiseLanes);
  plan->blocking.units = p.batch * result[0] * result[1] * f.bands[2];
  plan->weights_bytes = problem.group_features * problem.taps * f.pitch * static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = bytes_of<Tables<T>>(problem, f, adjoint);
}

template <typename T>
void block_depthwise_turned(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const ck_problem &p = problem.given;
  const bool adjoint = plan->pass == CK_ADJOINT;
  DepthwiseForm &f = plan->depthwise;
  const int64_t pixels = larger(problem.image_pixels, problem.feature_pixels);
  const int64_t most = clamp(kTurnedBytes / element_bytes(problem) / pixels, kDepthwiseLanes, kMostTurned);
  f.merged = 1;
  f.band[2] = adjoint ? ceil_div(p.image[2], p.stride[2]) : p.features[2];
  f.pitch = round_up(p.groups, kDepthwiseLanes);
  const int64_t share = slots > 1 ? ceil_div(p.groups * larger(p.batch, 1), kUnitsOfSlot * slots) : p.groups;
  f.channel_block = round_up(balanced(p.groups, smaller(most, share)), kDepthwiseLanes);
  f.channel_blocks = ceil_div(p.groups, f.channel_block);
  plan->blocking.units = p.batch * f.channel_blocks;
  plan->weights_bytes = problem.taps * f.pitch * static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = bytes_of<TurnedScratch<T>>(problem, f, adjoint);
}

template <typename T>
ck_status run_depthwise_turned(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Turned<T> turned = {context,
                            plan.problem,
                            plan.depthwise,
                            depthwise_of<T>(*plan.kernels),
                            tiles_of<T>(*plan.kernels),
                            plan.pass == CK_ADJOINT};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, turned);
}

/* [feature of a channel][tap][channel], whole vectors; of merged pixels one after the other. */
template <typename T>
ck_status pack_depthwise_last(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const Problem &problem = plan.problem;
  const auto &w = problem.weights;
  const T *const from = static_cast<const T *>(weights) + w.origin;
  const int64_t pitch = plan.depthwise.pitch, parts = ceil_div(pitch, kPackedPart);
  const int64_t channels = problem.given.groups * plan.depthwise.merged;
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t row = unit / parts, first = unit % parts * kPackedPart;
    const T *const at = from + row % problem.taps * w.tap + row / problem.taps * w.feature;
    T *const to = reinterpret_cast<T *>(packed) + row * pitch;
    for (int64_t c = first; c < smaller(first + kPackedPart, pitch); ++c) {
      to[c] = c < channels ? at[c % problem.given.groups * problem.group_features * w.feature] : T(0);
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

template void block_depthwise_turned<float>(ck_plan *, int32_t);
template void block_depthwise_turned<double>(ck_plan *, int32_t);
template ck_status run_depthwise_turned<float>(const RunContext &);
template ck_status run_depthwise_turned<double>(const RunContext &);
template void block_depthwise_last<float>(ck_plan *);
template void block_depthwise_last<double>(ck_plan *);
template ck_status pack_depthwise_last<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_depthwise_last<double>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status run_depthwise_last<float>(const RunContext &);
template ck_status run_depthwise_last<double>(const RunContext &);

}  // namespace convkit
