/* The three steps of a round. Spectra lie as [block of frequencies][bundle][pair][4 vectors]: step 1 and 3 move along
 * blocks with one bundle, step 2 along bundles in one block. Results take the place of the source in
 * the spectra, frequency by frequency. */
#include "../gemm/move_block.h"
#include "fft_epilogue.h"
#include "fft_sequences.h"
#include "plan.h"

namespace convkit {
namespace {

/* Spectra of a round; they should stay in the last-level cache. */
constexpr int64_t kRoundBytes = 16 << 20;
/* Tiles of a round, and channels times tiles of a frequency's panels. */
constexpr int64_t kMostRoundTiles = 64, kMostRoundColumns = 1 << 14;

int64_t panel_pitch(const FftForm &f) { return row_pitch(2 * f.round_tiles); }
bool channels_in_lanes(const FftForm &f) { return f.result_channels_inner; }
/* Of the stage: rows are channels, or the parts of tiles. */
int64_t stage_pitch(const FftForm &f) {
  return channels_in_lanes(f) ? f.panels.count * f.panels.width + 16 : panel_pitch(f);
}
int64_t stage_rows(const FftForm &f) { return channels_in_lanes(f) ? 2 * f.round_tiles : f.outputs; }

template <typename T>
struct ProductBuffers {
  T *panel, *stage;
  int64_t *offsets;
  ProductBuffers(const FftForm &f, Carver *carver) {
    panel = carver->take<T>(2 * f.inputs * panel_pitch(f));
    stage = carver->take<T>(f.round_groups * stage_rows(f) * stage_pitch(f));
    offsets = carver->take<int64_t>(2 * f.inputs);
  }
};

template <typename T>
struct Dense {
  const RunContext &context;
  const Problem &problem;
  const FftForm &f;
  const FftSet<T> &kernels;
  const TileSet<T> &tiles;
  FftTables<T> tables;
  const T *weights;
  T *spectra;
  FftRound source, result; /* of the round */

  int64_t piece() const { return kFftBlockVectors * f.lanes; }
  T *piece_of(int64_t block, int64_t bundle) const { return spectra + (block * f.bundles + bundle) * piece(); }
  int64_t block_pairs(int64_t block) const { return smaller(kFftBlockPairs, f.pairs - block * kFftBlockPairs); }
  char *scratch(int32_t slot) const { return context.scratch + slot * context.plan->blocking.slot_bytes; }

  void transform(int64_t bundle, int32_t slot) const {
    Carver carver(scratch(slot));
    const FftBundle<T> b = {f, kernels, tables, FftBuffers<T>(f, &carver)};
    FftLanes lanes;
    fft_lanes(problem, f, source, bundle, false, &lanes);
    int64_t filled[3], valid[3];
    fft_extents(f, filled, valid);
    const ck_operands &o = *context.operands;
    b.load(lanes, filled, static_cast<const T *>(f.adjoint ? o.features_in : o.image_in));
    for (int64_t block = 0; block < f.blocks; ++block) {
      const FftPairs<T> pairs = b.pairs(block * kFftBlockPairs, block_pairs(block));
      kernels.split(&pairs, b.buffers.data, piece_of(block, bundle));
    }
  }

  void transform_back(int64_t bundle, int32_t slot) const {
    Carver carver(scratch(slot));
    const FftBundle<T> b = {f, kernels, tables, FftBuffers<T>(f, &carver)};
    for (int64_t block = 0; block < f.blocks; ++block) {
      const FftPairs<T> pairs = b.pairs(block * kFftBlockPairs, block_pairs(block));
      kernels.merge(&pairs, piece_of(block, bundle), b.buffers.data);
    }
    FftLanes lanes;
    fft_lanes(problem, f, result, bundle, true, &lanes);
    int64_t filled[3], valid[3];
    fft_extents(f, filled, valid);
    const FftEpilogue<T> epilogue(context, result, bundle);
    const ck_operands &o = *context.operands;
    b.store(lanes, valid, static_cast<T *>(f.adjoint ? o.image_out : o.features_out),
            [&](T *data, int64_t count) { epilogue.finish(tiles, data, count); });
  }

  /* Calls visit(bundle, lane, first, count) for the sequences of a channel that lie in one bundle: its tiles from
   * `first` on; or for those of a tile: the channels of a group from `first` on. */
  template <typename Visit>
  static void each_run(const FftRound &r, int64_t begin, int64_t count, const Visit &visit) {
    for (int64_t i = 0; i < count;) {
      const int64_t lane = (begin + i) % r.lanes, length = smaller(r.lanes - lane, count - i);
      visit((begin + i) / r.lanes, lane, i, length);
      i += length;
    }
  }

