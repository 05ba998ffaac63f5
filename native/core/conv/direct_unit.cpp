/* A unit of work: a band of one group, or of some that share cache lines, of one image or of a few small ones, and a
 * share of the items (lines of products x panels of rows).
 *
 *     copy the source under the band                                       direct_copy.cpp
 *     (of a deep source some channels, for which the rest is done; the next go on from the sums in the stage)
 *     for each line of products and each panel of its rows
 *       for each product of the line
 *         for each block of weights, each box and each run of its positions: tiles, from the grid to the stage
 *       results to their places, phases side by side                       direct_store.cpp
 *
 * One chain of multiply-adds per result, source channels outer and taps inner, whatever the tile. */
#include "direct.h"

#include "../util/host.h"
#include "direct_boxes.h"
#include "direct_copy.h"
#include "direct_tiles.h"
#include "im2col.h"

namespace convkit {
namespace {

/* Whole vectors are read past the end of a grid, at most as many as a tile is wide. */
constexpr int64_t kOverread = int64_t{kMostVectors} * 16;

/* Elements for weights that are packed where they are used: a block, or all of a panel. */
int64_t inside_room(const DirectForm &f, int64_t element_bytes) {
  return smaller(kWeightBlock / element_bytes, f.group_weights / f.panels.count);
}

template <typename T>
struct Scratch {
  T *grid, *stage, *bias, *slope, *weights;
  int64_t *tables;
  DirectProduct *products;
  DirectBox *boxes;

  Scratch(const DirectForm &f, Carver *carver) {
    grid = carver->take<T>(f.bundle * f.held * (f.reads_source ? f.tail_width : f.channel_size) + kOverread);
    stage = carver->take<T>(f.in_place ? 0 : stage_elements(f) * (f.deep() ? f.part_items : 1));
    bias = carver->take<T>(f.panels.step);
    slope = carver->take<T>(f.panels.step);
    weights = carver->take<T>(f.packs_inside ? inside_room(f, sizeof(T)) : 0);
    tables = carver->take<int64_t>(f.line_products * f.tables * f.table_terms);
    products = carver->take<DirectProduct>(f.line_products);
    boxes = carver->take<DirectBox>(f.line_products * f.boxes);
  }
};

template <typename T>
struct Direct {
  const RunContext &context;
  const Problem &problem;
  const DirectForm &f;
  const TileSet<T> &tiles;
  const DirectTiles<T> products;

  void operator()(int64_t unit, int32_t slot) const {
    DirectBand band;
    const int64_t part = unit % f.parts;
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
    DirectGrid<T> grid = {scratch.grid, INT64_MAX, false, nullptr, 1};
    if (f.reads_source) {
      const int64_t place = source_place(problem, f, band), before = image * in.batch + first * f.channels * in.channel;
      grid = {source + place, problem.given.batch * in.batch - before - place, false, scratch.grid, in.pixel};
    }
    Under under = {band, scratch, -1, {}};
    for (int64_t c = 0; c < f.channels; c += f.held) { /* but of deep sources, once */
      const Range channels = {c, smaller(c + f.held, f.channels)};
      const int64_t copied = f.deep() ? channels.end - c : groups * f.channels;
      if (!f.reads_source) copy_grid(problem, f, copied, band, source + c * in.channel, scratch.grid, &tiles);
      for (int64_t n = 0; n < groups; ++n) {
        const int64_t group = first + n;
        if (n + c > 0 && cancelled(*context.host)) return;
        if (!run_group(group, part, channels, grid.at(n * f.channels * f.channel_size),
                       result + group * f.rows * out.channel, &under))
          return;
      }
    }
  }

  /* What all groups and channels under a band share. */
  struct Under {
    const DirectBand &band;
    const Scratch<T> &scratch;
    int64_t line; /* whose tables are in the scratch */
    KnownPhases known;
  };

