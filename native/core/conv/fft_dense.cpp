/* The three steps of a round. Spectra lie as [block of frequencies][bundle][pair][4 vectors]: step 1 and 3 move along
 * blocks with one bundle, step 2 along bundles in one block or a part of it. Results take the place of the source in
 * the spectra, frequency by frequency. */
#include "../gemm/move_block.h"
#include "fft_run.h"

namespace convkit {
namespace {

/* Spectra of a round; they should stay in the last-level cache. */
constexpr int64_t kRoundBytes = 8 << 20;
/* Spectra of weights that wait to be written together, and how many channels may. */
constexpr int64_t kPackBytes = 400 << 10, kMostPackBlock = 8;
/* Tiles of a round, and channels times tiles of a frequency's panels. */
constexpr int64_t kMostRoundTiles = 64, kMostRoundColumns = 1 << 14;
/* Channels of a panel that are filled between two looks at a cancellation. */
constexpr int64_t kFilledChannels = 4096;

int64_t panel_pitch(const FftForm &f) { return row_pitch(2 * f.round_tiles); }

/* Of a block of frequencies: the vectors of all bundles side by side, one line for each vector. Imaginary parts
 * follow right behind real parts, so that a product is written to both at once. */
template <typename T>
struct ProductBuffers {
  T *source, *result, *panel, *turned;
  int64_t *offsets;
  ProductBuffers(const FftForm &f, int64_t source_bundles, int64_t result_bundles, Carver *carver) {
    source = carver->take<T>(kFftBlockVectors * source_bundles * f.lanes + kMostLanes);
    result = carver->take<T>(kFftBlockVectors * result_bundles * f.lanes);
    panel = carver->take<T>(2 * f.inputs * panel_pitch(f));
    turned = carver->take<T>(f.source_channels_inner ? 2 * (f.inputs * f.round_tiles + kMostLanes) : 0);
    offsets = carver->take<int64_t>(2 * f.inputs);
  }
};

template <typename T>
struct Dense : FftRun<T> {
  using FftRun<T>::context;
  using FftRun<T>::f;
  using FftRun<T>::kernels;
  using FftRun<T>::tiles;
  const T *weights;
  T *spectra;
  FftRound source, result; /* of the round */

  T *piece_of(int64_t block, int64_t bundle) const { return spectra + (block * f.bundles + bundle) * this->piece(); }

  void transform(int64_t number, int32_t slot) const {
    const FftBundle<T> b = this->bundle(slot);
    this->load(b, source, number, false);
    this->each_block(b, [&](const FftPairs<T> &pairs, int64_t block) {
      kernels.split(&pairs, b.buffers.data, piece_of(block, number));
    });
  }

  void transform_back(int64_t number, int32_t slot) const {
    const FftBundle<T> b = this->bundle(slot);
    this->each_block(b, [&](const FftPairs<T> &pairs, int64_t block) {
      kernels.merge(&pairs, piece_of(block, number), b.buffers.data);
    });
    this->store(b, result, number);
  }

  /* Rows 2 c and 2 c + 1 of the panel of a group, from the lines of real and imaginary parts. */
  void fill_panel(const ProductBuffers<T> &b, const T *re, const T *im, int64_t group) const {
    const int64_t count = source.tiles, pitch = panel_pitch(f);
    for (int64_t c = 0; c < f.inputs; c += kFilledChannels) {
      if (cancelled(*context.host)) return;
      const int64_t first = group * f.inputs + c, channels = smaller(kFilledChannels, f.inputs - c);
      FftPanel<T> call = {re + first * count, im + first * count, channels, count, b.panel + 2 * c * pitch, pitch};
      if (source.channels_inner) {
        const int64_t step = source.channel_bundles() * f.lanes;
        T *const other = b.turned + f.inputs * count + kMostLanes;
        turn_block(count, channels, re + first, step, b.turned, count);
        turn_block(count, channels, im + first, step, other, count);
        call.re = b.turned;
        call.im = other;
      }
      kernels.panel(&call);
    }
  }

  /* Panels of weights times the panel of the source: channels in lanes, or tiles. */
  void product(const ProductBuffers<T> &b, const T *w, T *re, T *im, int64_t group) const {
    const Panels &panels = f.panels;
    const int64_t count = source.tiles, first = group * f.outputs, panel_step = f.inputs * 4 * panels.step;
    TileCall<T> call = {};
    call.depth = call.period = 2 * f.inputs;
    call.a = call.b = by_step<T>(panel_pitch(f));
    if (result.channels_inner) {
      call.b = by_table<T>(b.offsets);
      call.c_step = result.channel_bundles() * f.lanes;
      const int64_t most = balanced(2 * count, tiles.rows);
      for (int64_t p = 0; p < panels.count; ++p) {
        if (cancelled(*context.host)) return;
        const int64_t row = p * panels.width, width = smaller(panels.width, f.outputs - row);
        call.b.at = w + p * panel_step;
        call.columns = static_cast<int32_t>(width);
        for (int64_t j = 0; j < 2 * count; j += most) {
          if (call.depth > kLookDepth && cancelled(*context.host)) return;
          call.a.at = b.panel + j;
          call.c = re + first + row + j * call.c_step;
          tiles.tiles[(smaller(most, 2 * count - j) - 1) * kMostVectors + ceil_div(width, tiles.lanes) - 1](&call);
        }
      }
      return;
    }
    call.a = by_table<T>(b.offsets);
    call.c_step = count;
    for (int64_t p = 0; p < panels.count; ++p) {
      if (cancelled(*context.host)) return;
      const int64_t row = p * panels.width, rows = smaller(panels.width, f.outputs - row);
      call.a.at = w + p * panel_step;
      for (int64_t part = 0; part < 2; ++part) {
        T *const to = (part == 0 ? re : im) + (first + row) * count;
        for (int64_t t = 0; t < count; t += tiles.columns) {
          if (call.depth > kLookDepth && cancelled(*context.host)) return;
          call.b.at = b.panel + part * count + t;
          call.c = to + t;
          call.columns = static_cast<int32_t>(smaller(tiles.columns, count - t));
          tiles.tiles[(rows - 1) * kMostVectors + ceil_div(call.columns, tiles.lanes) - 1](&call);
        }
      }
    }
  }

