/* Adjoint: image = epilogue(scatter(weights' * features)).
 *
 * A unit is a block of channels, or a band of their rows, of one group of one image; nobody else writes them, so
 * additions need no locks and keep one order. Bands compute the few columns that two of them read twice. For each chunk
 * of feature pixels, GEMM makes a bounded block of the column matrix
 *
 *     columns[(tap, channel)][pixel] = sum over features of weights[feature][(tap, channel)] * features[feature][pixel]
 *
 * (its transpose with channels last), which col2im adds to the image. */
#include "../gemm/scatter_patches.h"
#include "../util/host.h"
#include "im2col.h"

#include <string.h>

namespace convkit {
namespace {

/* Elements of the image that are cleared or finished between two looks at a cancellation. */
constexpr int64_t kSwept = 1 << 18;

/* Where channels are few, slots share the image by bands, along the first axis that is longer than 1. A band is at
 * least as long as what it reads twice. */
constexpr int64_t kUnitsPerSlot = 2, kShortestBand = 4;

void block_bands(const Problem &problem, int64_t wanted, Blocking *b) {
  const ck_problem &p = problem.given;
  int64_t a = 0;
  while (a < 2 && p.image[a] == 1 && p.features[a] == 1) ++a;
  const int64_t shortest = larger((p.kernel[a] - 1) * p.dilation[a] + 1, kShortestBand * p.stride[a]);
  const bool whole = p.padding_mode != CK_ZEROS || wanted <= kUnitsPerSlot;
  b->band_axis = a;
  b->band = whole ? p.image[a] : larger(ceil_div(p.image[a], wanted), smaller(shortest, p.image[a]));
  b->bands = ceil_div(p.image[a], b->band);
}

template <typename T>
struct Scratch {
  PatchIndex *index;
  T *features, *columns;

  Scratch(const Problem &problem, const Blocking &b, const TileSet<T> &tiles, Carver *carver) {
    const int64_t rows = b.channel_block * b.tap_block;
    index = carver->take<PatchIndex>(1);
    if (pixels_in_lanes(problem)) {
      features = carver->take<T>(b.depth * b.pitch);
      columns = carver->take<T>(rows * b.pitch);
    } else {
      features = carver->take<T>(b.depth * panels_room(b.chunk, tiles.rows));
      columns = carver->take<T>(b.chunk * row_pitch(rows));
    }
  }
};

template <typename T>
struct Adjoint {
  const RunContext &context;
  const Problem &problem;
  const Blocking &blocking;
  const TileSet<T> &tiles;

  void operator()(int64_t unit, int32_t slot) const {
    const Blocking &b = blocking;
    const Band band = find_band(unit % b.bands);
    unit /= b.bands;
    const int64_t channel_part = unit % b.channel_blocks, group = unit / b.channel_blocks % problem.given.groups;
    const int64_t image = unit / b.channel_blocks / problem.given.groups;
    const ck_operands &operands = *context.operands;
    const T *const features = static_cast<const T *>(operands.features_in) + image * problem.features.batch +
                              group * problem.group_features * problem.features.channel;
    T *const result = static_cast<T *>(operands.image_out) + image * problem.image.batch +
                      group * problem.group_channels * problem.image.channel;
    Carver carver(context.scratch + slot * b.slot_bytes);
    const Scratch<T> scratch(problem, b, tiles, &carver);

    ColumnBlock block;
    block.first_channel = channel_part * b.channel_block;
    block.channels = smaller(b.channel_block, problem.group_channels - block.first_channel);
    T *const channels = result + block.first_channel * problem.image.channel;
    clear(block.channels, channels, band);
    const Range reached = band.features; /* none, where the stride leaves gaps */
    int64_t chunk = reached.empty() ? reached.end : reached.begin / b.chunk * b.chunk;
    for (; chunk < reached.end; chunk += b.chunk) {
      const int64_t first = larger(chunk, reached.begin), pixels = smaller(chunk + b.chunk, reached.end) - first;
      for (int64_t part = 0; part < b.tap_blocks; ++part) {
        if (cancelled(*context.host)) return;
        block.first_tap = part * b.tap_block;
        block.taps = smaller(b.tap_block, problem.taps - block.first_tap);
        const T *const weights = weight_block<T>(context, group, channel_part * b.tap_blocks + part);
        make_columns(features, weights, first, pixels, block, scratch);
        scatter_patches(problem, scratch.columns, pitch(), first, pixels, block, tiles,
                        band.image.begin * problem.image.pixel, band.image.end * problem.image.pixel, scratch.index,
                        result);
      }
    }
    finish(group * problem.group_channels + block.first_channel, block.channels, channels, band);
  }