  /* Some channels of a group: all, but of deep sources. False: cancelled. */
  bool run_group(int64_t group, int64_t part, const Range &channels, DirectGrid<T> grid, T *result,
                 Under *under) const {
    const DirectBand &band = under->band;
    const Scratch<T> &scratch = under->scratch;
    const T *const weights =
        context.weights ? reinterpret_cast<const T *>(context.weights) + group * f.group_weights : nullptr;
    Epilogue<T> group_epilogue;
    const Epilogue<T> *const epilogue = make_epilogue(context, group * f.rows, &group_epilogue);
    int64_t line[3] = {0, 0, 0};
    const int64_t end = smaller(f.items, (part + 1) * f.part_items);
    for (int64_t item = part * f.part_items; item < end; ++item) {
      if (item > part * f.part_items && cancelled(*context.host)) return false;
      const int64_t panel = item % f.panels.count, first_row = panel * f.panels.width;
      const int64_t rows = smaller(f.panels.width, f.product_rows - first_row);
      const int64_t number = item / f.panels.count;
      const int64_t first_product = number * f.line_products;
      split_phase(f, first_product, line);
      if (number != under->line && !is_empty_line(f, line)) prepare_line(band, line, scratch);
      under->line = number;
      Epilogue<T> rows_epilogue;
      const Epilogue<T> *const finish =
          epilogue ? panel_epilogue(*epilogue, first_row, rows, scratch, &rows_epilogue) : nullptr;
      const bool empty = is_empty_line(f, line), gaps = has_gaps(f);
      const bool last = channels.end == f.channels; /* (what joint forms need for biases is room here) */
      if (last && (empty || gaps))
        fill_line(problem, f, band, line, first_row, rows, finish, tiles, scratch.bias, result);
      if (empty) continue;
      T *const stage = scratch.stage + (f.deep() && !f.in_place ? (item - part * f.part_items) * stage_elements(f) : 0);
      for (int64_t p = 0; p < f.line_products; ++p) {
        const DirectProduct &product = scratch.products[p];
        if (gaps && product.taps == 0) continue;
        const int64_t panel_weights = product.weights + panel * f.channels * product.taps * f.panels.step;
        const BlockOfWeights blocks = {weights ? weights + panel_weights : nullptr, scratch.weights, group, panel,
                                       first_product + p};
        T *const c = f.in_place ? result_of(product, first_row, result) : stage + product_offset(p);
        /* The first tiles to read the source in place fetch what later ones will read. */
        grid.fetches = f.reads_source && grid.pixel == 1 && item == part * f.part_items && p == 0;
        multiply(product, blocks, channels, {rows, finish, c}, grid);
      }
      if (last && !f.in_place)
        store_stage(problem, f, band, line, first_row, rows, stage, result, tiles, &under->known);
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

  /* Offset tables and ranges of the products of a line. */
  void prepare_line(const DirectBand &band, const int64_t line[3], const Scratch<T> &scratch) const {
    /* Those of the lines before come first, which have (rows of taps) x (taps along the width of all phases). */
    const int64_t rows = taps_before(0, line[0]) * taps_before(1, f.axes[1].phases) +
                         phase_taps(f.axes[0], line[0]).count * taps_before(1, line[1]);
    int64_t weights = rows > 0 ? rows * taps_before(2, f.axes[2].phases) : 0, phase[3];
    PhaseTaps taps[3];
    for (int64_t p = 0; p < f.line_products; ++p) {
      DirectProduct &product = scratch.products[p];
      phase[0] = line[0], phase[1] = line[1], phase[2] = p;
      product.taps = product_taps(f, phase, taps);
      product.weights = weights * f.channels * f.panels.count * f.panels.step;
      weights += product.taps;
      product.place = result_place(problem, f, band, phase).origin;
      fill_boxes(f, band, phase, scratch.boxes + p * f.boxes, scratch.tables + p * f.tables * f.table_terms, &product);
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

  /* The weights of a panel: packed beforehand, or packed now, a block at a time. */
  struct BlockOfWeights {
    const T *packed;
    T *room;
    int64_t group, panel, product;
  };
  const T *block_of_weights(const DirectProduct &p, const BlockOfWeights &w, int64_t channel, int64_t channels) const {
    if (w.packed) return w.packed + channel * p.taps * f.panels.step;
    if (p.taps > 0) {
      const T *const given = static_cast<const T *>(context.operands->weights);
      pack_direct_block(problem, f, given, w.group, w.panel, w.product, channel, channels, w.room);
    }
    return w.room;
  }

  /* One product of one panel, for all positions of the band. */
  void multiply(const DirectProduct &p, const BlockOfWeights &blocks, const Range &held, const DirectRows<T> &to,
                const DirectGrid<T> &grid) const {
    const int64_t channel_weights = p.taps * f.panels.step;
    const int64_t table_bytes = p.channels * channel_weights * static_cast<int64_t>(sizeof(T));
    const int64_t most = tiles.lanes * static_cast<int64_t>(sizeof(T)) < 64 ? kNearBlock : kWeightBlock;
    const int64_t block = f.by_rows ? f.channels : p.channels * larger(most / larger(table_bytes, 1), 1);
    /* Weights that come from beyond the second-level cache do so while the tiles of the block before are at work. */
    const bool weights_pass = blocks.packed && f.group_weights * static_cast<int64_t>(sizeof(T)) > kFarWeights;
    for (int64_t channel = held.begin; channel < held.end; channel += block) {
      const int64_t channels = smaller(block, held.end - channel);
      const T *const weights = block_of_weights(p, blocks, channel, channels);
      const int64_t next = weights_pass ? channels * channel_weights : 0;
      products.multiply(p, {weights, next, channel, channels}, to, grid.at((channel - held.begin) * f.channel_size));
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
  const TileSet<T> &tiles = tiles_of<T>(*plan.kernels);
  const MapSteps &out = result_steps(plan.problem, plan.direct.axes[0].adjoint);
  const Direct<T> direct = {
      context, plan.problem, plan.direct, tiles, {plan.direct, out, tiles, depthwise_of<T>(*plan.kernels)}};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, direct);
}

template int64_t direct_scratch<float>(const DirectForm &);
template int64_t direct_scratch<double>(const DirectForm &);
template ck_status run_direct<float>(const RunContext &);
template ck_status run_direct<double>(const RunContext &);

}  // namespace convkit
