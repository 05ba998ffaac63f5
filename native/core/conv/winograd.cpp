/* A unit of work: a block of tiles of one group of one image, and a share of the panels (see winograd_form.h).
 *
 * One chain of multiply-adds for each row, tile and point, in the order source channel, plane, piece; blocks, panels
 * and orientation leave no trace in the results. */
#include "winograd.h"

#include "../util/host.h"
#include "../util/text.h"
#include "direct_copy.h"
#include "im2col.h"

namespace convkit {
namespace {

/* Whole vectors are read and written past the end of each buffer. */
constexpr int64_t kSlack = int64_t{kMostVectors} * 16;

/* A table of offsets stays in the first-level cache; beyond it, it is repeated. */
constexpr int64_t kTableTerms = 128;

int64_t table_terms(const WinogradForm &f) {
  const int64_t of_channel = f.depth / f.channels;
  return of_channel * clamp(kTableTerms / of_channel, 1, f.channels);
}

template <typename T>
struct Scratch {
  T *grid, *line, *room, *data, *products, *half, *stage, *bias, *slope;
  int64_t *table;

  Scratch(const WinogradForm &f, Carver *carver) {
    const WinogradAxis &y = f.axes[1], &x = f.axes[2];
    grid = carver->take<T>(f.chunk * f.copy.channel_size + kSlack);
    line = carver->take<T>(y.points > 1 ? x.points * f.line_step + kSlack : 0);
    room = carver->take<T>(f.copy.grid[1] * x.outputs * f.room_step + kSlack);
    data = carver->take<T>(f.points * f.data_step + kSlack);
    products = carver->take<T>(f.points * f.product_step + kSlack);
    half = carver->take<T>(y.points > 1 ? y.outputs * x.points * f.lanes_step + kSlack : 0);
    const int64_t positions = f.copy.grid[0] * f.store.stage_plane;
    stage = carver->take<T>(f.in_place         ? 0
                            : f.tiles_in_lanes ? f.panels.width * f.store.stage_step
                                               : positions * f.store.stage_step);
    bias = carver->take<T>(f.panels.step);
    slope = carver->take<T>(f.panels.step);
    table = carver->take<int64_t>(table_terms(f));
  }
};

template <typename T>
struct Winograd {
  const RunContext &context;
  const Problem &problem;
  const WinogradForm &f;
  const TileSet<T> &tiles;
  const WinogradSet<T> &transforms;

  /* The block of a unit. */
  struct Block {
    int64_t tiles[3]; /* tiles[a] <= axes[a].block */
    DirectBand band;  /* its positions, those that exist */
    int64_t lanes;
  };

  void operator()(int64_t unit, int32_t slot) const {
    const int64_t part = unit % f.parts;
    unit /= f.parts;
    Block block;
    for (int a = 2; a >= 0; --a) {
      const WinogradAxis &axis = f.axes[a];
      const int64_t first = unit % axis.blocks * axis.block;
      unit /= axis.blocks;
      block.tiles[a] = smaller(axis.block, axis.tiles - first);
      block.band.residue[a] = 0;
      block.band.first[a] = first * axis.outputs;
      block.band.count[a] = smaller(axis.positions(block.tiles[a]), axis.geometry.count - block.band.first[a]);
    }
    const int64_t y_grid = f.axes[1].grid(), x_grid = f.axes[2].grid();
    block.lanes = ((block.tiles[0] - 1) * y_grid + block.tiles[1] - 1) * x_grid + block.tiles[2];
    const int64_t group = unit % problem.given.groups, image = unit / problem.given.groups;

    const ck_operands &o = *context.operands;
    const bool adjoint = f.axes[0].geometry.adjoint;
    const MapSteps &in = adjoint ? problem.features : problem.image, &out = adjoint ? problem.image : problem.features;
    const T *const source = static_cast<const T *>(adjoint ? o.features_in : o.image_in) + image * in.batch +
                            group * f.channels * in.channel;
    T *const result =
        static_cast<T *>(adjoint ? o.image_out : o.features_out) + image * out.batch + group * f.rows * out.channel;

    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(f, &carver);
    transform_source(block, source, in.channel, scratch);
    fill_table(scratch.table);

    Epilogue<T> group_epilogue;
    const Epilogue<T> *const epilogue = make_epilogue(context, group * f.rows, &group_epilogue);
    const int64_t panel_size = f.points * f.depth * f.panels.step;
    const T *const weights = reinterpret_cast<const T *>(context.weights) + group * f.panels.count * panel_size;
    const int64_t end = smaller(f.panels.count, (part + 1) * f.part_panels);
    for (int64_t panel = part * f.part_panels; panel < end; ++panel) {
      if (cancelled(*context.host)) return;
      const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
      multiply(block, weights + panel * panel_size, rows, scratch);
      Epilogue<T> rows_epilogue;
      const Epilogue<T> *const finish =
          epilogue ? panel_epilogue(*epilogue, first_row, rows, scratch, &rows_epilogue) : nullptr;
      if (f.tiles_in_lanes) {
        finish_rows(block, first_row, rows, finish, scratch, result);
      } else {
        finish_channels(block, first_row, rows, finish, scratch, result);
      }
      const int64_t line[3] = {0, 0, 0};
      if (!f.in_place) store_stage(problem, f.store, block.band, line, first_row, rows, scratch.stage, result);
    }
  }

