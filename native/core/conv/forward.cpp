/* Forward: features = weights * patches(image), then the epilogue.
 *
 * A unit is a chunk of pixels of one group of one image (and a part of its weight panels, where there are
 * fewer chunks than threads). Channels first, the patches are on the lane side and the weights on the broadcast side;
 * channels last, the other way round. The result goes straight to its place. */
#include "../gemm/pack_patches.h"
#include "../util/host.h"
#include "im2col.h"

namespace convkit {
namespace {

/* Features of a part: what is multiplied between two looks at a cancellation takes a few milliseconds at most. */
constexpr int64_t kMostPartRows = 1 << 14;

template <typename T>
struct Scratch {
  PatchIndex *index;
  T *patches;

  Scratch(const Problem &problem, const Blocking &b, const TileSet<T> &tiles, Carver *carver) {
    index = carver->take<PatchIndex>(1);
    patches = carver->take<T>(b.depth * (pixels_in_lanes(problem) ? b.pitch : panels_room(b.chunk, tiles.rows)));
  }
};

template <typename T>
struct Forward {
  const RunContext &context;
  const Problem &problem;
  const Blocking &blocking;
  const TileSet<T> &tiles;

  void operator()(int64_t unit, int32_t slot) const {
    const Blocking &b = blocking;
    const int64_t part = unit % b.parts, chunk = unit / b.parts % b.chunks;
    const int64_t group = unit / b.parts / b.chunks % problem.given.groups;
    const int64_t image = unit / b.parts / b.chunks / problem.given.groups;
    const int64_t first = chunk * b.chunk, pixels = smaller(b.chunk, problem.feature_pixels - first);
    const int64_t first_row = part * b.part_panels * b.weights.width;
    const int64_t rows = smaller(b.part_panels * b.weights.width, problem.group_features - first_row);
    const int64_t feature = group * problem.group_features + first_row;

    const ck_operands &operands = *context.operands;
    const T *const source = static_cast<const T *>(operands.image_in) + image * problem.image.batch +
                            group * problem.group_channels * problem.image.channel;
    T *const result = static_cast<T *>(operands.features_out) + image * problem.features.batch +
                      feature * problem.features.channel + first * problem.features.pixel;

    const bool lanes = pixels_in_lanes(problem);
    const Panels pixel_panels = broadcast_panels(pixels, tiles.rows);
    Carver carver(context.scratch + slot * b.slot_bytes);
    const Scratch<T> scratch(problem, b, tiles, &carver);
    Epilogue<T> epilogue;

    for (int64_t k = 0; k < problem.depth; k += b.depth) {
      if (k > 0 && cancelled(*context.host)) return;
      const int64_t depth = smaller(b.depth, problem.depth - k);
      const T *const weights = weight_block<T>(context, group, 0) + part * b.part_panels * b.weight_panel_step;
      const Operand<T> w = {weights + k * b.weights.step, b.weight_panel_step, b.weights.width, b.weights.step};

      Product<T> product;
      if (lanes) {
        pack_patch_rows(problem, source, first, pixels, k, depth, b.pitch, scratch.index, scratch.patches);
        product.a = w;
        product.b = {scratch.patches, tiles.columns, tiles.columns, 0};
        product.rows = rows;
        product.columns = pixels;
        product.c_step = problem.features.channel;
      } else {
        const int64_t panel_step = depth * pixel_panels.step;
        pack_patch_panels(problem, source, first, pixels, k, depth, pixel_panels, panel_step, scratch.index,
                          scratch.patches);
        product.a = {scratch.patches, panel_step, pixel_panels.width, pixel_panels.step};
        product.b = w;
        product.rows = pixels;
        product.columns = rows;
        product.c_step = problem.features.pixel;
      }
      product.b_offsets = b.b_offsets;
      product.depth = depth;
      product.c = result;
      product.continues = k > 0;
      product.epilogue = k + depth == problem.depth ? make_epilogue(context, feature, &epilogue) : nullptr;
      multiply(tiles, product);
    }
  }
};

}  // namespace

template <typename T>
void block_forward(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  Blocking &b = plan->blocking;
  block_chunks(problem, &b);
  b.depth = balanced(problem.depth, tiles.depth);
  plan->weights_bytes = block_weights(problem, tiles, problem.group_features, problem.depth, 1, &b);

  const int64_t whole_units = larger(problem.given.batch, 1) * problem.given.groups * b.chunks;
  const int64_t wanted = larger(ceil_div(slots, whole_units), ceil_div(problem.group_features, kMostPartRows));
  b.part_panels = ceil_div(b.weights.count, clamp(wanted, 1, b.weights.count));
  b.parts = ceil_div(b.weights.count, b.part_panels);
  b.units = problem.given.batch * problem.given.groups * b.chunks * b.parts;

  set_b_offsets(pixels_in_lanes(problem) ? b.pitch : b.weights.step, &b);
  Carver measure(nullptr);
  Scratch<T>(problem, b, tiles, &measure);
  b.slot_bytes = measure.used();
}

template <typename T>
ck_status run_forward(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Forward<T> forward = {context, plan.problem, plan.blocking, tiles_of<T>(*plan.kernels)};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, forward);
}

template void block_forward<float>(ck_plan *, int32_t);
template void block_forward<double>(ck_plan *, int32_t);
template ck_status run_forward<float>(const RunContext &);
template ck_status run_forward<double>(const RunContext &);

}  // namespace convkit