  /* Pixels of the image, and all features that reach them. */
  struct Band {
    Range image, features;
  };
  Band find_band(int64_t number) const {
    const ck_problem &p = problem.given;
    const int64_t a = blocking.band_axis;
    const int64_t begin = number * blocking.band, end = smaller(begin + blocking.band, p.image[a]);
    const int64_t pixels = problem.image_pixels / p.image[a];
    Band band = {{begin * pixels, end * pixels}, {0, problem.feature_pixels}};
    if (blocking.bands == 1) return band;
    const int64_t reach = (p.kernel[a] - 1) * p.dilation[a], features = problem.feature_pixels / p.features[a];
    band.features.begin = clamp(ceil_div(begin + p.pad_begin[a] - reach, p.stride[a]), 0, p.features[a]) * features;
    band.features.end = clamp((end - 1 + p.pad_begin[a]) / p.stride[a] + 1, 0, p.features[a]) * features;
    return band;
  }

  int64_t pitch() const {
    return pixels_in_lanes(problem) ? blocking.pitch : row_pitch(blocking.channel_block * blocking.tap_block);
  }

  void make_columns(const T *features, const T *weights, int64_t first, int64_t pixels, const ColumnBlock &block,
                    const Scratch<T> &scratch) const {
    const Blocking &b = blocking;
    const bool lanes = pixels_in_lanes(problem);
    const Matrix<T> matrix = {features, Axis::plain(problem.features.pixel), Axis::plain(problem.features.channel)};
    const Panels panels = broadcast_panels(pixels, tiles.rows);
    for (int64_t k = 0; k < problem.group_features; k += b.depth) {
      if (k > 0 && cancelled(*context.host)) return;
      const int64_t depth = smaller(b.depth, problem.group_features - k), panel_step = depth * panels.step;
      const Operand<T> w = {weights + k * b.weights.step, b.weight_panel_step, b.weights.width, b.weights.step};
      Product<T> product;
      if (lanes) {
        pack_panel(matrix, first, pixels, k, depth, b.pitch, scratch.features);
        product.a = w;
        product.b = {scratch.features, tiles.columns, tiles.columns, 0};
        product.rows = block.rows();
        product.columns = pixels;
      } else {
        for (int64_t p = 0; p < panels.count; ++p) {
          const int64_t row = p * panels.width;
          pack_panel(matrix, first + row, smaller(panels.width, pixels - row), k, depth, panels.step,
                     scratch.features + p * panel_step);
        }
        product.a = {scratch.features, panel_step, panels.width, panels.step};
        product.b = w;
        product.rows = pixels;
        product.columns = block.rows();
      }
      product.b_offsets = b.b_offsets;
      product.depth = depth;
      product.c = scratch.columns;
      product.c_step = pitch();
      product.continues = k > 0;
      product.epilogue = nullptr;
      multiply(tiles, product);
    }
  }

  /* Visits the band, which may be far larger than a cache: in parts, so that a cancellation is seen. */
  template <typename Visit>
  void sweep(int64_t channels, T *image, const Band &band, const Visit &visit) const {
    const bool lanes = pixels_in_lanes(problem);
    const int64_t pixels = lanes ? kSwept : larger(kSwept / problem.image.pixel, 16); /* by what is passed over */
    for (int64_t first = band.image.begin; first < band.image.end; first += pixels) {
      const int64_t count = smaller(pixels, band.image.end - first);
      if (!lanes) {
        if (cancelled(*context.host)) return;
        visit(image + first * problem.image.pixel, count, 0, channels);
      }
      for (int64_t channel = 0; lanes && channel < channels; ++channel) {
        if (cancelled(*context.host)) return;
        visit(image + channel * problem.image.channel + first, count, channel, 1);
      }
    }
  }

  /* Image elements that no feature reads hold the epilogue of zero. */
  void clear(int64_t channels, T *image, const Band &band) const {
    sweep(channels, image, band, [&](T *pixels, int64_t count, int64_t, int64_t part) {
      const bool lanes = pixels_in_lanes(problem);
      const int64_t rows = lanes ? 1 : count, columns = lanes ? count : part;
      for (int64_t i = 0; i < rows; ++i) {
        memset(pixels + i * problem.image.pixel, 0, static_cast<size_t>(columns) * sizeof(T));
      }
    });
  }