  /* Rows of one plane of the source under a block, channels first with padding of zeros: padded one by one, in the
   * first-level cache. */
  struct SourceRows {
    GridMap map[3];
    int64_t begin[3], extent[3]; /* of the block; of the source */
    Range real;
    int64_t width;
    void (*pad_row)(T *out, int64_t left, const T *source, int64_t step, int64_t count, int64_t width);

    void pad(int64_t z, int64_t y, const T *channel, T *out) const {
      const int64_t iz = (begin[0] + z) * map[0].step + map[0].offset;
      const int64_t iy = (begin[1] + y) * map[1].step + map[1].offset;
      const bool inside = iz >= 0 && iz < extent[0] && iy >= 0 && iy < extent[1] && !real.empty();
      const int64_t left = inside ? real.begin - begin[2] : 0, count = inside ? real.end - real.begin : 0;
      const int64_t first = count > 0 ? real.begin * map[2].step + map[2].offset : 0;
      const T *const from = count > 0 ? channel + (iz * extent[1] + iy) * extent[2] + first : channel;
      pad_row(out, left, from, map[2].step, count, width);
    }
  };

  void find_rows(const DirectBand &band, int64_t plane, SourceRows *rows) const {
    int64_t index[3] = {0, 0, 0};
    for (int a = 2; a >= 0; --a) {
      const DirectAxis &axis = f.axes[a].geometry;
      index[a] = plane % axis.planes;
      plane /= axis.planes;
      rows->map[a] = grid_map(axis, index[a], 0);
      rows->begin[a] = band.first[a] + axis.span_begin;
      rows->extent[a] = axis.source;
    }
    rows->width = f.copy.grid[2];
    rows->real = inside(rows->map[2], rows->extent[2], rows->begin[2], rows->begin[2] + rows->width);
    rows->pad_row = depthwise_of<T>(*context.plan->kernels).pad_row;
  }

