/* Weight gradient: a unit is some feature channels, each over all images in their order. Each tap has a vector of sums,
 * whose lanes go by the column within the band; they are added up at the end as a tree. Neither threads nor instruction
 * sets change the order. Products with padding are made, and repaired where they matter (padding_repair.h). */
#include <string.h>

#include "depthwise.h"
#include "padding_repair.h"

namespace convkit {
namespace {

constexpr int64_t kSumBytes = 64;

template <typename T>
struct Scratch {
  T *grid, *sums, *result;
  int64_t *columns;
  Run *runs;

  Scratch(const Problem &problem, const DepthwiseForm &f, Carver *carver) {
    grid = carver->take<T>(depthwise_grid(f) + kDepthwiseSlack);
    const int64_t taps = f.axes[0].taps * f.axes[1].taps * f.axes[2].taps;
    sums = carver->take<T>(taps * kSumBytes / static_cast<int64_t>(sizeof(T)));
    result = carver->take<T>(problem.taps);
    columns = carver->take<int64_t>(f.axes[2].taps);
    runs = carver->take<Run>(kChunk);
  }
};

template <typename T>
struct Gradient {
  static constexpr int64_t lanes = kSumBytes / static_cast<int64_t>(sizeof(T));
  const RunContext &context;
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;

  void operator()(int64_t unit, int32_t slot) const {
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(problem, f, &carver);
    list_columns(f, 0, scratch.columns);
    const int64_t first = unit * f.channel_block;
    const int64_t last = smaller(first + f.channel_block, problem.given.feature_channels);
    if (f.bands[0] * f.bands[1] * f.bands[2] == 1) {
      const DepthwiseBand band = depthwise_band(f, 0);
      const DepthwiseSource<T> source(problem.given.padding_mode, f, band, kernels, scratch.grid, 1);
      run(first, last, scratch,
          [&](int64_t image, int64_t feature) { add_band(band, source, image, feature, scratch); });
      return;
    }
    run(first, last, scratch, [&](int64_t image, int64_t feature) { add_bands(image, feature, scratch); });
  }

  /* Each feature from the first to before the last; `add` adds what an image has for it. */
  template <typename Add>
  void run(int64_t first, int64_t last, const Scratch<T> &scratch, const Add &add) const {
    const size_t used = static_cast<size_t>(f.axes[0].taps * f.axes[1].taps * f.axes[2].taps);
    for (int64_t feature = first; feature < last; ++feature) {
      memset(scratch.sums, 0, used * kSumBytes);
      for (int64_t image = 0; image < problem.given.batch; ++image) {
        if (cancelled(*context.host)) return;
        add(image, feature);
      }
      finish(feature, scratch);
    }
  }

  void add_bands(int64_t image, int64_t feature, const Scratch<T> &scratch) const {
    const int64_t bands = f.bands[0] * f.bands[1] * f.bands[2];
    for (int64_t number = 0; number < bands; ++number) {
      if (cancelled(*context.host)) return;
      const DepthwiseBand band = depthwise_band(f, number);
      if (band.count[0] <= 0 || band.count[1] <= 0 || band.count[2] <= 0) continue;
      const DepthwiseSource<T> source(problem.given.padding_mode, f, band, kernels, scratch.grid, 1);
      add_band(band, source, image, feature, scratch);
    }
  }