  /* Rows 2 c and 2 c + 1 of the panel. `vector` is that of the real parts in a piece. */
  void fill_panel(int64_t block, int64_t vector, int64_t group, T *panel) const {
    const int64_t pitch = panel_pitch(f), count = source.tiles;
    const T *const here = piece_of(block, 0) + vector * f.lanes;
    const int64_t first = group * f.inputs;
    if (source.channels_inner) {
      const int64_t bundles = source.channel_bundles();
      each_run(source, first, f.inputs, [&](int64_t bundle, int64_t lane, int64_t c, int64_t channels) {
        const T *const from = here + bundle * piece() + lane;
        T *const to = panel + 2 * c * pitch;
        turn_block(count, channels, from, bundles * piece(), to, 2 * pitch);
        turn_block(count, channels, from + f.lanes, bundles * piece(), to + count, 2 * pitch);
      });
    }
    for (int64_t c = 0; c < f.inputs; ++c) {
      T *const real = panel + 2 * c * pitch, *const imaginary = real + pitch;
      if (!source.channels_inner) {
        each_run(source, (first + c) * count, count, [&](int64_t bundle, int64_t lane, int64_t t, int64_t length) {
          const T *const from = here + bundle * piece() + lane;
          copy_run(from, length, real + t);
          copy_run(from + f.lanes, length, real + count + t);
        });
      }
      for (int64_t t = 0; t < count; ++t) imaginary[t] = -real[count + t];
      copy_run(real, count, imaginary + count);
    }
  }

  void store_stage(int64_t block, int64_t vector, int64_t group, const T *stage) const {
    const int64_t pitch = stage_pitch(f), count = result.tiles;
    T *const here = piece_of(block, 0) + vector * f.lanes;
    const int64_t first = group * f.outputs;
    if (result.channels_inner) {
      for (int64_t t = 0; t < count; ++t) {
        const int64_t begin = t * result.channel_bundles() * f.lanes + first;
        each_run(result, begin, f.outputs, [&](int64_t bundle, int64_t lane, int64_t c, int64_t channels) {
          T *const to = here + bundle * piece() + lane;
          copy_run(stage + t * pitch + c, channels, to);
          copy_run(stage + (count + t) * pitch + c, channels, to + f.lanes);
        });
      }
      return;
    }
    for (int64_t c = 0; c < f.outputs; ++c) {
      each_run(result, (first + c) * count, count, [&](int64_t bundle, int64_t lane, int64_t t, int64_t length) {
        T *const to = here + bundle * piece() + lane;
        copy_run(stage + c * pitch + t, length, to);
        copy_run(stage + c * pitch + count + t, length, to + f.lanes);
      });
    }
  }

  void product(const ProductBuffers<T> &b, const T *w, T *stage) const {
    const Panels &panels = f.panels;
    const int64_t columns = 2 * source.tiles, depth = 2 * f.inputs, to = stage_pitch(f);
    TileCall<T> call = {};
    call.depth = depth;
    call.c_step = to;
    call.a_step = call.b_step = panels.step;
    (channels_in_lanes(f) ? call.a_offsets : call.b_offsets) = b.offsets;
    const int64_t most = channels_in_lanes(f) ? balanced(columns, tiles.rows) : tiles.columns;
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t row = p * panels.width, rows = smaller(panels.width, f.outputs - row);
      const T *const panel = w + p * depth * panels.step;
      for (int64_t j = 0; j < columns; j += most) {
        const int64_t count = smaller(most, columns - j);
        const int64_t height = channels_in_lanes(f) ? count : rows, width = channels_in_lanes(f) ? rows : count;
        call.a = channels_in_lanes(f) ? b.panel + j : panel;
        call.b = channels_in_lanes(f) ? panel : b.panel + j;
        call.c = channels_in_lanes(f) ? stage + j * to + row : stage + row * to + j;
        call.columns = static_cast<int32_t>(width);
        tiles.tiles[(height - 1) * kMostVectors + ceil_div(width, tiles.lanes) - 1](&call);
      }
    }
  }

  void multiply_block(int64_t block, int32_t slot) const {
    Carver carver(scratch(slot));
    const ProductBuffers<T> b(f, &carver);
    const int64_t depth = 2 * f.inputs, groups = source.channels / f.inputs;
    const int64_t first_group = source.first_channel / f.inputs;
    const int64_t matrix = f.panels.count * depth * f.panels.step, stage = stage_rows(f) * stage_pitch(f);
    for (int64_t k = 0; k < depth; ++k) b.offsets[k] = k * panel_pitch(f);
    for (int64_t i = 0; i < 2 * block_pairs(block); ++i) {
      const int64_t frequency = 2 * block * kFftBlockPairs + i;
      for (int64_t g = 0; g < groups; ++g) {
        fill_panel(block, 2 * i, g, b.panel);
        product(b, weights + (first_group + g) * f.group_weights + frequency * matrix, b.stage + g * stage);
      }
      for (int64_t g = 0; g < groups; ++g) store_stage(block, 2 * i, g, b.stage + g * stage);
    }
  }

