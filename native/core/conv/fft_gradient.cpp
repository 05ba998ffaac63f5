/* Weight gradients: taps 0, 1, ... of the correlation of features with the image. A tile of features (zeros behind it)
 * and the image under it (taps - 1 elements longer) are transformed; X conj(G) is added up over tiles and images,
 * in their order, and transformed back once.
 *
 * Dense, for a block of features and channels of a group: spectra of both as in fft_dense.cpp, channels inner; then for
 * each frequency a GEMM whose terms are tiles,
 *
 *     Dr += [Gr  Gi] * [Xr]        Di += [Gr -Gi] * [Xi]        rows: features; columns: channels
 *                      [Xi]                         [Xr]
 *
 * and sums in the form of spectra, lanes being channels. Depthwise: fft_gradient_depthwise.cpp. */
#include <string.h>

#include "../gemm/copy.h"
#include "../gemm/gemm.h"
#include "fft_run.h"

namespace convkit {
namespace {

/* Spectra of a round, and sums; they should stay in the last-level cache, or nearly. */
constexpr int64_t kRoundBytes = 8 << 20, kSumBytes = 8 << 20;
constexpr int64_t kMostRoundTiles = 128;
/* Panels of columns of a product between two looks at a cancellation. */
constexpr int64_t kLookPanels = 4;

/* Of a block of frequencies: the vectors of all bundles side by side, one line for each vector. */
template <typename T>
struct ProductBuffers {
  T *image, *features, *sums, *panels[2];
  int64_t *offsets[2];
  ProductBuffers(const FftForm &f, Carver *carver) {
    const int64_t channels = round_up(f.channel_block, f.lanes);
    image = carver->take<T>(kFftBlockVectors * f.round_tiles * channels);
    features = carver->take<T>(kFftBlockVectors * f.round_tiles * round_up(f.feature_block, f.lanes));
    sums = carver->take<T>(kFftBlockVectors * f.feature_block * channels);
    for (T *&panel : panels) panel = carver->take<T>(2 * f.round_tiles * f.panels.count * f.panels.step);
    for (int64_t *&offset : offsets) offset = carver->take<int64_t>(2 * f.round_tiles);
  }
};

template <typename T>
struct Gradient : FftRun<T> {
  using FftRun<T>::f;
  using FftRun<T>::problem;
  using FftRun<T>::kernels;
  using FftRun<T>::tiles;
  T *image_spectra, *feature_spectra, *sums;
  FftRound image, features; /* of the round; channels are those of a block */
  bool continues;

  int64_t channel_bundles() const { return image.channel_bundles(); }

  void transform(int64_t unit, int32_t slot) const {
    const bool of_features = unit >= image.bundles();
    const FftRound &round = of_features ? features : image;
    const int64_t bundle = of_features ? unit - image.bundles() : unit;
    T *const spectra = of_features ? feature_spectra : image_spectra;
    const FftBundle<T> b = this->bundle(slot);
    this->load(b, round, bundle, of_features);
    this->each_block(b, [&](const FftPairs<T> &pairs, int64_t block) {
      kernels.split(&pairs, b.buffers.data, spectra + (block * round.bundles() + bundle) * this->piece());
    });
  }

  /* Rows Gr, Gi for the real parts of the sums, and Gr, -Gi for the imaginary ones. */
  void fill_panels(const T *re, const T *im, int64_t panel_step, T *const panels[2]) const {
    const int64_t width = features.channel_bundles() * f.lanes, step = f.panels.step;
    for (int64_t p = 0; p < f.panels.count; ++p) {
      const int64_t first = p * f.panels.width, count = smaller(f.panels.width, features.channels - first);
      T *real = panels[0] + p * panel_step, *imaginary = panels[1] + p * panel_step;
      for (int64_t at = first; at < features.tiles * width; at += width, real += 2 * step, imaginary += 2 * step) {
        copy_run(re + at, count, real);
        copy_run(im + at, count, real + step);
        copy_run(re + at, count, imaginary);
        for (int64_t i = 0; i < count; ++i) imaginary[step + i] = -im[at + i];
      }
    }
  }

