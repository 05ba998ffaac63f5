/* Forward and adjoint, a unit being a band of some channels of one image. */
#include "depthwise_phases.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int kMostParts = 3; /* of a band: the ends of a long line, and what lies between */
/* A row of so many vectors goes as a line. Shorter ones are tiles, which share what a call costs: 1.2 to 1.5 times as
 * fast with 2 to 7 vectors, as fast with 14. */
constexpr int64_t kLineVectors = 16;

/* Where the results of a band lie in the map, along z, y and x. */
struct ResultBox {
  int64_t first[3], count[3];
  int64_t elements() const { return count[0] * count[1] * count[2]; }
};
ResultBox result_box(const DepthwiseForm &f, const DepthwiseBand &band) {
  ResultBox box;
  for (int a = 0; a < 3; ++a) {
    const DirectAxis &axis = f.axes[a];
    const GridMap map = result_map(axis, 0, 0);
    box.first[a] = clamp(band.first[a] * map.step + map.offset, 0, axis.result);
    box.count[a] = clamp((band.first[a] + band.count[a]) * map.step + map.offset, 0, axis.result) - box.first[a];
  }
  return box;
}

int64_t most_results(const DepthwiseForm &f) {
  int64_t elements = 1;
  for (int a = 0; a < 3; ++a) elements *= depthwise_results(f.axes[a], f.band[a]);
  return elements;
}

template <typename T>
struct Scratch {
  T *grid, *stage;
  T *planes_of_results; /* of a band, before their pixels are put together */
  RowPhase *rows[kMostParts][2];
  int64_t *x_taps, *columns, *planes;
  int64_t *later; /* columns of phase 0, one position on */
  int64_t grid_size, stage_step;

  Scratch(const DepthwiseForm &f, Carver *carver) {
    grid_size = f.sources * depthwise_grid(f) + kDepthwiseSlack;
    grid = carver->take<T>((f.edge > 0 ? 2 : 1) * grid_size);
    const int64_t phases = f.axes[2].phases;
    stage_step = int64_t{kMostVectors} * 16;
    planes_of_results = carver->take<T>(f.pixel > 1 ? f.pixel * most_results(f) : 0);
    stage = carver->take<T>(phases > 2 ? phases * kDepthwiseRows * stage_step : 0);
    for (auto &part : rows) {
      for (int a = 0; a < 2; ++a) part[a] = carver->take<RowPhase>(f.axes[a].phases);
    }
    x_taps = carver->take<int64_t>(phases);
    columns = carver->take<int64_t>(f.axes[2].taps);
    planes = carver->take<int64_t>(f.sources * f.axes[0].taps);
    later = carver->take<int64_t>(phases == 2 ? f.axes[2].taps : 0);
  }
};

/* Tiles of one height along a row: all as wide as the first, but the last. */
struct RowTiles {
  int64_t width, vectors, last_vectors;
};

template <typename T>
struct Rows {
  const RunContext &context;
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;
  int64_t lanes;

  /* What the channels of a unit have in common, in a part of its band: all that would take a division is found once. */
  struct Unit {
    const Scratch<T> &scratch;
    RowPhase *const *rows; /* phases along z, along y */
    DepthwiseBand band;
    DepthwiseSource<T> source;
    RowTiles tiles[kDepthwiseRows];
    int64_t source_channel; /* from one source of a result to the next */
  };

  void operator()(int64_t unit, int32_t slot) const {
    const int64_t bands = f.bands[0] * f.bands[1] * f.bands[2];
    const DepthwiseBand band = depthwise_band(f, unit % bands);
    unit /= bands;
    const int64_t first = unit % f.channel_blocks * f.channel_block, image = unit / f.channel_blocks;
    const int64_t last = smaller(first + f.channel_block, problem.given.groups);

    const Flow<T> flow(context);
    const MapSteps &in = flow.in, &out = flow.out;
    const T *const from = flow.source + image * in.batch;
    T *const map = flow.result + image * out.batch;

    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(f, &carver);
    list_all_columns(scratch);
    const ResultBox box = result_box(f, band);
    const Target target = f.pixel > 1 ? target_in(box, scratch.planes_of_results)
                                      : Target{map, out.channel, f.axes[1].result * f.axes[2].result, f.axes[2].result};
    int64_t counts[kMostParts];
    cut(band, counts);
    const auto part_at = [&](int number, int64_t begin) {
      DepthwiseBand part = band;
      part.first[2] += begin;
      part.count[2] = counts[number];
      return make_unit(scratch, number, part, in.channel, target);
    };
    const Unit parts[kMostParts] = {part_at(0, 0), part_at(1, counts[0]), part_at(2, counts[0] + counts[1])};
    for (int64_t c = first; c < last; ++c) {
      if (c > first && cancelled(*context.host)) return;
      const T *const channel = from + c * f.sources * in.channel;
      const T *const weights = reinterpret_cast<const T *>(context.weights) + c * f.group_weights;
      for (const Unit &part : parts) {
        if (part.band.count[2] > 0) run_part(part, c, channel, in.channel, weights, target);
      }
    }
    if (f.pixel > 1) join_planes(box, scratch.planes_of_results, map);
  }

