/* Weight gradient: for each group, gradient[feature][(tap, channel)] = sum over images and pixels of
 * features[feature][pixel] * patches[pixel][(tap, channel)].
 *
 * A unit is a block of this matrix. It is accumulated in scratch over all pixels of all images, as one chain
 * of multiply-adds for each element, and written into the weights' own layout once, at the end. */
#include "../gemm/pack_patches.h"
#include "../util/host.h"
#include "im2col.h"
#include "padding_repair.h"

#include <string.h>

namespace convkit {
namespace {

template <typename T>
struct Scratch {
  PatchIndex *index;
  T *features, *patches, *sums;

  Scratch(const Blocking &b, const TileSet<T> &tiles, Carver *carver) {
    index = carver->take<PatchIndex>(1);
    features = carver->take<T>(b.chunk * panels_room(b.feature_block, tiles.rows));
    patches = carver->take<T>(b.chunk * b.pitch);
    sums = carver->take<T>(b.feature_block * b.pitch);
  }
};

template <typename T>
struct WeightGradient {
  const RunContext &context;
  const Problem &problem;
  const Blocking &blocking;
  const TileSet<T> &tiles;

  void operator()(int64_t unit, int32_t slot) const {
    const Blocking &b = blocking;
    const int64_t tap_part = unit % b.tap_blocks, channel_part = unit / b.tap_blocks % b.channel_blocks;
    const int64_t rest = unit / b.tap_blocks / b.channel_blocks;
    const int64_t feature_part = rest % b.feature_blocks, group = rest / b.feature_blocks;
    Carver carver(context.scratch + slot * b.slot_bytes);
    const Scratch<T> scratch(b, tiles, &carver);

    ColumnBlock block;
    block.first_channel = channel_part * b.channel_block;
    block.channels = smaller(b.channel_block, problem.group_channels - block.first_channel);
    block.first_tap = tap_part * b.tap_block;
    block.taps = smaller(b.tap_block, problem.taps - block.first_tap);
    const int64_t feature = group * problem.group_features + feature_part * b.feature_block;
    const int64_t features = smaller(b.feature_block, (group + 1) * problem.group_features - feature);

    if (problem.given.batch == 0) memset(scratch.sums, 0, static_cast<size_t>(features * b.pitch) * sizeof(T));
    for (int64_t image = 0; image < problem.given.batch; ++image) {
      for (int64_t first = 0; first < problem.feature_pixels; first += b.chunk) {
        if (cancelled(*context.host)) return;
        add_pixels(image, first, group, feature, features, block, scratch);
      }
    }
    repair_padding(context, feature, features, block, {b.pitch, block.channels, 1}, scratch.index->runs, scratch.sums);
    write(feature, features, block, scratch.sums);
  }

  void add_pixels(int64_t image, int64_t first, int64_t group, int64_t feature, int64_t features,
                  const ColumnBlock &block, const Scratch<T> &scratch) const {
    const Blocking &b = blocking;
    const ck_operands &operands = *context.operands;
    const T *const source = static_cast<const T *>(operands.image_in) + image * problem.image.batch +
                            group * problem.group_channels * problem.image.channel;
    const Matrix<T> matrix = {static_cast<const T *>(operands.features_in) + image * problem.features.batch +
                                  feature * problem.features.channel + first * problem.features.pixel,
                              Axis::plain(problem.features.channel), Axis::plain(problem.features.pixel)};
    const int64_t pixels = smaller(b.chunk, problem.feature_pixels - first);
    const Panels panels = broadcast_panels(features, tiles.rows);
    const int64_t panel_step = pixels * panels.step;
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t row = p * panels.width;
      pack_panel(matrix, row, smaller(panels.width, features - row), 0, pixels, panels.step,
                 scratch.features + p * panel_step);
    }
    pack_patch_columns(problem, source, first, pixels, block, b.pitch, scratch.index, scratch.patches);

    Product<T> product;
    product.a = {scratch.features, panel_step, panels.width, panels.step};
    product.b = {scratch.patches, tiles.columns, tiles.columns, 0};
    product.b_offsets = b.b_offsets;
    product.rows = features;
    product.columns = block.rows();
    product.depth = pixels;
    product.c = scratch.sums;
    product.c_step = b.pitch;
    product.continues = image > 0 || first > 0;
    product.epilogue = nullptr;
    multiply(tiles, product);
  }

  /* In the order of the weights' memory, which is by far the larger of the two. */
  void write(int64_t feature, int64_t features, const ColumnBlock &block, const T *sums) const {
    const auto &w = problem.weights;
    T *const origin = static_cast<T *>(context.operands->weight_gradient) + w.origin + feature * w.feature +
                      block.first_channel * w.channel + block.first_tap * w.tap;
    const auto copy = [&](int64_t f, int64_t c, int64_t t) {
      origin[f * w.feature + c * w.channel + t * w.tap] = sums[f * blocking.pitch + t * block.channels + c];
    };
    if (w.feature == 1) {
      for (int64_t t = 0; t < block.taps; ++t) {
        for (int64_t c = 0; c < block.channels; ++c) {
          for (int64_t f = 0; f < features; ++f) copy(f, c, t);
        }
      }
    } else {
      for (int64_t f = 0; f < features; ++f) {
        for (int64_t c = 0; c < block.channels; ++c) {
          for (int64_t t = 0; t < block.taps; ++t) copy(f, c, t);
        }
      }
    }
  }
};

}  // namespace

template <typename T>
void block_weight_gradient(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  Blocking &b = plan->blocking;
  b.chunk = balanced(problem.feature_pixels, tiles.depth); /* pixels are the terms here */
  b.chunks = ceil_div(problem.feature_pixels, b.chunk);
  b.depth = b.chunk;
  b.feature_block = balanced(problem.group_features, tiles.depth);
  b.feature_blocks = ceil_div(problem.group_features, b.feature_block);
  block_columns(problem, ceil_div(slots, problem.given.groups * b.feature_blocks), &b);
  b.pitch = row_pitch(b.channel_block * b.tap_block);
  b.units = problem.given.groups * b.feature_blocks * b.channel_blocks * b.tap_blocks;
  set_b_offsets(b.pitch, &b);
  Carver measure(nullptr);
  Scratch<T>(b, tiles, &measure);
  b.slot_bytes = measure.used();
}

template <typename T>
ck_status run_weight_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const WeightGradient<T> gradient = {context, plan.problem, plan.blocking, tiles_of<T>(*plan.kernels)};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, gradient);
}

template void block_weight_gradient<float>(ck_plan *, int32_t);
template void block_weight_gradient<double>(ck_plan *, int32_t);
template ck_status run_weight_gradient<float>(const RunContext &);
template ck_status run_weight_gradient<double>(const RunContext &);

}  // namespace convkit
