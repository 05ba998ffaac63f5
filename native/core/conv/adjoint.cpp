/* Adjoint: image = epilogue(scatter(weights' * features)).
 *
 * A unit is a block of channels of one group of one image; nobody else writes them, so additions
 * need no locks and keep one order. For each chunk of feature pixels, GEMM makes a bounded block of the column matrix
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
    clear(block.channels, channels);
    for (int64_t first = 0; first < problem.feature_pixels; first += b.chunk) {
      const int64_t pixels = smaller(b.chunk, problem.feature_pixels - first);
      for (int64_t part = 0; part < b.tap_blocks; ++part) {
        if (cancelled(*context.host)) return;
        block.first_tap = part * b.tap_block;
        block.taps = smaller(b.tap_block, problem.taps - block.first_tap);
        const T *const weights = weight_block<T>(context, group, channel_part * b.tap_blocks + part);
        make_columns(features, weights, first, pixels, block, scratch);
        scatter_patches(problem, scratch.columns, pitch(), first, pixels, block, scratch.index, result);
      }
    }
    finish(group * problem.group_channels + block.first_channel, block.channels, channels);
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

  /* Visits the whole image, which may be far larger than a cache: in parts, so that a cancellation is seen. */
  template <typename Visit>
  void sweep(int64_t channels, T *image, const Visit &visit) const {
    const bool lanes = pixels_in_lanes(problem);
    const int64_t pixels = lanes ? kSwept : larger(kSwept / problem.image.pixel, 16); /* by what is passed over */
    for (int64_t first = 0; first < problem.image_pixels; first += pixels) {
      const int64_t count = smaller(pixels, problem.image_pixels - first);
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
  void clear(int64_t channels, T *image) const {
    sweep(channels, image, [&](T *pixels, int64_t count, int64_t, int64_t part) {
      const bool lanes = pixels_in_lanes(problem);
      const int64_t rows = lanes ? 1 : count, columns = lanes ? count : part;
      for (int64_t i = 0; i < rows; ++i) {
        memset(pixels + i * problem.image.pixel, 0, static_cast<size_t>(columns) * sizeof(T));
      }
    });
  }

  void finish(int64_t first, int64_t channels, T *image) const {
    Epilogue<T> epilogue;
    if (!make_epilogue(context, first, &epilogue)) return;
    sweep(channels, image, [&](T *pixels, int64_t count, int64_t channel, int64_t part) {
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
  b.units = problem.given.batch * problem.given.groups * b.channel_blocks;
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

template void block_adjoint<float>(ck_plan *, int32_t);
template void block_adjoint<double>(ck_plan *, int32_t);
template ck_status run_adjoint<float>(const RunContext &);
template ck_status run_adjoint<double>(const RunContext &);

}  // namespace convkit
