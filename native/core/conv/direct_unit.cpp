/* A unit of work: a band of one group, or of some that share cache lines, of one image or of a few small ones, and a
 * share of the items (lines of products x panels of rows).
 *
 *     copy the source under the band                                       direct_copy.cpp
 *     for each line of products and each panel of its rows
 *       for each product of the line
 *         for each block of weights, each box and each run of its positions: tiles, from the grid to the stage
 *       results to their places, phases side by side                       direct_store.cpp
 *
 * Or, with weights given with the call whose rows lie closer together in memory than source channels do
 * (form.blocks_first), blocks of source channels outermost, in each the panels and in these all lines: so weights are
 * read from end to end, and once for all phases. The results of all panels are staged meanwhile.
 *
 * One chain of multiply-adds per result, source channels outer and taps inner, whatever the tile. */
#include "direct.h"

#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "../gemm/tile_fetch.h"
#include "../util/host.h"
#include "direct_boxes.h"
#include "direct_copy.h"
#include "direct_rows.h"
#include "im2col.h"

namespace convkit {
namespace {

/* Whole vectors are read past the end of a grid, at most as many as a tile is wide. */
constexpr int64_t kOverread = int64_t{kMostVectors} * 16;

/* Elements for weights that are packed where they are used: a block, or all of a panel. */
int64_t inside_room(const DirectForm &f, int64_t element_bytes) {
  return smaller((f.blocks_first ? kFetchedBlock : kWeightBlock) / element_bytes, f.group_weights / f.panels.count);
}

template <typename T>
struct Scratch {
  T *grid, *stage, *bias, *slope, *weights;
  int64_t *tables;
  DirectProduct *products;
  DirectBox *boxes;

  Scratch(const DirectForm &f, Carver *carver) {
    grid = carver->take<T>(f.bundle * f.channels * (f.reads_source ? f.tail_width : f.channel_size) + kOverread);
    stage = carver->take<T>(f.in_place ? 0 : stage_elements(f) * (f.blocks_first ? f.lines() * f.part_panels() : 1));
    bias = carver->take<T>(f.panels.step);
    slope = carver->take<T>(f.panels.step);
    weights = carver->take<T>(f.packs_inside ? inside_room(f, sizeof(T)) : 0);
    const int64_t count = f.line_products * (f.blocks_first ? f.lines() : 1);
    tables = carver->take<int64_t>(count * f.tables * f.table_terms);
    products = carver->take<DirectProduct>(count);
    boxes = carver->take<DirectBox>(count * f.boxes);
  }
};

template <typename T>
struct Direct {
  const RunContext &context;
  const Problem &problem;
  const DirectForm &f;
  const TileSet<T> &tiles;
  const DepthwiseSet<T> &row_tiles;

  /* What tiles read: the copy, or the source itself. */
  struct Grid {
    const T *data;
    int64_t left;  /* elements from `data` to the end of what may be read */
    bool fetches;  /* each tile what a later one will read */
    T *tail;       /* room for the copy of a tile of the source */
    int64_t pixel; /* from pixel to pixel; more than 1: each tile turns its own */

    Grid at(int64_t offset) const { return {data + offset, left - offset, fetches, tail, pixel}; }
  };

  void operator()(int64_t unit, int32_t slot) const {
    DirectBand band;
    const int64_t part = unit % f.parts;
    if (f.blocks_first && !context.weights && part * f.part_panels() >= f.panels.count) return;
    unit /= f.parts;
    for (int a = 2; a >= 0; --a) {
      const int64_t bands = f.bands[a] * f.axes[a].residues, number = unit % bands;
      unit /= bands;
      band.residue[a] = number % f.axes[a].residues;
      band.first[a] = number / f.axes[a].residues * f.band[a];
      const int64_t positions = ceil_div(f.axes[a].count - band.residue[a], f.axes[a].residues);
      band.count[a] = smaller(f.band[a], positions - band.first[a]);
      if (band.count[a] <= 0) return;
    }
    const int64_t first = unit % f.bundles * f.bundle, image = unit / f.bundles;
    const int64_t groups = smaller(f.bundle, problem.given.groups - first);

    const Flow<T> flow(context);
    const MapSteps &in = flow.in, &out = flow.out;
    const T *const source = flow.source + image * in.batch + first * f.channels * in.channel;
    T *const result = flow.result + image * out.batch;

    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(f, &carver);
    Grid grid = {scratch.grid, INT64_MAX, false, nullptr, 1};
    if (f.reads_source) {
      const int64_t place = source_place(problem, f, band), before = image * in.batch + first * f.channels * in.channel;
      grid = {source + place, problem.given.batch * in.batch - before - place, false, scratch.grid, in.pixel};
    } else {
      copy_grid(problem, f, groups * f.channels, band, source, scratch.grid, &tiles);
    }
    int64_t at_line = -1;
    for (int64_t n = 0; n < groups; ++n) {
      const int64_t group = first + n;
      if (n > 0 && cancelled(*context.host)) return;
      if (!run_group(group, part, band, scratch, &at_line, grid.at(n * f.channels * f.channel_size),
                     result + group * f.rows * out.channel))
        return;
    }
  }