  /* Where results go: channel 0 of the map; steps to the next channel, depth and row. */
  struct Target {
    T *result;
    int64_t channel, depth, row;
  };

  static Target target_in(const ResultBox &box, T *planes) {
    const int64_t depth = box.count[1] * box.count[2];
    return {planes - (box.first[0] * depth + box.first[1] * box.count[2] + box.first[2]), box.elements(), depth,
            box.count[2]};
  }

  void join_planes(const ResultBox &box, const T *planes, T *map) const {
    for (int64_t z = box.first[0]; z < box.first[0] + box.count[0]; ++z) {
      for (int64_t y = box.first[1]; y < box.first[1] + box.count[1]; ++y) {
        T *const row = map + ((z * f.axes[1].result + y) * f.axes[2].result + box.first[2]) * f.pixel;
        kernels.interleave(planes, box.elements(), f.pixel, box.count[2], row);
        planes += box.count[2];
      }
    }
  }

  /* Of a long line, all but its ends is read in place. */
  void cut(const DepthwiseBand &band, int64_t counts[kMostParts]) const {
    const DirectAxis &x = f.axes[2];
    counts[0] = band.count[2];
    counts[1] = counts[2] = 0;
    if (f.edge == 0) return;
    const int64_t begin = band.first[2] + x.span_begin + grid_map(x, 0, 0).offset;
    const int64_t left = clamp(-begin, 0, counts[0]);
    const int64_t room = larger(x.source - depthwise_reach(x) - begin - left, 0) / kDepthwiseLanes * kDepthwiseLanes;
    counts[1] = smaller(room, counts[0] - left);
    counts[2] = counts[0] - left - counts[1];
    counts[0] = left;
  }

  Unit make_unit(const Scratch<T> &scratch, int part, const DepthwiseBand &band, int64_t source_channel,
                 const Target &target) const {
    T *const grid = scratch.grid + (part == 2 ? scratch.grid_size : 0);
    Unit unit = {scratch, scratch.rows[part],
                 band,    DepthwiseSource<T>(problem.given.padding_mode, f, band, kernels, grid, f.sources),
                 {},      source_channel};
    if (band.count[2] == 0) return unit;
    if (!unit.source.in_place()) unit.source_channel = depthwise_grid(f);
    for (int64_t rows = 1; rows <= kDepthwiseRows; ++rows) {
      const int64_t whole = ceil_div(band.count[2], lanes), vectors = balanced(whole, kernels.vectors[rows - 1]);
      unit.tiles[rows - 1] = {vectors * lanes, vectors, (whole - 1) % vectors + 1};
    }
    list_row_phases(f, 0, band, unit.source.plane, target.depth, unit.rows[0]);
    list_row_phases(f, 1, band, unit.source.pitch, target.row, unit.rows[1]);
    return unit;
  }

  void run_part(const Unit &unit, int64_t c, const T *channel, int64_t channel_step, const T *weights,
                const Target &target) const {
    const T *const view = unit.source.view(channel, 0);
    for (int64_t s = 1; s < f.sources; ++s) unit.source.view(channel + s * channel_step, s);
    for (int64_t m = c * f.multiplier; m < (c + 1) * f.multiplier; ++m) {
      Epilogue<T> epilogue;
      const Epilogue<T> *const finish = make_epilogue(context, m, &epilogue);
      epilogue.channels_in_lanes = 0;
      weights = run_channel(unit, view, finish, weights, target.result + m * target.channel);
    }
  }

  /* The columns that taps read at, x phase after x phase. */
  void list_all_columns(const Scratch<T> &scratch) const {
    int64_t *columns = scratch.columns;
    for (int64_t r = 0; r < f.axes[2].phases; ++r) columns += scratch.x_taps[r] = list_columns(f, r, columns);
    if (f.axes[2].phases != 2) return;
    for (int64_t m = 0; m < scratch.x_taps[0]; ++m) scratch.later[m] = scratch.columns[m] + 1;
  }