  /* V of all channels. Along y, the elements of a tile are rows of a `line`, which holds row (b * m + i) * inner + r at
   * residue i, place b * inner + r: so that elements are neighbours in it whenever tiles are. */
  void transform_source(const Block &block, const T *source, int64_t channel_step, const Scratch<T> &s) const {
    const WinogradAxis &y = f.axes[1], &x = f.axes[2];
    DirectForm copy = f.copy;
    DirectBand band = block.band;
    int64_t extent[3];
    for (int a = 0; a < 3; ++a) {
      band.count[a] = f.axes[a].positions(block.tiles[a]);
      extent[a] = band.count[a] + f.axes[a].geometry.span;
    }
    int64_t offsets[kMostPoints];
    for (int64_t u = 0; u < y.points; ++u) {
      offsets[u] = u % y.outputs * f.line + u / y.outputs * y.inner * x.grid();
    }
    SourceRows rows = {};
    const int64_t room = x.outputs * f.room_step;
    WinogradCall<T> split = {}, row = {}, column = {};
    split.count = block.tiles[2] + x.halo + (x.points - 1) / x.outputs * x.inner;
    split.inner = row.inner = x.inner;
    split.repeat = extent[1];
    split.in_repeat = copy.pitch;
    split.out = s.room;
    split.out_step = f.room_step;
    split.out_repeat = room;
    row.count = block.tiles[2] + x.halo;
    row.in_step = f.room_step;
    row.out_step = y.points > 1 ? f.line_step : f.data_step;
    row.out_repeat = x.grid();
    column.in = s.line;
    column.offsets = offsets;
    column.count = (block.tiles[1] + y.halo) * x.grid();
    column.out_step = x.points * f.data_step;
    column.repeat = x.points;
    column.in_repeat = f.line_step;
    column.out_repeat = f.data_step;
    for (int64_t first = 0; first < f.channels; first += f.chunk) {
      copy.channels = smaller(f.chunk, f.channels - first);
      if (!f.by_row) copy_grid(problem, copy, band, source + first * channel_step, s.grid);
      for (int64_t c = 0; c < copy.channels * f.planes; ++c) {
        T *data = s.data + (first * f.planes + c) * f.tile_step;
        const T *const channel = source + (first + c / f.planes) * channel_step;
        if (f.by_row) find_rows(band, c % f.planes, &rows);
        for (int64_t z = 0; z < extent[0]; ++z, data += y.grid() * x.grid()) {
          const T *lines = s.grid;
          if (f.by_row) {
            for (int64_t v = 0; v < extent[1]; ++v) rows.pad(z, v, channel, s.grid + v * copy.pitch);
          } else {
            lines += c * copy.plane_size + z * copy.grid[1] * copy.pitch;
          }
          int64_t line_step = copy.pitch;
          if (x.outputs > 1) {
            split.in = lines;
            transforms.split[x.scheme](&split);
            lines = s.room;
            line_step = room;
          }
          each_run(y, extent[1], [&](int64_t start, int64_t apart, int64_t count, int64_t residue, int64_t place) {
            row.in = lines + start * line_step;
            row.in_repeat = apart * line_step;
            row.repeat = count;
            row.out = (y.points > 1 ? s.line : data) + residue * f.line + place * x.grid();
            transforms.data_row[x.scheme](&row);
          });
          if (y.points == 1) continue;
          column.out = data;
          transforms.data_columns[y.scheme](&column);
        }
      }
    }
  }

  /* Rows 0 .. rows - 1 in runs of the same residue, visit(first row, from row to row, rows, residue, place of the
   * first): row (b * m + i) * inner + r has residue i and place b * inner + r. */
  template <typename Visit>
  static void each_run(const WinogradAxis &y, int64_t rows, const Visit &visit) {
    if (y.outputs == 1) return visit(0, 1, rows, 0, 0);
    if (y.inner == 1) {
      for (int64_t i = 0; i < smaller(y.outputs, rows); ++i) {
        visit(i, y.outputs, ceil_div(rows - i, y.outputs), i, 0);
      }
      return;
    }
    for (int64_t run = 0; run * y.inner < rows; ++run) {
      const int64_t start = run * y.inner;
      visit(start, 1, smaller(y.inner, rows - start), run % y.outputs, run / y.outputs * y.inner);
    }
  }

  /* Where the terms of a chain lie in V, from a tile on. */
  void fill_table(int64_t *table) const {
    const int64_t y_grid = f.axes[1].grid(), x_grid = f.axes[2].grid(), terms = table_terms(f);
    for (int64_t k = 0; k < terms; ++k) {
      int64_t rest = k;
      const int64_t px = rest % f.axes[2].pieces;
      rest /= f.axes[2].pieces;
      const int64_t py = rest % f.axes[1].pieces;
      rest /= f.axes[1].pieces;
      const int64_t pz = rest % f.axes[0].pieces, channel = rest / f.axes[0].pieces;
      table[k] = channel * f.tile_step + (pz * f.axes[0].piece_step * y_grid + py * f.axes[1].piece_step) * x_grid +
                 px * f.axes[2].piece_step;
    }
  }