  /* The tables of a line serve all groups. False: cancelled. */
  bool run_group(int64_t group, int64_t part, const DirectBand &band, const Scratch<T> &scratch, int64_t *at_line,
                 Grid grid, T *result) const {
    const T *const weights =
        context.weights ? reinterpret_cast<const T *>(context.weights) + group * f.group_weights : nullptr;
    Epilogue<T> group_epilogue;
    const Epilogue<T> *const epilogue = make_epilogue(context, group * f.rows, &group_epilogue);
    if (f.blocks_first && !weights) return run_blocks(group, part, band, scratch, grid, epilogue, result);
    int64_t line[3] = {0, 0, 0};
    const int64_t end = smaller(f.items, (part + 1) * f.part_items);
    for (int64_t item = part * f.part_items; item < end; ++item) {
      if (item > part * f.part_items && cancelled(*context.host)) return false;
      const int64_t panel = item % f.panels.count, first_row = panel * f.panels.width;
      const int64_t rows = smaller(f.panels.width, f.product_rows - first_row);
      const int64_t number = item / f.panels.count;
      const int64_t first_product = number * f.line_products;
      split_phase(f, first_product, line);
      if (number != *at_line && !is_empty_line(f, line)) prepare_line(band, line, scratch, 0);
      *at_line = number;
      Epilogue<T> rows_epilogue;
      const Epilogue<T> *const finish =
          epilogue ? panel_epilogue(*epilogue, first_row, rows, scratch, &rows_epilogue) : nullptr;
      const bool empty = is_empty_line(f, line), gaps = has_gaps(f);
      if (empty || gaps) fill_line(problem, f, band, line, first_row, rows, finish, tiles, scratch.stage, result);
      if (empty) continue;
      for (int64_t p = 0; p < f.line_products; ++p) {
        const DirectProduct &product = scratch.products[p];
        if (gaps && product.taps == 0) continue;
        const int64_t panel_weights = product.weights + panel * f.channels * product.taps * f.panels.step;
        const BlockOfWeights blocks = {weights ? weights + panel_weights : nullptr,
                                       scratch.weights,
                                       group,
                                       panel,
                                       {first_product + p, first_product + p + 1}};
        T *const c = f.in_place ? result_of(product, first_row, result) : scratch.stage + product_offset(p);
        /* The first tiles to read the source in place fetch what later ones will read. */
        grid.fetches = f.reads_source && grid.pixel == 1 && item == part * f.part_items && p == 0;
        multiply(product, blocks, {rows, finish, c}, grid);
      }
      if (!f.in_place) store_stage(problem, f, band, line, first_row, rows, scratch.stage, result, tiles);
    }
    return true;
  }

  /* All lines of a share of the panels, blocks of source channels outermost. */
  bool run_blocks(int64_t group, int64_t part, const DirectBand &band, const Scratch<T> &scratch, Grid grid,
                  const Epilogue<T> *epilogue, T *result) const {
    const int64_t lines = f.lines(), line_stage = stage_elements(f);
    const int64_t first = part * f.part_panels(), end = smaller(f.panels.count, first + f.part_panels());
    int64_t line[3];
    for (int64_t n = 0; n < lines; ++n) {
      split_phase(f, n * f.line_products, line);
      prepare_line(band, line, scratch, n);
    }
    const int64_t block = balanced(f.channels, inside_room(f, sizeof(T)) / f.channel_weights());
    for (int64_t channel = 0; channel < f.channels; channel += block) {
      const int64_t channels = smaller(block, f.channels - channel);
      for (int64_t panel = first; panel < end; ++panel) {
        if (cancelled(*context.host)) return false;
        const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
        Epilogue<T> rows_epilogue;
        const bool last = channel + channels == f.channels && epilogue;
        const Epilogue<T> *const finish =
            last ? panel_epilogue(*epilogue, first_row, rows, scratch, &rows_epilogue) : nullptr;
        const T *const given = static_cast<const T *>(context.operands->weights);
        pack_direct_block(problem, f, given, group, panel, nullptr, channel, channels, scratch.weights);
        T *const stage = scratch.stage + (panel - first) * lines * line_stage;
        for (int64_t n = 0; n < lines * f.line_products; ++n) {
          const DirectProduct &product = scratch.products[n];
          T *c = stage + n / f.line_products * line_stage + product_offset(n % f.line_products);
          if (f.in_place) c = result_of(product, first_row, result);
          const T *const weights = scratch.weights + product.weights / f.channels / f.panels.count * channels;
          multiply_block(product, {weights, f.panels.step, 0, channel, channels}, {rows, finish, c}, grid);
        }
      }
    }
    for (int64_t i = 0; i < (f.in_place ? 0 : (end - first) * lines); ++i) {
      split_phase(f, i % lines * f.line_products, line);
      const int64_t first_row = (first + i / lines) * f.panels.width;
      const int64_t rows = smaller(f.panels.width, f.product_rows - first_row);
      store_stage(problem, f, band, line, first_row, rows, scratch.stage + i * line_stage, result, tiles);
    }
    return true;
  }