  void multiply_unit(int64_t unit, int32_t slot) const {
    const auto at = this->frequencies(unit);
    const int64_t from = source.bundles(), to = result.bundles();
    Carver carver(this->scratch(slot));
    const ProductBuffers<T> b(f, from, to, &carver);
    const int64_t groups = source.channels / f.inputs, first_group = source.first_channel / f.inputs;
    const int64_t step = f.panels.step, matrix = f.panels.count * f.inputs * 4 * step;
    for (int64_t k = 0; k < 2 * f.inputs; ++k) b.offsets[k] = (k / 2 * 4 + k % 2) * step;
    const auto bring = [&](int64_t bundle, int64_t count) {
      kernels.collect(piece_of(at.block, bundle) + at.place, this->piece(), count, 4 * at.pairs,
                      b.source + bundle * f.lanes, from * f.lanes);
    };
    if (!this->move_bundles(from, bring)) return;
    for (int64_t i = 0; i < 2 * at.pairs; ++i) {
      const T *const re = b.source + 2 * i * from * f.lanes, *const im = re + from * f.lanes;
      T *const result_re = b.result + 2 * i * to * f.lanes, *const result_im = result_re + to * f.lanes;
      const T *const pair = weights + (at.block * kFftBlockPairs + at.first + i / 2) * matrix + i % 2 * 2 * step;
      for (int64_t g = 0; g < groups; ++g) {
        fill_panel(b, re, im, g);
        product(b, pair + (first_group + g) * f.group_weights, result_re, result_im, g);
      }
    }
    this->move_bundles(to, [&](int64_t bundle, int64_t count) {
      kernels.distribute(b.result + bundle * f.lanes, to * f.lanes, count, 4 * at.pairs,
                         piece_of(at.block, bundle) + at.place, this->piece());
    });
  }

  ck_status run_round() const {
    const ck_runtime &host = *context.host;
    const bool small = context.plan->small;
    const auto one = [&](int64_t unit, int32_t slot) { transform(unit, slot); };
    const auto two = [&](int64_t unit, int32_t slot) { multiply_unit(unit, slot); };
    const auto three = [&](int64_t unit, int32_t slot) { transform_back(unit, slot); };
    ck_status status = for_each_unit(host, source.bundles(), small, one);
    if (status == CK_OK) status = for_each_unit(host, this->product_units(), small, two);
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
                by_tiles = f.outputs * 2 * round_up(f.tiles, lanes);
  f.result_channels_inner = in_lanes <= by_tiles;
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

  f.group_weights = f.pairs * f.panels.count * f.inputs * 4 * f.panels.step;
  plan->weights_bytes = f.tables_bytes + groups * f.group_weights * static_cast<int64_t>(sizeof(T));
  f.pack_block = clamp(kPackBytes / (bundle * ceil_div(f.panels.step, lanes)), 1, kMostPackBlock);
  Blocking &b = plan->blocking;
  b.units = problem.given.batch;
  b.slot_bytes = larger(bytes_of<FftBuffers<T>>(f), bytes_of<ProductBuffers<T>>(f, source.bundles(), result.bundles()));
  b.shared_bytes = f.blocks * f.bundles * kFftBlockVectors * lanes * static_cast<int64_t>(sizeof(T));
}

template <typename T>
ck_status run_fft_dense(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const ck_problem &p = plan.problem.given;
  const FftForm &f = plan.fft;
  Carver packed(const_cast<char *>(context.weights));
  const FftTables<T> tables(f, &packed);
  const T *const weights = reinterpret_cast<const T *>(context.weights + f.tables_bytes);
  T *const spectra = reinterpret_cast<T *>(context.shared);
  const int64_t all = p.batch * f.tiles;
  for (int64_t group = 0; group < p.groups; group += f.round_groups) {
    const int64_t groups = smaller(f.round_groups, p.groups - group);
    for (int64_t tile = 0; tile < all; tile += f.round_tiles) {
      const int64_t count = smaller(f.round_tiles, all - tile);
      const FftRound source = {group * f.inputs, groups * f.inputs, tile, count, f.source_channels_inner, f.lanes};
      const FftRound result = {group * f.outputs, groups * f.outputs, tile, count, f.result_channels_inner, f.lanes};
      const Dense<T> dense = {{context, tables}, weights, spectra, source, result};
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