  /* M of a panel. */
  void multiply(const Block &block, const T *weights, int64_t rows, const Scratch<T> &s) const {
    TileCall<T> call = {};
    call.a_step = call.b_step = f.panels.step;
    call.depth = f.depth;
    call.period = table_terms(f);
    call.period_step = call.period / (f.depth / f.channels) * f.planes * f.tile_step;
    call.c_step = f.lanes_step;
    (f.tiles_in_lanes ? call.b_offsets : call.a_offsets) = s.table;
    for (int64_t p = 0; p < f.points; ++p) {
      const T *const data = s.data + p * f.data_step, *const panel = weights + p * f.depth * f.panels.step;
      T *const products = s.products + p * f.product_step;
      if (f.tiles_in_lanes) {
        const int64_t widest = f.vectors * tiles.lanes;
        call.a = panel;
        for (int64_t i = 0; i < block.lanes; i += widest) {
          const int64_t columns = smaller(widest, block.lanes - i), vectors = ceil_div(columns, tiles.lanes);
          call.b = data + i;
          call.c = products + i;
          call.columns = static_cast<int32_t>(vectors * tiles.lanes);
          tiles.tiles[(rows - 1) * kMostVectors + vectors - 1](&call);
        }
      } else {
        const int64_t tallest = balanced(block.lanes, f.height), vectors = ceil_div(rows, tiles.lanes);
        call.b = panel;
        call.columns = static_cast<int32_t>(vectors * tiles.lanes);
        for (int64_t i = 0; i < block.lanes; i += tallest) {
          const int64_t height = smaller(tallest, block.lanes - i);
          call.a = data + i;
          call.c = products + i * f.lanes_step;
          tiles.tiles[(height - 1) * kMostVectors + vectors - 1](&call);
        }
      }
    }
  }

  /* The epilogue of a panel; joint rows repeat their channel's bias for each phase. */
  const Epilogue<T> *panel_epilogue(const Epilogue<T> &all, int64_t first_row, int64_t rows, const Scratch<T> &scratch,
                                    Epilogue<T> *out) const {
    *out = all;
    out->channels_in_lanes = !f.tiles_in_lanes;
    const auto spread = [&](const T *from, T *room) -> const T * {
      if (!from || f.phases == 1) return from ? from + first_row : nullptr;
      for (int64_t i = 0; i < rows; ++i) {
        room[i] = from[f.store.phase_inner ? (first_row + i) / f.phases : (first_row + i) % f.rows];
      }
      return room;
    };
    out->bias = spread(all.bias, scratch.bias);
    out->slope = spread(all.slope, scratch.slope);
    return out;
  }

  /* Position (z, y, 0) of the block in a result that is written in place. */
  T *place(const ResultPlace &at, int64_t z, int64_t y, T *result) const {
    return result + at.origin + z * at.step[0] + y * at.step[1];
  }