  void add_band(const DepthwiseBand &band, const DepthwiseSource<T> &source, int64_t image, int64_t feature,
                const Scratch<T> &scratch) const {
    const ck_operands &o = *context.operands;
    const T *const view = source.view(static_cast<const T *>(o.image_in) + image * problem.image.batch +
                                          feature / f.multiplier * problem.image.channel,
                                      0);
    const T *const features =
        static_cast<const T *>(o.features_in) + image * problem.features.batch + feature * problem.features.channel;
    const DirectAxis &az = f.axes[0], &ay = f.axes[1], &ax = f.axes[2];
    const DepthwiseRows rz = depthwise_rows(az, phase_taps(az, 0)), ry = depthwise_rows(ay, phase_taps(ay, 0));
    DepthwiseGradientCall<T> call = {};
    call.features_step = ax.result;
    call.source_step = band.count[1] > 1 ? ry.position_step * source.pitch : 0; /* a lone row may have any stride */
    call.tap_step = ry.tap_step * source.pitch;
    call.rows = band.count[1];
    call.width = band.count[2];
    call.sums_step = ax.taps * lanes;
    for (int64_t z = 0; z < band.count[0]; ++z) {
      call.features = features + ((band.first[0] + z) * ay.result + band.first[1]) * ax.result + band.first[2];
      for (int64_t kz = 0; kz < az.taps; ++kz) {
        const T *const plane = view + rz.at(z, kz) * source.plane;
        int64_t taps_y, taps_x;
        for (int64_t ky = 0; ky < ay.taps; ky += taps_y) {
          taps_y = smaller(ay.taps - ky, kGradientTaps);
          for (int64_t kx = 0; kx < ax.taps; kx += taps_x) {
            taps_x = smaller(ax.taps - kx, taps_y > 1 ? kernels.gradient_columns : kGradientTaps);
            call.source = plane + ry.at(0, ky) * source.pitch;
            call.columns = scratch.columns + kx;
            call.sums = scratch.sums + ((kz * ay.taps + ky) * ax.taps + kx) * lanes;
            kernels.gradients[taps_y - 1][taps_x - 1](&call);
          }
        }
      }
    }
  }

  /* sum[0] += sum[1] + ...: the upper half to the lower one, and so on. */
  template <int64_t HALF>
  static void add_halves(T *sum) {
    if constexpr (HALF > 0) {
      for (int64_t i = 0; i < HALF; ++i) sum[i] += sum[i + HALF];
      add_halves<HALF / 2>(sum);
    }
  }

  /* Taps outside the trimmed kernel lie in the padding alone. */
  void finish(int64_t feature, const Scratch<T> &scratch) const {
    const int64_t *const k = problem.given.kernel;
    for (int64_t t = 0; t < problem.taps; ++t) scratch.result[t] = 0;
    T *sum = scratch.sums;
    for (int64_t z = 0; z < f.axes[0].taps; ++z) {
      for (int64_t y = 0; y < f.axes[1].taps; ++y) {
        for (int64_t x = 0; x < f.axes[2].taps; ++x, sum += lanes) {
          add_halves<lanes / 2>(sum);
          const int64_t row = (f.axes[0].first_tap + z) * k[1] + f.axes[1].first_tap + y;
          scratch.result[row * k[2] + f.axes[2].first_tap + x] = *sum;
        }
      }
    }
    ColumnBlock block;
    block.first_channel = block.first_tap = 0;
    block.channels = 1;
    block.taps = problem.taps;
    repair_padding(context, feature, 1, block, {problem.taps, 1, 1}, scratch.runs, scratch.result);
    const auto &w = problem.weights;
    T *const out = static_cast<T *>(context.operands->weight_gradient) + w.origin + feature * w.feature;
    for (int64_t t = 0; t < problem.taps; ++t) out[t * w.tap] = scratch.result[t];
  }
};

}  // namespace

template <typename T>
int64_t depthwise_gradient_scratch(const Problem &problem, const DepthwiseForm &f) {
  return bytes_of<Scratch<T>>(problem, f);
}

template <typename T>
ck_status run_depthwise_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Gradient<T> gradient = {context, plan.problem, plan.depthwise, depthwise_of<T>(*plan.kernels)};
  return for_each_unit(*context.host, plan.blocking.units, plan.small, gradient);
}

template int64_t depthwise_gradient_scratch<float>(const Problem &, const DepthwiseForm &);
template int64_t depthwise_gradient_scratch<double>(const Problem &, const DepthwiseForm &);
template ck_status run_depthwise_gradient<float>(const RunContext &);
template ck_status run_depthwise_gradient<double>(const RunContext &);

}  // namespace convkit
