/* Depthwise with blocks of channels in maps of their own, all of it within the second-level cache. Channels first:
 * small maps, whose rows leave lanes empty, are turned, so that channels fill the lanes, and results turned back:
 *
 *     channels x pixels  -->  pixels x channels  -->  results x channels  -->  channels x results
 *
 * Channels last: where pixels are a multiple of some KiB apart, those under a tile fall onto the same sets of the first
 * level, and push each other out: so source and results are copied. */
#include "../gemm/move_block.h"
#include "depthwise_last_rows.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int64_t kMostChannels = 128; /* of a block */
constexpr int64_t kBlockUnitsOfSlot = 4;

template <typename T>
struct Scratch {
  T *source, *result;
  LastTables<T> tables;

  Scratch(const Problem &problem, const DepthwiseForm &f, bool adjoint, Carver *carver)
      : source(carver->take<T>(f.channel_block * (adjoint ? problem.feature_pixels : problem.image_pixels))),
        result(carver->take<T>(f.channel_block * (adjoint ? problem.image_pixels : problem.feature_pixels))),
        tables(problem, f, adjoint, carver) {}
};

/* A block of channels of an image. */
template <typename T>
void run_unit(const RunContext &context, int64_t unit, int32_t slot) {
  const Problem &problem = context.plan->problem;
  const DepthwiseForm &f = context.plan->depthwise;
  const bool adjoint = context.plan->pass == CK_ADJOINT;
  const int64_t image = unit / f.channel_blocks, first = unit % f.channel_blocks * f.channel_block;
  const int64_t channels = smaller(f.channel_block, problem.given.groups - first);
  const Flow<T> flow(context);
  const T *const source = flow.source + image * flow.in.batch + first * flow.in.channel;
  T *const result = flow.result + image * flow.out.batch + first * flow.out.channel;

  Problem part = problem;
  part.given.layout = CK_CHANNELS_LAST;
  part.given.groups = part.given.image_channels = part.given.feature_channels = channels;
  part.image.channel = part.features.channel = 1;
  part.image.pixel = part.features.pixel = f.channel_block;
  Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
  const Scratch<T> scratch(problem, f, adjoint, &carver);
  Epilogue<T> epilogue;
  const Epilogue<T> *const finish = make_epilogue(context, first, &epilogue);
  epilogue.channels_in_lanes = 1;
  const T *const weights = reinterpret_cast<const T *>(context.weights) + first;

  const int64_t in_pixels = adjoint ? problem.feature_pixels : problem.image_pixels;
  const int64_t out_pixels = adjoint ? problem.image_pixels : problem.feature_pixels;
  if (flow.in.pixel == 1) {
    const int64_t ahead = 16 * flow.in.channel; /* what it turns next */
    turn_block(channels, in_pixels, source, flow.in.channel, scratch.source, f.channel_block, ahead);
  } else {
    move_block(in_pixels, channels, source, flow.in.pixel, 1, scratch.source, f.channel_block, 1);
  }
  const int64_t *const size = adjoint ? problem.given.image : problem.given.features;
  for (int64_t z = 0; z < size[0]; ++z) {
    for (int64_t y = 0; y < size[1]; ++y) {
      if (cancelled(*context.host)) return;
      cover_last_row<T>(context, part, scratch.tables,
                        {z, y, 0, f.band[2], scratch.source, weights, scratch.result, finish});
    }
  }
  move_block(out_pixels, channels, scratch.result, f.channel_block, 1, result, flow.out.pixel, flow.out.channel);
}

}  // namespace

template <typename T>
void block_depthwise_blocks(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const ck_problem &p = problem.given;
  const bool adjoint = plan->pass == CK_ADJOINT;
  DepthwiseForm &f = plan->depthwise;
  const int64_t pixels = larger(problem.image_pixels, problem.feature_pixels);
  const int64_t most = clamp(kBlockBytes / element_bytes(problem) / pixels, kDepthwiseLanes, kMostChannels);
  f.merged = 1;
  f.band[2] = adjoint ? ceil_div(p.image[2], p.stride[2]) : p.features[2];
  f.pitch = round_up(p.groups, kDepthwiseLanes);
  const int64_t share = slots > 1 ? ceil_div(p.groups * larger(p.batch, 1), kBlockUnitsOfSlot * slots) : p.groups;
  f.channel_block = round_up(balanced(p.groups, smaller(most, share)), kDepthwiseLanes);
  f.channel_blocks = ceil_div(p.groups, f.channel_block);
  plan->blocking.units = p.batch * f.channel_blocks;
  plan->weights_bytes = problem.taps * f.pitch * static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = bytes_of<Scratch<T>>(problem, f, adjoint);
}

template <typename T>
ck_status run_depthwise_blocks(const RunContext &context) {
  const auto body = [&](int64_t unit, int32_t slot) { run_unit<T>(context, unit, slot); };
  return for_each_unit(*context.host, context.plan->blocking.units, context.plan->small, body);
}

template void block_depthwise_blocks<float>(ck_plan *, int32_t);
template void block_depthwise_blocks<double>(ck_plan *, int32_t);
template ck_status run_depthwise_blocks<float>(const RunContext &);
template ck_status run_depthwise_blocks<double>(const RunContext &);

}  // namespace convkit
