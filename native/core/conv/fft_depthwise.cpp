/* One channel to one channel: a bundle is copied, transformed, multiplied, transformed back and stored while it is in
 * the second-level cache. Its lanes are channels (with factors of their own), or tiles of one channel. */
#include "fft_epilogue.h"
#include "fft_sequences.h"
#include "plan.h"

namespace convkit {
namespace {

template <typename T>
struct Depthwise {
  const RunContext &context;
  const Problem &problem;
  const FftForm &f;
  const FftSet<T> &kernels;
  const TileSet<T> &tiles;
  FftTables<T> tables;
  const T *weights;
  FftRound round; /* all channels and tiles; lanes are tiles of one channel unless channels are inner */

  void operator()(int64_t unit, int32_t slot) const {
    const ck_plan &plan = *context.plan;
    Carver carver(context.scratch + slot * plan.blocking.slot_bytes);
    const FftBundle<T> b = {f, kernels, tables, FftBuffers<T>(f, &carver)};
    /* Factors, the larger part, are used for all tiles in turn. */
    FftRound part = round;
    int64_t bundle = 0, factors = 0, count = f.lanes;
    if (f.source_channels_inner) {
      factors = unit / round.tiles;
      bundle = unit % round.tiles;
      part.first_channel = factors * f.lanes;
      part.channels = smaller(f.lanes, round.channels - part.first_channel);
    } else {
      const int64_t bundles = ceil_div(round.tiles, f.lanes);
      factors = unit / bundles;
      bundle = unit % bundles;
      part.first_channel = factors;
      part.channels = 1;
      count = 1;
    }
    FftLanes lanes;
    int64_t filled[3], valid[3];
    fft_extents(f, filled, valid);
    fft_lanes(problem, f, part, bundle, false, &lanes);
    const ck_operands &o = *context.operands;
    b.load(lanes, filled, static_cast<const T *>(f.adjoint ? o.features_in : o.image_in));
    const FftPairs<T> pairs = b.pairs(0, f.pairs);
    (count > 1 ? kernels.filter_lanes : kernels.filter_all)(&pairs, weights + factors * f.pairs * 4 * count,
                                                            b.buffers.data);
    fft_lanes(problem, f, part, bundle, true, &lanes);
    const FftEpilogue<T> epilogue(context, part, bundle);
    b.store(lanes, valid, static_cast<T *>(f.adjoint ? o.image_out : o.features_out),
            [&](T *data, int64_t rows) { epilogue.finish(tiles, data, rows); });
  }
};

}  // namespace

template <typename T>
void block_fft_depthwise(ck_plan *plan) {
  const Problem &problem = plan->problem;
  FftForm &f = plan->fft;
  const int64_t channels = problem.given.groups, tiles = larger(problem.given.batch, 1) * f.tiles;
  const int64_t inner = ceil_div(channels, f.lanes) * f.tiles, outer = channels * ceil_div(f.tiles, f.lanes);
  f.source_channels_inner = f.result_channels_inner =
      inner < outer || (inner == outer && problem.given.layout == CK_CHANNELS_LAST);
  const int64_t filters = f.source_channels_inner ? round_up(channels, f.lanes) : channels;
  plan->weights_bytes = f.tables_bytes + filters * 4 * f.pairs * static_cast<int64_t>(sizeof(T));
  Blocking &b = plan->blocking;
  b.units = f.source_channels_inner ? ceil_div(channels, f.lanes) * tiles : channels * ceil_div(tiles, f.lanes);
  if (problem.given.batch == 0) b.units = 0;
  Carver buffers(nullptr);
  FftBuffers<T>(f, &buffers);
  b.slot_bytes = buffers.used();
}

template <typename T>
ck_status run_fft_depthwise(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const FftForm &f = plan.fft;
  Carver packed(const_cast<char *>(context.weights));
  const FftTables<T> tables(f, &packed);
  const FftRound round = {
      0, plan.problem.given.groups, 0, plan.problem.given.batch * f.tiles, f.source_channels_inner, f.lanes};
  const Depthwise<T> depthwise = {context,
                                  plan.problem,
                                  f,
                                  fft_of<T>(*plan.kernels),
                                  tiles_of<T>(*plan.kernels),
                                  tables,
                                  reinterpret_cast<const T *>(context.weights + f.tables_bytes),
                                  round};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, depthwise);
}

template void block_fft_depthwise<float>(ck_plan *);
template void block_fft_depthwise<double>(ck_plan *);
template ck_status run_fft_depthwise<float>(const RunContext &);
template ck_status run_fft_depthwise<double>(const RunContext &);

}  // namespace convkit