  /* Returns the weights behind those of the channel. In the adjoint, its sources add up like kernel planes. */
  const T *run_channel(const Unit &unit, const T *view, const Epilogue<T> *epilogue, const T *weights,
                       T *result) const {
    const Scratch<T> &scratch = unit.scratch;
    DepthwiseCall<T> call = {};
    call.planes = scratch.planes;
    call.epilogue = epilogue;
    for (int64_t rz = 0; rz < f.axes[0].phases; ++rz) {
      const RowPhase &z = unit.rows[0][rz];
      call.depth = 0;
      for (int64_t s = 0; s < f.sources; ++s) {
        for (int64_t m = 0; m < z.taps; ++m) scratch.planes[call.depth++] = s * unit.source_channel + m * z.tap_step;
      }
      for (int64_t ry = 0; ry < f.axes[1].phases; ++ry) {
        const RowPhase &y = unit.rows[1][ry];
        call.height = y.taps;
        for (int64_t i = 0; i < z.count; ++i) {
          run_plane(unit, &call, y, weights, view + z.source + i * z.source_step,
                    result + z.result + i * z.result_step);
        }
        weights += call.depth * y.taps * f.axes[2].taps;
      }
    }
    return weights;
  }

  /* The rows of one phase of one plane of the result: tiles of equal height, then what is left. */
  void run_plane(const Unit &unit, DepthwiseCall<T> *call, const RowPhase &y, const T *weights, const T *plane,
                 T *result) const {
    const Tiling &t = y.tiling;
    const bool backwards = y.tap_step < 0;
    call->source_step = y.tap_step;
    call->stride = t.stride;
    call->result_step = (backwards ? -t.spacing : t.spacing) * y.result_step;
    for (int64_t residue = 0; residue < smaller(t.spacing, y.count); ++residue) {
      const int64_t rows = t.spacing == 1 ? y.count : ceil_div(y.count - residue, t.spacing);
      for (int64_t i = 0, height; i < rows; i += call->tiles * height) {
        height = smaller(t.rows, rows - i);
        const int64_t at = residue + (backwards ? i + height - 1 : i) * t.spacing;
        call->tiles = (rows - i) / height;
        call->next_source = height * t.spacing * y.source_step;
        call->next_result = height * t.spacing * y.result_step;
        call->source = plane + y.source + at * y.source_step;
        call->result = result + y.result + at * y.result_step;
        if (f.axes[2].phases == 1) {
          run_whole(unit, call, weights, height);
        } else if (f.axes[2].phases == 2) {
          run_zipped(unit, call, weights, height);
        } else {
          run_staged(unit, call, weights, height);
        }
      }
    }
  }

  /* The tiles of a call, over the width of the band. */
  void run_whole(const Unit &unit, DepthwiseCall<T> *call, const T *weights, int64_t rows) const {
    const int64_t count = unit.band.count[2];
    const T *const source = call->source;
    T *const result = call->result + unit.band.first[2];
    call->taps = {weights, unit.scratch.columns, f.axes[2].taps};
    if (count >= kLineVectors * lanes && call->depth * call->height == 1 && call->taps.count <= kernels.line_taps) {
      call->width = static_cast<int32_t>(count);
      call->streams = f.streams;
      for (int64_t i = 0; i < call->tiles; ++i) {
        call->source = source + i * call->next_source;
        call->result = result + i * call->next_result;
        kernels.lines[call->taps.count - 1](call);
      }
      return;
    }
    const RowTiles &wide = unit.tiles[rows - 1];
    const auto *const tiles = kernels.tiles + (rows - 1) * kMostVectors;
    for (int64_t i = 0; i < count; i += wide.width) {
      call->width = static_cast<int32_t>(smaller(wide.width, count - i));
      call->source = source + i;
      call->result = result + i;
      tiles[(i + wide.width < count ? wide.vectors : wide.last_vectors) - 1](call);
    }
  }