  /* Where the first row of a panel begins: in a stage; in the result. */
  int64_t product_offset(int64_t product) const {
    return product * (f.pixels_in_lanes ? f.stage_step : f.panels.width);
  }
  T *result_of(const DirectProduct &product, int64_t first_row, T *result) const {
    return result + product.place + first_row * (f.joint ? 1 : Flow<T>(context).out.channel);
  }

  /* Of the phases of an axis before one. */
  int64_t taps_before(int axis, int64_t phase) const {
    int64_t taps = 0;
    for (int64_t r = 0; r < phase; ++r) taps += phase_taps(f.axes[axis], r).count;
    return taps;
  }

  /* Offset tables and ranges of the products of a line, of those that scratch has room for the one with this number. */
  void prepare_line(const DirectBand &band, const int64_t line[3], const Scratch<T> &scratch, int64_t number) const {
    /* Those of the lines before come first, which have (rows of taps) x (taps along the width of all phases). */
    const int64_t rows = taps_before(0, line[0]) * taps_before(1, f.axes[1].phases) +
                         phase_taps(f.axes[0], line[0]).count * taps_before(1, line[1]);
    int64_t weights = rows > 0 ? rows * taps_before(2, f.axes[2].phases) : 0, phase[3];
    PhaseTaps taps[3];
    for (int64_t p = 0; p < f.line_products; ++p) {
      const int64_t at = number * f.line_products + p;
      DirectProduct &product = scratch.products[at];
      phase[0] = line[0], phase[1] = line[1], phase[2] = p;
      product.taps = product_taps(f, phase, taps);
      product.weights = weights * f.channels * f.panels.count * f.panels.step;
      weights += product.taps;
      product.place = result_place(problem, f, band, phase).origin;
      fill_boxes(f, band, phase, scratch.boxes + at * f.boxes, scratch.tables + at * f.tables * f.table_terms,
                 &product);
    }
  }

  /* The epilogue of a panel; joint rows repeat their channel's bias for each phase. */
  const Epilogue<T> *panel_epilogue(const Epilogue<T> &all, int64_t first_row, int64_t rows, const Scratch<T> &scratch,
                                    Epilogue<T> *out) const {
    *out = all;
    out->channels_in_lanes = !f.pixels_in_lanes;
    const auto spread = [&](const T *from, T *room) -> const T * {
      if (!from || !f.joint) return from ? from + first_row : nullptr;
      for (int64_t i = 0; i < rows; ++i) {
        room[i] = from[f.phase_inner ? (first_row + i) / f.phases : (first_row + i) % f.rows];
      }
      return room;
    };
    out->bias = spread(all.bias, scratch.bias);
    out->slope = spread(all.slope, scratch.slope);
    return out;
  }

  /* The weights of a panel: packed beforehand, or packed now, a block at a time. Where a single tile reads them, they
   * are read as they lie, if that is possible. */
  struct BlockOfWeights {
    const T *packed;
    T *room;
    int64_t group, panel;
    Range products;
  };
  const T *block_of_weights(const DirectProduct &p, const BlockOfWeights &w, int64_t channel, int64_t channels,
                            int64_t *step) const {
    if (w.packed) return w.packed + channel * p.taps * f.panels.step;
    if (p.taps == 0) return w.room;
    const T *const given = static_cast<const T *>(context.operands->weights);
    if (p.taps == 1 && is_one_tile(f)) {
      if (const T *const place = find_direct_block(problem, f, given, w.group, w.panel, w.products, channel, step))
        return place;
      *step = f.panels.step;
    }
    pack_direct_block(problem, f, given, w.group, w.panel, &w.products, channel, channels, w.room);
    return w.room;
  }