  void finish(int64_t first, int64_t channels, T *image, const Band &band) const {
    Epilogue<T> epilogue;
    if (!make_epilogue(context, first, &epilogue)) return;
    sweep(channels, image, band, [&](T *pixels, int64_t count, int64_t channel, int64_t part) {
      make_epilogue(context, first + channel, &epilogue);
      if (pixels_in_lanes(problem)) {
        tiles.finish(pixels, problem.image.channel, 1, count, &epilogue);
      } else {
        tiles.finish(pixels, problem.image.pixel, count, part, &epilogue);
      }
    });
  }
};

}  // namespace

template <typename T>
void block_adjoint(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  Blocking &b = plan->blocking;
  block_chunks(problem, &b);
  /* Whether the batch would keep the threads busy is not asked: packed weights serve any batch. */
  block_columns(problem, ceil_div(slots, problem.given.groups), &b);
  b.depth = balanced(problem.group_features, tiles.depth);
  plan->weights_bytes = block_weights(problem, tiles, b.channel_block * b.tap_block, problem.group_features,
                                      b.channel_blocks * b.tap_blocks, &b);
  block_bands(problem, ceil_div(kUnitsPerSlot * slots, problem.given.groups * b.channel_blocks), &b);
  b.units = problem.given.batch * problem.given.groups * b.channel_blocks * b.bands;
  set_b_offsets(pixels_in_lanes(problem) ? b.pitch : b.weights.step, &b);
  Carver measure(nullptr);
  Scratch<T>(problem, b, tiles, &measure);
  b.slot_bytes = measure.used();
}

template <typename T>
ck_status run_adjoint(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Adjoint<T> adjoint = {context, plan.problem, plan.blocking, tiles_of<T>(*plan.kernels)};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, adjoint);
}

template <typename T>
double adjoint_cost(const Problem &problem, const TileSet<T> &tiles) {
  /* Measured, in cycles of a multiply-add: starting a tile; adding a vector of columns, or an element where a stride
   * lies between neighbours; finding where a row of features goes under a tap, and a chunk. */
  constexpr double kLeastTile = 8, kVectorLoad = 2, kTileStart = 30;
  constexpr double kAddVector = 3, kAddElement = 1.5, kFindRow = 10, kFindChunk = 50;
  const ck_problem &p = problem.given;
  const double taps = static_cast<double>(problem.taps), pixels = static_cast<double>(problem.feature_pixels);
  const double terms = static_cast<double>(problem.group_features);
  const int64_t rows = problem.group_channels * problem.taps, height = balanced(rows, tiles.rows);
  const int64_t vectors_of_tile = tiles.columns / tiles.lanes;
  const double tall = static_cast<double>(height), vectors = static_cast<double>(vectors_of_tile);
  double tile = kVectorLoad * vectors + tall;
  if (tile < kLeastTile) tile = kLeastTile;
  if (tile < tall * vectors) tile = tall * vectors;
  const double in_vectors = static_cast<double>(ceil_div(problem.feature_pixels, tiles.lanes)); /* image by image */
  const double all_tiles = in_vectors / vectors * static_cast<double>(ceil_div(rows, height));
  const double blocks = static_cast<double>(ceil_div(problem.group_features, tiles.depth));
  const double add = p.stride[2] == 1 ? kAddVector / static_cast<double>(tiles.lanes) : kAddElement;
  const double find = kFindRow * pixels / static_cast<double>(p.features[2]) +
                      kFindChunk * static_cast<double>(ceil_div(problem.feature_pixels, kChunk));
  const double group =
      all_tiles * (terms * tile + blocks * kTileStart) + static_cast<double>(rows) * pixels * add + taps * find;
  return group * static_cast<double>(p.groups);
}

template double adjoint_cost(const Problem &, const TileSet<float> &);
template double adjoint_cost(const Problem &, const TileSet<double> &);
template void block_adjoint<float>(ck_plan *, int32_t);
template void block_adjoint<double>(ck_plan *, int32_t);
template ck_status run_adjoint<float>(const RunContext &);
template ck_status run_adjoint<double>(const RunContext &);

}  // namespace convkit
