/* One channel to one channel: a bundle is copied, transformed, multiplied, transformed back and stored while it is in
 * the second-level cache. Its lanes are channels (with factors of their own), or tiles of one channel. */
#include "fft_run.h"

namespace convkit {
namespace {

template <typename T>
struct Depthwise : FftRun<T> {
  using FftRun<T>::f;
  const T *weights;
  FftRound round; /* all channels and tiles; lanes are tiles of one channel unless channels are inner */

  void operator()(int64_t unit, int32_t slot) const {
    const FftBundle<T> b = this->bundle(slot);
    /* Factors, the larger part, are used for all tiles in turn; unless channels share the cache lines of a source. */
    FftRound part = round;
    int64_t bundle = 0, factors = 0, count = f.lanes;
    if (f.source_channels_inner) {
      factors = unit / round.tiles;
      bundle = unit % round.tiles;
      part.first_channel = factors * f.lanes;
      part.channels = smaller(f.lanes, round.channels - part.first_channel);
    } else {
      const int64_t bundles = ceil_div(round.tiles, f.lanes);
      const bool share = this->context.plan->problem.image.channel == 1 && round.channels < f.lanes;
      factors = share ? unit % round.channels : unit / bundles;
      bundle = share ? unit / round.channels : unit % bundles;
      part.first_channel = factors;
      part.channels = 1;
      count = 1;
    }
    this->load(b, part, bundle, false);
    const FftPairs<T> pairs = b.pairs(0, f.pairs);
    const auto filter = count > 1 ? this->kernels.filter_lanes : this->kernels.filter_all;
    filter(&pairs, weights + factors * f.pairs * 4 * count, b.buffers.data);
    this->store(b, part, bundle);
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
  b.slot_bytes = bytes_of<FftBuffers<T>>(f);
}

template <typename T>
ck_status run_fft_depthwise(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const FftForm &f = plan.fft;
  Carver packed(const_cast<char *>(context.weights));
  const FftTables<T> tables(f, &packed);
  const FftRound round = {
      0, plan.problem.given.groups, 0, plan.problem.given.batch * f.tiles, f.source_channels_inner, f.lanes};
  const Depthwise<T> depthwise = {
      {context, tables}, reinterpret_cast<const T *>(context.weights + f.tables_bytes), round};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, depthwise);
}

template void block_fft_depthwise<float>(ck_plan *);
template void block_fft_depthwise<double>(ck_plan *);
template ck_status run_fft_depthwise<float>(const RunContext &);
template ck_status run_fft_depthwise<double>(const RunContext &);

}  // namespace convkit