  /* Results from M, tiles in lanes: row by row. */
  void finish_rows(const Block &block, int64_t first_row, int64_t rows, const Epilogue<T> *epilogue,
                   const Scratch<T> &s, T *result) const {
    const WinogradAxis &y = f.axes[1], &x = f.axes[2];
    const int64_t no_phase[3] = {0, 0, 0};
    const ResultPlace at = result_place(problem, f.store, block.band, no_phase);
    const int64_t channel_step = (y.geometry.adjoint ? problem.image : problem.features).channel;
    WinogradCall<T> column = {}, row = {}, merge = {};
    const int64_t room = x.outputs * f.room_step;
    column.in_step = x.points * f.product_step;
    column.count = round_up(block.lanes, tiles.lanes);
    column.repeat = x.points;
    column.in_repeat = f.product_step;
    column.out = s.half;
    column.out_step = x.points * f.lanes_step;
    column.out_repeat = f.lanes_step;
    column.outputs = static_cast<int32_t>(y.outputs);
    row.in_step = y.points > 1 ? f.lanes_step : f.product_step;
    row.in_repeat = x.grid();
    row.count = block.tiles[2];
    row.out_step = merge.in_step = f.room_step;
    merge.inner = x.inner;
    merge.count = block.band.count[2];
    merge.in = s.room;
    merge.in_repeat = room;
    merge.out_repeat = f.in_place ? at.step[1] : f.store.pitch;
    merge.repeat = block.band.count[1];
    Epilogue<T> of_row;
    for (int64_t i = 0; i < rows; ++i) {
      const T *half = s.products + i * f.lanes_step;
      if (y.points > 1) {
        column.in = half;
        transforms.result_columns[y.scheme](&column);
        half = s.half;
      }
      if (epilogue) {
        of_row = *epilogue;
        if (of_row.bias) of_row.bias += i;
        if (of_row.slope) of_row.slope += i;
        row.epilogue = merge.epilogue = &of_row;
      }
      for (int64_t z = 0; z < block.tiles[0]; ++z) {
        const T *const plane = half + z * y.grid() * x.grid();
        each_run(y, merge.repeat, [&](int64_t start, int64_t apart, int64_t count, int64_t residue, int64_t place) {
          row.in = plane + residue * column.out_step + place * x.grid();
          row.repeat = count;
          row.out = s.room + start * room;
          row.out_repeat = apart * room;
          transforms.result_row[x.scheme](&row);
        });
        merge.out = f.in_place ? result + at.origin + z * at.step[0] + (first_row + i) * channel_step
                               : s.stage + i * f.store.stage_step + z * f.store.stage_plane;
        transforms.merge[x.scheme](&merge);
      }
    }
  }

