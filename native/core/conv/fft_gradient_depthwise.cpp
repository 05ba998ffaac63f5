/* The weight gradient of one channel to one channel: a unit has some channels in lanes, and adds up the products of all
 * tiles of all images by itself. */
#include <string.h>

#include "fft_run.h"

namespace convkit {
namespace {

template <typename T>
struct SumBuffers {
  FftBuffers<T> image;
  T *features, *sums;
  SumBuffers(const FftForm &f, Carver *carver) : image(f, carver) {
    features = carver->take<T>(f.buffer * 2 * f.lanes);
    sums = carver->take<T>(4 * f.pairs * f.lanes);
  }
};

template <typename T>
struct Gradient : FftRun<T> {
  using FftRun<T>::f;
  using FftRun<T>::problem;
  using FftRun<T>::kernels;

  void operator()(int64_t unit, int32_t slot) const {
    Carver carver(this->scratch(slot));
    const SumBuffers<T> buffers(f, &carver);
    FftBuffers<T> second = buffers.image;
    second.data = buffers.features;
    const FftBundle<T> image = this->bundle(buffers.image), features = this->bundle(second);
    const int64_t first = unit * f.lanes, count = smaller(f.lanes, problem.given.groups - first);
    const FftRound round = {first, count, 0, problem.given.batch * f.tiles, true, f.lanes};
    const FftPairs<T> pairs = image.pairs(0, f.pairs);
    memset(buffers.sums, 0, static_cast<size_t>(4 * f.pairs * f.lanes) * sizeof(T));
    for (int64_t tile = 0; tile < round.tiles; ++tile) {
      if (tile > 0 && cancelled(*this->context.host)) return;
      this->load(image, round, tile, false);
      this->load(features, round, tile, true);
      kernels.correlate(&pairs, image.buffers.data, features.buffers.data, buffers.sums);
    }
    kernels.merge(&pairs, buffers.sums, image.buffers.data);
    const auto &w = problem.weights;
    this->store_gradient(image, w.origin + first * w.feature, w.feature, count);
  }
};

}  // namespace

template <typename T>
void block_fft_depthwise_gradient(ck_plan *plan) {
  Blocking &b = plan->blocking;
  b.units = ceil_div(plan->problem.given.groups, plan->fft.lanes);
  b.slot_bytes = bytes_of<SumBuffers<T>>(plan->fft);
  b.shared_bytes = plan->fft.tables_bytes;
}

template <typename T>
ck_status run_fft_depthwise_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  Carver shared(context.shared);
  const FftTables<T> tables(plan.fft, &shared);
  tables.fill(plan.fft, *context.host);
  const Gradient<T> gradient = {{context, tables}};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, gradient);
}

template void block_fft_depthwise_gradient<float>(ck_plan *);
template void block_fft_depthwise_gradient<double>(ck_plan *);
template ck_status run_fft_depthwise_gradient<float>(const RunContext &);
template ck_status run_fft_depthwise_gradient<double>(const RunContext &);

}  // namespace convkit
