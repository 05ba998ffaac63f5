/* Forward and adjoint, a unit being a band of some channels of one image. */
#include "depthwise.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int64_t kMostRowTile = kDepthwiseRows;

template <typename T>
struct Scratch {
  T *grid, *stage;
  PhaseTaps *taps[3];
  int64_t *columns, *planes;
  int64_t stage_step;

  Scratch(const DepthwiseForm &f, Carver *carver) {
    grid = carver->take<T>(f.grid[0] * f.grid[1] * f.pitch + kDepthwiseSlack);
    const int64_t phases = f.axes[2].phases;
    stage_step = int64_t{kMostVectors} * 16;
    stage = carver->take<T>(phases > 1 ? phases * kMostRowTile * stage_step : 0);
    for (int a = 0; a < 3; ++a) taps[a] = carver->take<PhaseTaps>(f.axes[a].phases);
    columns = carver->take<int64_t>(f.axes[2].taps);
    planes = carver->take<int64_t>(f.axes[0].taps);
  }
};

template <typename T>
struct Rows {
  const RunContext &context;
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;
  int64_t lanes;

  /* What the tiles of one channel have in common. */
  struct Channel {
    const Scratch<T> &scratch;
    const DepthwiseBand &band;
    const DepthwiseView<T> &view;
    const Epilogue<T> *epilogue;
    T *result;
  };

  /* How the rows of a tile lie; see depthwise.h. */
  struct Tiling {
    int64_t stride, spacing, rows;
  };

  void operator()(int64_t unit, int32_t slot) const {
    DepthwiseBand band;
    for (int a = 2; a >= 0; --a) {
      band.first[a] = unit % f.bands[a] * f.band[a];
      band.count[a] = smaller(f.band[a], f.axes[a].count - band.first[a]);
      unit /= f.bands[a];
    }
    const int64_t first = unit % f.channel_blocks * f.channel_block, image = unit / f.channel_blocks;
    const int64_t last = smaller(first + f.channel_block, problem.given.groups);

    const bool adjoint = f.axes[0].adjoint;
    const ck_operands &o = *context.operands;
    const MapSteps &in = adjoint ? problem.features : problem.image, &out = adjoint ? problem.image : problem.features;
    const T *const source = static_cast<const T *>(adjoint ? o.features_in : o.image_in) + image * in.batch;
    T *const result = static_cast<T *>(adjoint ? o.image_out : o.features_out) + image * out.batch;

    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(f, &carver);
    list_taps(scratch);
    for (int64_t c = first; c < last; ++c) {
      if (c > first && cancelled(*context.host)) return;
      const DepthwiseView<T> view =
          view_depthwise(problem.given.padding_mode, f, band, kernels, source + c * in.channel, scratch.grid);
      const T *weights = reinterpret_cast<const T *>(context.weights) + c * f.group_weights;
      for (int64_t m = c * f.multiplier; m < (c + 1) * f.multiplier; ++m) {
        Epilogue<T> epilogue;
        const Channel channel = {scratch, band, view, make_epilogue(context, m, &epilogue), result + m * out.channel};
        weights = run_channel(channel, weights);
      }
    }
  }

  /* Taps of all phases; columns of x phase after x phase. */
  void list_taps(const Scratch<T> &scratch) const {
    for (int a = 0; a < 3; ++a) {
      for (int64_t r = 0; r < f.axes[a].phases; ++r) scratch.taps[a][r] = phase_taps(f.axes[a], r);
    }
    const DirectAxis &x = f.axes[2];
    int64_t *column = scratch.columns;
    for (int64_t r = 0; r < x.phases; ++r) {
      const PhaseTaps &taps = scratch.taps[2][r];
      for (int64_t m = 0; m < taps.count; ++m) {
        *column++ = tap_plane(x, m) * f.plane_pitch + tap_shift(x, taps, m) - x.span_begin;
      }
    }
  }

  /* Returns the weights behind those of the channel. */
  const T *run_channel(const Channel &channel, const T *weights) const {
    const Scratch<T> &scratch = channel.scratch;
    for (int64_t rz = 0; rz < f.axes[0].phases; ++rz) {
      const PhaseTaps &taps = scratch.taps[0][rz];
      const DepthwiseRows rows = depthwise_rows(f.axes[0], taps);
      const GridMap map = result_map(f.axes[0], rz, 0);
      const Range range =
          inside(map, f.axes[0].result, channel.band.first[0], channel.band.first[0] + channel.band.count[0]);
      for (int64_t m = 0; m < taps.count; ++m) scratch.planes[m] = rows.at(0, m) * channel.view.plane;
      for (int64_t ry = 0; ry < f.axes[1].phases; ++ry) {
        for (int64_t z = range.begin; z < range.end; ++z) {
          const T *const plane =
              channel.view.origin + (z - channel.band.first[0]) * rows.position_step * channel.view.plane;
          run_plane(channel, ry, taps.count, weights, plane,
                    channel.result + (z * map.step + map.offset) * f.axes[1].result * f.axes[2].result);
        }
        weights += taps.count * scratch.taps[1][ry].count * f.axes[2].taps;
      }
    }
    return weights;
  }