  void multiply_unit(int64_t unit, int32_t slot) const {
    const auto at = this->frequencies(unit);
    Carver carver(this->scratch(slot));
    const ProductBuffers<T> b(f, &carver);
    const int64_t width = channel_bundles() * f.lanes;
    const int64_t image_line = image.bundles() * f.lanes, feature_line = features.bundles() * f.lanes;
    const int64_t count = features.channels * channel_bundles(), line = count * f.lanes;
    const int64_t piece = this->piece();
    T *const unit_sums = sums + at.block * count * piece + at.place;
    /* Bundles of `from` into their lines: megabytes, of which much is touched for the first time. */
    const auto bring = [&](const T *from, int64_t bundles, T *to, int64_t to_line) {
      return this->move_bundles(bundles, [&](int64_t first, int64_t moved) {
        kernels.collect(from + first * piece, piece, moved, 4 * at.pairs, to + first * f.lanes, to_line);
      });
    };
    if (!bring(image_spectra + at.block * image.bundles() * piece + at.place, image.bundles(), b.image, image_line))
      return;
    if (!bring(feature_spectra + at.block * features.bundles() * piece + at.place, features.bundles(), b.features,
               feature_line))
      return;
    if (continues && !bring(unit_sums, count, b.sums, line)) return;
    /* Terms are the tiles' real parts, then their imaginary parts; or the other way round. */
    for (int64_t k = 0; k < 2 * image.tiles; ++k) {
      for (int64_t part = 0; part < 2; ++part) b.offsets[part][k] = (k + part) % 2 * image_line + k / 2 * width;
    }
    Product<T> product;
    product.rows = features.channels;
    product.depth = 2 * image.tiles;
    product.c_step = width;
    product.continues = continues;
    product.epilogue = nullptr;
    const int64_t panel_step = product.depth * f.panels.step, columns = kLookPanels * tiles.columns;
    for (int64_t i = 0; i < 2 * at.pairs; ++i) {
      if (cancelled(*this->context.host)) return; /* the panels may be megabytes */
      const T *const feature = b.features + 2 * i * feature_line;
      fill_panels(feature, feature + feature_line, panel_step, b.panels);
      for (int64_t part = 0; part < 2; ++part) {
        product.a = {b.panels[part], panel_step, f.panels.width, f.panels.step};
        product.b_offsets = b.offsets[part];
        for (int64_t j = 0; j < width; j += columns) {
          if (cancelled(*this->context.host)) return;
          product.columns = smaller(columns, width - j);
          product.b = {b.image + 2 * i * image_line + j, tiles.columns, tiles.columns, 0};
          product.c = b.sums + (2 * i + part) * line + j;
          multiply(tiles, product);
        }
      }
    }
    this->move_bundles(count, [&](int64_t first, int64_t moved) {
      kernels.distribute(b.sums + first * f.lanes, line, moved, 4 * at.pairs, unit_sums + first * piece, piece);
    });
  }

  void transform_back(int64_t unit, int32_t slot) const {
    const int64_t bundles = channel_bundles(), feature = unit / bundles, channel = unit % bundles * f.lanes;
    const FftBundle<T> b = this->bundle(slot);
    this->each_block(b, [&](const FftPairs<T> &pairs, int64_t block) {
      const int64_t at = block * features.channels * bundles + unit;
      kernels.merge(&pairs, sums + at * this->piece(), b.buffers.data);
    });
    const auto &w = problem.weights;
    const int64_t first = image.first_channel % f.inputs + channel;
    this->store_gradient(b, w.origin + (features.first_channel + feature) * w.feature + first * w.channel, w.channel,
                         smaller(f.lanes, image.channels - channel));
  }

  ck_status add_round() const {
    const ck_runtime &host = *this->context.host;
    const bool small = this->context.plan->small;
    const auto one = [&](int64_t unit, int32_t slot) { transform(unit, slot); };
    const auto two = [&](int64_t unit, int32_t slot) { multiply_unit(unit, slot); };
    const ck_status status = for_each_unit(host, image.bundles() + features.bundles(), small, one);
    return status == CK_OK ? for_each_unit(host, this->product_units(), small, two) : status;
  }