  /* Rows of a panel in the stage or the result; what finishes them, or null. */
  struct Rows {
    int64_t rows;
    const Epilogue<T> *epilogue;
    T *c;
  };

  /* Packed weights of some source channels; `next` as in multiply_box. */
  struct Block {
    const T *weights;
    int64_t step, next, channel, channels;
  };

  /* One product of one panel, for all positions of the band. */
  void multiply(const DirectProduct &p, const BlockOfWeights &blocks, const Rows &to, const Grid &grid) const {
    const int64_t channel_weights = p.taps * f.panels.step;
    const int64_t table_bytes = p.channels * channel_weights * static_cast<int64_t>(sizeof(T));
    const int64_t most = tiles.lanes * static_cast<int64_t>(sizeof(T)) < 64 ? kNearBlock : kWeightBlock;
    const int64_t block = f.by_rows ? f.channels : p.channels * larger(most / larger(table_bytes, 1), 1);
    /* Weights that come from beyond the second-level cache do so while the tiles of the block before are at work. */
    const bool weights_pass = blocks.packed && f.group_weights * static_cast<int64_t>(sizeof(T)) > kFarWeights;
    for (int64_t channel = 0; channel < f.channels; channel += block) {
      const int64_t channels = smaller(block, f.channels - channel);
      int64_t step = f.panels.step;
      const T *const weights = block_of_weights(p, blocks, channel, channels, &step);
      const int64_t next = weights_pass ? channels * channel_weights : 0;
      multiply_block(p, {weights, step, next, channel, channels}, to, grid);
    }
  }

  void multiply_block(const DirectProduct &p, const Block &block, Rows to, const Grid &grid) const {
    const MapSteps &out = Flow<T>(context).out;
    Steps steps = {f.pixels_in_lanes ? 1 : f.stage_step, 0, 0, 0};
    steps.y = f.pitch * steps.x, steps.z = f.stage_plane * steps.x;
    steps.row = f.pixels_in_lanes ? f.line_products * f.stage_step : 1;
    if (f.in_place) {
      steps.x = out.pixel;
      steps.y = f.axes[1].residues * f.axes[2].result * steps.x;
      steps.z = f.axes[0].residues * depth_step(f, out, f.axes[1].result * f.axes[2].result);
      if (f.axes[1].count * f.axes[2].count == 1) steps.x = steps.z; /* runs may go over images only */
      steps.row = out.channel;
    }
    if (block.channel + block.channels < f.channels) to.epilogue = nullptr;
    /* The box with all taps, if there is one, fetches the next weights. */
    const DirectBox *fetching = p.boxes;
    for (int64_t i = 1; i < p.box_count; ++i) fetching = p.boxes[i].taps > fetching->taps ? p.boxes + i : fetching;
    for (int64_t i = 0; i < p.box_count; ++i) {
      const DirectBox &box = p.boxes[i];
      if (f.by_rows) {
        const RowsWork<T> work = {block.weights, grid.data, to.c, steps.z, steps.y, steps.x, to.epilogue};
        multiply_rows(f, p, box, work, row_tiles, tiles.lanes);
        continue;
      }
      TileCall<T> call = {};
      call.depth = block.channels * box.taps;
      call.continues = block.channel > 0;
      call.period = p.channels * box.taps;
      TileSide<T> &pixels = f.pixels_in_lanes ? call.b : call.a;
      pixels = by_table<T>(box.table, p.channels * f.channel_size);
      (f.pixels_in_lanes ? call.a : call.b) =
          box.gaps ? by_table<T>(box.gaps, p.channels * p.taps * f.panels.step) : by_step<T>(block.step);
      call.epilogue = to.epilogue;
      call.c_step = f.pixels_in_lanes ? steps.row : steps.x;
      multiply_box(call, box, block.weights, &box == fetching ? block.next : 0, to.rows,
                   grid.at(block.channel * f.channel_size), to.c, steps);
    }
  }

  /* Steps of the result along x, y, z, and from row to row of the product. */
  struct Steps {
    int64_t x, y, z, row;
  };