  /* Two phases along the row, zipped in registers. Where the row of the result begins with an odd phase, its elements
   * 0, 2, ... are those of phase 1, and phase 0 begins one position later. */
  void run_zipped(const Unit &unit, DepthwiseCall<T> *call, const T *weights, int64_t rows) const {
    const DirectAxis &x = f.axes[2];
    const Scratch<T> &scratch = unit.scratch;
    const int64_t *const x_taps = scratch.x_taps, at = 2 * unit.band.first[2] + result_map(x, 0, 0).offset;
    const int64_t begin = larger(-at, 0), width = smaller(2 * unit.band.count[2], x.result - at) - begin;
    const T *const source = call->source + begin / 2;
    T *const result = call->result + at + begin;
    call->swapped = static_cast<int32_t>(begin % 2);
    call->taps = {weights, call->swapped ? scratch.later : scratch.columns, x_taps[0]};
    call->other_taps = {weights + call->depth * call->height * x_taps[0], scratch.columns + x_taps[0], x_taps[1]};
    const auto *const zips = kernels.zips[rows - 1];
    const int64_t widest = 2 * lanes * (zips[kZipVectors - 1] ? kZipVectors : 1);
    for (int64_t i = 0; i < width; i += widest) {
      const int64_t part = smaller(widest, width - i);
      call->width = static_cast<int32_t>(part);
      call->source = source + i / 2;
      call->result = result + i;
      zips[ceil_div(part, 2 * lanes) - 1](call);
    }
  }

  /* More phases: to the stage, one after the other, and interleaved on the way to the result. */
  void run_staged(const Unit &unit, DepthwiseCall<T> *call, const T *weights, int64_t rows) const {
    const DirectAxis &x = f.axes[2];
    const Scratch<T> &scratch = unit.scratch;
    const int64_t first = unit.band.first[2], count = unit.band.count[2], offset = result_map(x, 0, 0).offset;
    const auto *const kernel = kernels.tiles + (rows - 1) * kMostVectors;
    const RowTiles &wide = unit.tiles[rows - 1];
    const DepthwiseCall<T> all = *call;
    call->tiles = 1;
    call->result_step = scratch.stage_step;
    for (int64_t t = 0; t < all.tiles; ++t) {
      for (int64_t i = 0; i < count; i += wide.width) {
        const int64_t width = smaller(wide.width, count - i);
        call->width = static_cast<int32_t>(width);
        call->source = all.source + t * all.next_source + i;
        call->taps = {weights, scratch.columns, 0};
        for (int64_t r = 0; r < x.phases; ++r) {
          call->taps.count = scratch.x_taps[r];
          call->result = scratch.stage + r * kDepthwiseRows * scratch.stage_step;
          kernel[(i + wide.width < count ? wide.vectors : wide.last_vectors) - 1](call);
          call->taps.columns += call->taps.count;
          call->taps.weights += call->depth * call->height * call->taps.count;
        }
        store_phases(scratch, rows, width, (first + i) * x.stride + offset, all.result + t * all.next_result,
                     all.result_step);
      }
    }
    *call = all;
  }

  /* The stage to elements from `at` on of some result rows; those outside the row do not exist. Division is slow beside
   * so little work, so there is none for each row. */
  void store_phases(const Scratch<T> &scratch, int64_t rows, int64_t width, int64_t at, T *result,
                    int64_t result_step) const {
    const int64_t step = kDepthwiseRows * scratch.stage_step, phases = f.axes[2].phases;
    const int64_t begin = larger(-at, 0), end = smaller(width * phases, f.axes[2].result - at);
    const int64_t first = ceil_div(begin, phases), last = end / phases; /* positions all of whose phases exist */
    for (int64_t r = 0; r < rows; ++r) {
      const T *const from = scratch.stage + r * scratch.stage_step;
      T *const to = result + at + r * result_step;
      if (first > last) { /* a part of one position */
        store_position(from, step, last, begin, end, to);
        continue;
      }
      kernels.interleave(from + first, step, phases, last - first, to + first * phases);
      store_position(from, step, first - 1, begin, first * phases, to);
      store_position(from, step, last, last * phases, end, to);
    }
  }

  /* Elements begin .. end - 1, all of one position. */
  void store_position(const T *from, int64_t step, int64_t position, int64_t begin, int64_t end, T *to) const {
    for (int64_t k = begin; k < end; ++k) to[k] = from[(k - position * f.axes[2].phases) * step + position];
  }
};

}  // namespace

template <typename T>
int64_t depthwise_rows_scratch(const DepthwiseForm &f) {
  return bytes_of<Scratch<T>>(f);
}

template <typename T>
ck_status run_depthwise_rows(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Rows<T> rows = {context, plan.problem, plan.depthwise, depthwise_of<T>(*plan.kernels),
                        tiles_of<T>(*plan.kernels).lanes};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, rows);
}

template int64_t depthwise_rows_scratch<float>(const DepthwiseForm &);
template int64_t depthwise_rows_scratch<double>(const DepthwiseForm &);
template ck_status run_depthwise_rows<float>(const RunContext &);
template ck_status run_depthwise_rows<double>(const RunContext &);

}  // namespace convkit