  /* A block of features and channels, over all tiles. */
  ck_status run_block() {
    const int64_t all = problem.given.batch * f.tiles;
    for (int64_t tile = 0; tile < all; tile += f.round_tiles) {
      image.first_tile = features.first_tile = tile;
      image.tiles = features.tiles = smaller(f.round_tiles, all - tile);
      continues = tile > 0;
      const ck_status status = add_round();
      if (status != CK_OK) return status;
    }
    const auto three = [&](int64_t unit, int32_t slot) { transform_back(unit, slot); };
    return for_each_unit(*this->context.host, features.channels * channel_bundles(), this->context.plan->small, three);
  }
};

/* Shared memory: spectra of the image and the features of a round, and the sums. */
template <typename T>
struct Shared {
  char *tables;
  T *image, *features, *sums;
  Shared(const FftForm &f, Carver *carver) {
    const int64_t bundle = f.blocks * kFftBlockVectors * f.lanes, channels = ceil_div(f.channel_block, f.lanes);
    tables = carver->take<char>(f.tables_bytes);
    image = carver->take<T>(bundle * channels * f.round_tiles);
    features = carver->take<T>(bundle * ceil_div(f.feature_block, f.lanes) * f.round_tiles);
    sums = carver->take<T>(bundle * channels * f.feature_block);
  }
};

void block_channels(const Problem &problem, int64_t bundle_bytes, int64_t most_rows, FftForm *f) {
  f->channel_block = f->inputs;
  f->feature_block = f->outputs;
  const auto sums = [&] { return bundle_bytes * f->feature_block * ceil_div(f->channel_block, f->lanes); };
  while (sums() > kSumBytes && f->feature_block * f->channel_block > f->lanes) {
    if (f->channel_block > f->lanes && f->channel_block >= f->feature_block) {
      f->channel_block = round_up(ceil_div(f->channel_block, 2), f->lanes);
    } else if (f->feature_block > 1) {
      f->feature_block = ceil_div(f->feature_block, 2);
    } else {
      break;
    }
  }
  const int64_t bundles = ceil_div(f->channel_block, f->lanes) + ceil_div(f->feature_block, f->lanes);
  const int64_t all = larger(problem.given.batch, 1) * f->tiles;
  f->round_tiles = balanced(all, clamp(kRoundBytes / (bundle_bytes * bundles), 1, kMostRoundTiles));
  f->panels = broadcast_panels(f->feature_block, static_cast<int32_t>(most_rows));
}

}  // namespace

template <typename T>
void block_fft_gradient(ck_plan *plan) {
  const Problem &problem = plan->problem;
  FftForm &f = plan->fft;
  Blocking &b = plan->blocking;
  b.units = problem.given.groups;
  const int64_t bundle = 4 * f.pairs * f.lanes * static_cast<int64_t>(sizeof(T));
  block_channels(problem, bundle, tiles_of<T>(*plan->kernels).rows, &f);
  b.slot_bytes = larger(bytes_of<FftBuffers<T>>(f), bytes_of<ProductBuffers<T>>(f));
  b.shared_bytes = bytes_of<Shared<T>>(f);
}

template <typename T>
ck_status run_fft_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Problem &problem = plan.problem;
  const FftForm &f = plan.fft;
  Carver carver(context.shared);
  const Shared<T> shared(f, &carver);
  Carver places(shared.tables);
  const FftTables<T> tables(f, &places);
  tables.fill(f, *context.host);
  if (problem.given.batch == 0) {
    memset(context.operands->weight_gradient, 0,
           static_cast<size_t>(problem.given.feature_channels * problem.depth) * sizeof(T));
  }
  for (int64_t group = 0; group < problem.given.groups && problem.given.batch > 0; ++group) {
    for (int64_t feature = 0; feature < f.outputs; feature += f.feature_block) {
      for (int64_t channel = 0; channel < f.inputs; channel += f.channel_block) {
        const FftRound image = {
            group * f.inputs + channel, smaller(f.channel_block, f.inputs - channel), 0, 0, true, f.lanes};
        const FftRound features = {
            group * f.outputs + feature, smaller(f.feature_block, f.outputs - feature), 0, 0, true, f.lanes};
        Gradient<T> gradient = {{context, tables}, shared.image, shared.features, shared.sums, image, features, false};
        const ck_status status = gradient.run_block();
        if (status != CK_OK) return status;
      }
    }
  }
  return CK_OK;
}

template void block_fft_gradient<float>(ck_plan *);
template void block_fft_gradient<double>(ck_plan *);
template ck_status run_fft_gradient<float>(const RunContext &);
template ck_status run_fft_gradient<double>(const RunContext &);

}  // namespace convkit