  /* `next`: elements of these weights, if those of a block like this follow them and shall be fetched; else 0. */
  void multiply_box(const TileCall<T> &call, const DirectBox &box, const T *weights, int64_t next, int64_t rows,
                    const Grid &grid, T *c, const Steps &steps) const {
    const Range &zs = box.positions[0], &ys = box.positions[1], &xs = box.positions[2];
    const int64_t width = xs.end - xs.begin, height = ys.end - ys.begin;
    const int64_t runs = f.joined ? 1 : height, depths = f.stacked ? 1 : zs.end - zs.begin;
    int64_t length = f.joined ? (height - 1) * f.pitch + width : width;
    if (f.stacked) length += (zs.end - zs.begin - 1) * f.grid[1] * f.pitch;
    const int64_t tile = f.pixels_in_lanes ? f.vectors * tiles.lanes : balanced(length, f.height);
    TileFetch<T> fetch;
    if (next > 0) {
      fetch = TileFetch<T>::of_weights(weights + next, next, call.depth, depths * runs * ceil_div(length, tile));
    }
    for (int64_t z = zs.begin; z < zs.begin + depths; ++z) {
      for (int64_t y = ys.begin; y < ys.begin + runs; ++y) {
        const Grid from = grid.at((z * f.depth_size + y * f.pitch + xs.begin) * grid.pixel);
        T *const to = c + z * steps.z + y * steps.y + xs.begin * steps.x;
        /* One tap: a term is a channel. */
        if (grid.fetches) fetch = TileFetch<T>::of_run(from.data, tile, f.channel_size);
        if (f.pixels_in_lanes) {
          run_pixels(call, weights, rows, length, tile, from, to, &fetch);
        } else {
          run_channels(call, weights, rows, length, tile, from.data, to, &fetch);
        }
      }
    }
  }

  void run_pixels(TileCall<T> call, const T *weights, int64_t rows, int64_t length, int64_t widest, const Grid &from,
                  T *to, TileFetch<T> *fetch) const {
    const int64_t last_channel = (call.depth - 1) * f.channel_size;
    call.a.at = weights;
    for (int64_t i = 0; i < length; i += widest) {
      const int64_t columns = smaller(widest, length - i);
      fetch->next_tile(&call);
      call.b.at = from.data + i;
      call.c = to + i;
      call.columns = static_cast<int32_t>(columns);
      if (from.pixel > 1) {
        turn_tile(columns, from.data + i * from.pixel, from, &call);
      } else if (f.reads_source && last_channel + i + round_up(columns, tiles.lanes) > from.left) {
        copy_tail(columns, from.tail, &call);
      }
      tiles.tiles[(rows - 1) * kMostVectors + ceil_div(columns, tiles.lanes) - 1](&call);
    }
  }

  /* The columns of a tile of a source in place, where whole vectors would be read behind its end. One tap: a term is a
   * channel. */
  void copy_tail(int64_t columns, T *tail, TileCall<T> *call) const {
    for (int64_t k = 0; k < call->depth; ++k) {
      copy_run(call->b.at + k * f.channel_size, columns, tail + k * f.tail_width);
    }
    read_tail(tail, call);
  }
  void turn_tile(int64_t columns, const T *pixels, const Grid &from, TileCall<T> *call) const {
    turn_block(columns, call->depth, pixels, from.pixel, from.tail, f.tail_width, columns * from.pixel);
    read_tail(from.tail, call);
  }
  void read_tail(const T *tail, TileCall<T> *call) const {
    call->b = by_table<T>(kNoOffset, f.tail_width);
    call->b.at = tail;
    call->period = 1;
  }

  void run_channels(TileCall<T> call, const T *weights, int64_t rows, int64_t length, int64_t tallest, const T *from,
                    T *to, TileFetch<T> *fetch) const {
    const int64_t vectors = ceil_div(rows, tiles.lanes);
    call.b.at = weights;
    call.columns = static_cast<int32_t>(rows);
    for (int64_t i = 0; i < length; i += tallest) {
      const int64_t height = smaller(tallest, length - i);
      fetch->next_tile(&call);
      call.a.at = from + i;
      call.c = to + i * call.c_step;
      tiles.tiles[(height - 1) * kMostVectors + vectors - 1](&call);
    }
  }
};

}  // namespace

template <typename T>
int64_t direct_scratch(const DirectForm &form) {
  return bytes_of<Scratch<T>>(form);
}

template <typename T>
ck_status run_direct(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Direct<T> direct = {context, plan.problem, plan.direct, tiles_of<T>(*plan.kernels),
                            depthwise_of<T>(*plan.kernels)};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, direct);
}

template int64_t direct_scratch<float>(const DirectForm &);
template int64_t direct_scratch<double>(const DirectForm &);
template ck_status run_direct<float>(const RunContext &);
template ck_status run_direct<double>(const RunContext &);

}  // namespace convkit