  Tiling tiling(const PhaseTaps &taps) const {
    const DirectAxis &y = f.axes[1];
    int64_t stride = 1, spacing = 0;
    if (y.adjoint) {
      spacing = -taps.shift_step;
    } else if (y.dilation % y.stride == 0) {
      spacing = y.dilation / y.stride;
    } else if (y.stride == kDepthwiseStrides * y.dilation) {
      spacing = 1;
      stride = kDepthwiseStrides;
    }
    if (spacing <= 0 || taps.count < 2) return {1, 1, 1};
    return {stride, spacing, smaller((taps.count - 1) / stride + 1, kMostRowTile)};
  }

  /* The rows of phase ry of one plane of the result. */
  void run_plane(const Channel &channel, int64_t ry, int64_t depth, const T *weights, const T *plane, T *result) const {
    const DirectAxis &y = f.axes[1];
    const PhaseTaps &taps = channel.scratch.taps[1][ry];
    const DepthwiseRows rows = depthwise_rows(y, taps);
    const GridMap map = result_map(y, ry, 0);
    const int64_t begin = channel.band.first[1];
    const Range range = inside(map, y.result, begin, begin + channel.band.count[1]);
    const Tiling t = tiling(taps);
    const bool backwards = rows.tap_step < 0;
    const int64_t pitch = f.axes[2].result, row_step = map.step * pitch;

    DepthwiseCall<T> call = {};
    call.planes = channel.scratch.planes;
    call.kernel[0] = depth;
    call.kernel[1] = taps.count;
    call.source_step = rows.tap_step * channel.view.pitch;
    call.result_step = (backwards ? -t.spacing : t.spacing) * row_step;
    call.epilogue = channel.epilogue;
    for (int64_t residue = 0; residue < t.spacing; ++residue) {
      for (int64_t i = range.begin + residue; i < range.end; i += t.spacing * t.rows) {
        const int64_t count = smaller(t.rows, ceil_div(range.end - i, t.spacing));
        const int64_t at = backwards ? i + (count - 1) * t.spacing : i;
        call.weights = weights;
        call.source = plane + rows.at(at - begin, 0) * channel.view.pitch;
        call.result = result + at * row_step + map.offset * pitch;
        run_rows(channel, &call, t.stride, count);
      }
    }
  }

  /* Some rows of the result, over the width of the band. */
  void run_rows(const Channel &channel, DepthwiseCall<T> *call, int64_t stride, int64_t rows) const {
    const DirectAxis &x = f.axes[2];
    const Scratch<T> &scratch = channel.scratch;
    const int64_t first = channel.band.first[2], count = channel.band.count[2];
    const auto *const tiles = kernels.tiles + ((stride - 1) * kDepthwiseRows + rows - 1) * kMostVectors;
    const int64_t whole = ceil_div(count, lanes), widest = balanced(whole, kernels.vectors[rows - 1]) * lanes;
    const T *const source = call->source, *const weights = call->weights;
    T *const result = call->result;
    const int64_t result_step = call->result_step, depth = call->kernel[0];
    const int64_t row_taps = depth * call->kernel[1], offset = result_map(x, 0, 0).offset;

    for (int64_t i = 0; i < count; i += widest) {
      const int64_t width = smaller(widest, count - i);
      const auto tile = tiles[ceil_div(width, lanes) - 1];
      call->width = static_cast<int32_t>(width);
      call->source = source + i;
      call->columns = scratch.columns;
      if (x.phases == 1) {
        call->kernel[2] = x.taps;
        call->result = result + first + i;
        tile(call);
        continue;
      }
      call->result_step = scratch.stage_step;
      call->weights = weights;
      for (int64_t r = 0; r < x.phases; ++r) {
        call->kernel[2] = scratch.taps[2][r].count;
        call->kernel[0] = call->kernel[1] * call->kernel[2] > 0 ? depth : 0;
        call->result = scratch.stage + r * kMostRowTile * scratch.stage_step;
        tile(call);
        call->columns += call->kernel[2];
        call->weights += row_taps * call->kernel[2];
      }
      call->kernel[0] = depth;
      store_phases(scratch, rows, width, (first + i) * x.stride + offset, result, result_step);
    }
    call->result_step = result_step;
  }

  /* The stage to elements from `at` on of some result rows; those outside the row do not exist. Division is slow beside
   * so little work, so there is none for each row. */
  void store_phases(const Scratch<T> &scratch, int64_t rows, int64_t width, int64_t at, T *result,
                    int64_t result_step) const {
    const DirectAxis &x = f.axes[2];
    const int64_t step = kMostRowTile * scratch.stage_step, phases = x.phases;
    const int64_t begin = larger(-at, 0), end = smaller(width * phases, x.result - at);
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
  Carver measure(nullptr);
  Scratch<T>(f, &measure);
  return measure.used();
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