  /* Results from M, channels in lanes: tile by tile. */
  void finish_channels(const Block &block, int64_t first_row, int64_t rows, const Epilogue<T> *epilogue,
                       const Scratch<T> &s, T *result) const {
    const WinogradAxis &y = f.axes[1], &x = f.axes[2];
    const int64_t no_phase[3] = {0, 0, 0};
    const ResultPlace at = result_place(problem, f.store, block.band, no_phase);
    const int64_t position_step = f.in_place ? at.step[2] : f.store.stage_step;
    WinogradCall<T> column = {}, row = {};
    column.in_step = x.points * f.product_step;
    column.count = round_up(rows, tiles.lanes);
    column.repeat = x.points;
    column.in_repeat = f.product_step;
    column.out = s.half;
    column.out_step = x.points * f.lanes_step;
    column.out_repeat = f.lanes_step;
    column.outputs = static_cast<int32_t>(y.outputs);
    row.in_step = y.points > 1 ? f.lanes_step : f.product_step;
    row.count = rows;
    row.repeat = 1;
    row.out_step = x.inner * position_step;
    row.epilogue = epilogue;
    for (int64_t z = 0; z < block.tiles[0]; ++z) {
      for (int64_t ty = 0; ty < block.tiles[1]; ++ty) {
        const int64_t top = y.positions(ty / y.inner * y.inner) + ty % y.inner;
        for (int64_t tx = 0; tx < block.tiles[2]; ++tx) {
          const int64_t left = x.positions(tx / x.inner * x.inner) + tx % x.inner;
          row.outputs = static_cast<int32_t>(smaller(x.outputs, ceil_div(block.band.count[2] - left, x.inner)));
          const T *half = s.products + ((z * y.grid() + ty) * x.grid() + tx) * f.lanes_step;
          if (y.points > 1) {
            column.in = half;
            transforms.result_columns[y.scheme](&column);
            half = s.half;
          }
          for (int64_t i = 0; i < y.outputs; ++i) {
            const int64_t v = top + i * y.inner;
            if (v >= block.band.count[1]) break;
            row.in = half + i * column.out_step;
            row.out = f.in_place ? place(at, z, v, result) + left * position_step + first_row
                                 : s.stage + (z * f.store.stage_plane + v * f.store.pitch + left) * position_step;
            transforms.result_columns[x.scheme](&row);
          }
        }
      }
    }
  }
};

template <typename T>
void block_as(ck_plan *plan, int32_t slots) {
  WinogradForm &f = plan->winograd;
  if (f.points == 0) make_winograd_form(plan->problem, plan->pass, tiles_of<T>(*plan->kernels), &f);
  share_winograd(plan->problem, slots, &f);
  int64_t blocks = 1;
  for (const WinogradAxis &axis : f.axes) blocks *= axis.blocks;
  plan->blocking.units = plan->problem.given.batch * plan->problem.given.groups * blocks * f.parts;
  plan->weights_bytes = plan->problem.given.groups * f.panels.count * f.points * f.depth * f.panels.step *
                        static_cast<int64_t>(sizeof(T));
  Carver measure(nullptr);
  Scratch<T>(f, &measure);
  plan->blocking.slot_bytes = measure.used();
}

template <typename T>
ck_status run_as(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Winograd<T> winograd = {context, plan.problem, plan.winograd, tiles_of<T>(*plan.kernels),
                                winograd_of<T>(*plan.kernels)};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, winograd);
}

bool is_f32(const ck_plan &plan) { return plan.problem.given.image_type == CK_FLOAT32; }

void block(ck_plan *plan, int32_t slots) {
  return is_f32(*plan) ? block_as<float>(plan, slots) : block_as<double>(plan, slots);
}

ck_status pack(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  return is_f32(plan) ? pack_winograd_weights<float>(plan, host, weights, packed)
                      : pack_winograd_weights<double>(plan, host, weights, packed);
}

ck_status run(const RunContext &context) {
  return is_f32(*context.plan) ? run_as<float>(context) : run_as<double>(context);
}

/* How much faster than direct the model must say it is: the results are less accurate, and packing takes longer. */
constexpr double kLeastGain = 1.3;
constexpr double kLeastFlops = 1e7;
/* Terms of a chain: with fewer, its own error does not hide that of the transforms (see README.md). */
constexpr int64_t kLeastDepth = 8;

template <typename T>
const char *pays_as(ck_plan *plan) {
  const Problem &problem = plan->problem;
  if (problem.flops < kLeastFlops * static_cast<double>(larger(problem.given.batch, 1))) return "too little work";
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  const double cost = make_winograd_form(problem, plan->pass, tiles, &plan->winograd);
  if (plan->winograd.depth < kLeastDepth) return "too few channels";
  const double direct = direct_cost(problem, plan->pass, tiles);
  return direct >= 0 && direct < kLeastGain * cost ? "the transforms would cost what they save" : nullptr;
}

const char *pays(ck_plan *plan) { return is_f32(*plan) ? pays_as<float>(plan) : pays_as<double>(plan); }

/* Spatial sizes are not in the key, only what they decide: which taps are used, the forms, and the panels. */
void describe(const ck_plan &plan, Text *id, Text *key) {
  const WinogradForm &f = plan.winograd;
  const int64_t lanes = is_f32(plan) ? plan.kernels->f32.lanes : plan.kernels->f64.lanes;
  id->add("/f");
  for (int a = 1; a < 3; ++a) {
    const WinogradScheme s = kWinogradScheme[f.axes[a].scheme];
    if (f.axes[a].scheme == 0) continue;
    id->add(".").add(s.outputs).add(".").add(s.taps);
  }
  id->add("/").add(f.height).add("x").add(f.vectors * lanes).add(f.tiles_in_lanes ? "/tiles" : "/channels");
  if (f.phases > 1) id->add("/joint").add(f.phases);
  id->add("/b").add(f.axes[0].block).add(".").add(f.axes[1].block).add(".").add(f.axes[2].block);
  key->add(f.store.phase_inner ? "/p" : "/c").add(f.panels.width).add("x").add(f.panels.step);
  for (const WinogradAxis &a : f.axes) {
    key->add("/").add(a.geometry.first_tap).add("+").add(a.geometry.taps).add("f").add(a.scheme);
    if (a.geometry.adjoint) key->add("s").add(a.geometry.stride);
    key->add("p").add(a.geometry.planes);
  }
}

}  // namespace

const Algorithm winograd_algorithm = {"winograd", winograd_refuses, block, pack, run, describe, pays};

}  // namespace convkit