  ck_status run_round() const {
    const ck_runtime &host = *context.host;
    const bool small = context.plan->small;
    const auto one = [&](int64_t unit, int32_t slot) { transform(unit, slot); };
    const auto two = [&](int64_t unit, int32_t slot) { multiply_block(unit, slot); };
    const auto three = [&](int64_t unit, int32_t slot) { transform_back(unit, slot); };
    ck_status status = for_each_unit(host, source.bundles(), small, one);
    if (status == CK_OK) status = for_each_unit(host, f.blocks, small, two);
    if (status == CK_OK) status = for_each_unit(host, result.bundles(), small, three);
    return status;
  }
};

}  // namespace

template <typename T>
void block_fft_dense(ck_plan *plan) {
  const Problem &problem = plan->problem;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  FftForm &f = plan->fft;
  const bool last = problem.given.layout == CK_CHANNELS_LAST;
  const int64_t lanes = f.lanes, groups = problem.given.groups;
  /* Channels fill the lanes of the product unless tiles fill them better. Tiles of one image count: packed weights
   * serve any batch. */
  const int64_t in_lanes = round_up(f.outputs, lanes) * 2 * f.tiles,
                by_tiles = f.outputs * round_up(2 * f.tiles, lanes);
  f.result_channels_inner = in_lanes < by_tiles || (in_lanes == by_tiles && last);
  f.panels = f.result_channels_inner ? lane_panels(f.outputs, tiles.columns, tiles.lanes)
                                     : broadcast_panels(f.outputs, tiles.rows);
  f.source_channels_inner = last && f.inputs * groups >= lanes;

  const int64_t all = larger(problem.given.batch, 1) * f.tiles;
  const int64_t bundle = 4 * f.pairs * lanes * static_cast<int64_t>(sizeof(T)), most = larger(f.inputs, f.outputs);
  const int64_t room = larger(kRoundBytes / bundle, 1) * lanes; /* sequences */
  f.round_tiles = balanced(all, clamp(room / most, 1, kMostRoundTiles));
  const int64_t columns = most * f.round_tiles;
  f.round_groups = balanced(groups, larger(1, smaller(room, kMostRoundColumns) / columns));
  const FftRound source = {0, f.round_groups * f.inputs, 0, f.round_tiles, f.source_channels_inner, lanes};
  const FftRound result = {0, f.round_groups * f.outputs, 0, f.round_tiles, f.result_channels_inner, lanes};
  f.bundles = larger(source.bundles(), result.bundles());

  f.group_weights = 2 * f.pairs * f.panels.count * 2 * f.inputs * f.panels.step;
  plan->weights_bytes = f.tables_bytes + groups * f.group_weights * static_cast<int64_t>(sizeof(T));
  Blocking &b = plan->blocking;
  b.units = problem.given.batch;
  Carver buffers(nullptr), products(nullptr), shared(nullptr);
  FftBuffers<T>(f, &buffers);
  ProductBuffers<T>(f, &products);
  b.slot_bytes = larger(buffers.used(), products.used());
  shared.take<T>(f.blocks * f.bundles * kFftBlockVectors * lanes);
  b.shared_bytes = shared.used();
}

template <typename T>
ck_status run_fft_dense(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Problem &problem = plan.problem;
  const FftForm &f = plan.fft;
  Carver packed(const_cast<char *>(context.weights));
  const FftTables<T> tables(f, &packed);
  const T *const weights = reinterpret_cast<const T *>(context.weights + f.tables_bytes);
  T *const spectra = reinterpret_cast<T *>(context.shared);
  const int64_t all = problem.given.batch * f.tiles;
  for (int64_t group = 0; group < problem.given.groups; group += f.round_groups) {
    const int64_t groups = smaller(f.round_groups, problem.given.groups - group);
    for (int64_t tile = 0; tile < all; tile += f.round_tiles) {
      const int64_t count = smaller(f.round_tiles, all - tile);
      const FftRound source = {group * f.inputs, groups * f.inputs, tile, count, f.source_channels_inner, f.lanes};
      const FftRound result = {group * f.outputs, groups * f.outputs, tile, count, f.result_channels_inner, f.lanes};
      const Dense<T> dense = {
          context, problem, f,     fft_of<T>(*plan.kernels), tiles_of<T>(*plan.kernels), tables, weights,
          spectra, source,  result};
      const ck_status status = dense.run_round();
      if (status != CK_OK) return status;
    }
  }
  return CK_OK;
}

template void block_fft_dense<float>(ck_plan *);
template void block_fft_dense<double>(ck_plan *);
template ck_status run_fft_dense<float>(const RunContext &);
template ck_status run_fft_dense<double>(const RunContext &);

}  // namespace convkit
