/* Channels last: weights[tap][channel][feature], features in lanes.
 *
 *     forward           features[pixel] += sum over channels of image[pixel, tap][channel] * weights[tap][channel]
 *     weight gradient   weights[tap][channel] = sum over pixels of image[pixel, tap][channel] * features[pixel]
 *
 * Features and weights are read and written as they lie. Taps in the padding are left out: forward, where they lie
 * there for all pixels. A unit is, forward, a block of features of a set of images; of the gradient, a block of
 * channels under one tap. */
#include "../gemm/copy.h"
#include "few_pixels_unit.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int64_t kFewestFeatures = 64; /* of a unit: each packs all pixels */
constexpr int64_t kMostSums = 1 << 17;  /* of a unit, which stay in the second-level cache */

template <typename T>
struct ForwardScratch {
  Run *runs;
  int64_t *sources; /* of the pixels, or kZeros */
  RowsScratch<T> rows;

  ForwardScratch(const Problem &problem, const FewPixelsForm &f, Carver *carver)
      : runs(carver->take<Run>(kChunk)),
        sources(carver->take<int64_t>(f.images * problem.feature_pixels)),
        rows(f, f.images * problem.feature_pixels, carver) {}
};

template <typename T>
struct Forward : FewPixels<T> {
  using FewPixels<T>::context;
  using FewPixels<T>::problem;
  using FewPixels<T>::f;

  explicit Forward(const RunContext &run) : FewPixels<T>(run) {}

  void operator()(int64_t number, int32_t slot) const {
    const ck_operands &operands = *context.operands;
    const auto &w = problem.weights;
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const ForwardScratch<T> scratch(problem, f, &carver);
    const int64_t part = number % f.channel_blocks, rest = number / f.channel_blocks;
    const int64_t group = rest % problem.given.groups, image = rest / problem.given.groups * f.images;
    const int64_t first = part * f.channel_block, images = smaller(f.images, problem.given.batch - image);
    const int64_t feature = group * problem.group_features + first;
    const T *const source =
        static_cast<const T *>(operands.image_in) + image * problem.image.batch + group * problem.group_channels;
    Epilogue<T> epilogue;
    const Epilogue<T> *const finish = make_epilogue(context, feature, &epilogue);

    WeightRows<T> rows = {};
    rows.count = images * problem.feature_pixels;
    rows.pixels = scratch.rows.pixels;
    rows.panels = broadcast_panels(rows.count, static_cast<int32_t>(f.height));
    rows.step = w.channel;
    rows.columns = smaller(f.channel_block, problem.group_features - first);
    rows.sums = static_cast<T *>(operands.features_out) + image * problem.features.batch + feature;
    rows.sums_step = problem.features.pixel;
    for (int64_t tap = 0; tap < problem.taps; ++tap) {
      const bool last_tap = tap + 1 == problem.taps;
      if (!list_sources(tap, images, scratch) && tap > 0 && !last_tap) continue; /* in the padding */
      for (int64_t channel = 0; channel < problem.group_channels; channel += f.depth) {
        if (cancelled(*context.host)) return;
        rows.depth = smaller(f.depth, problem.group_channels - channel);
        pack(rows, source + channel, scratch);
        rows.weights =
            static_cast<const T *>(operands.weights) + w.origin + tap * w.tap + channel * w.channel + feature;
        rows.more = channel + rows.depth < problem.group_channels;
        rows.epilogue = last_tap && !rows.more ? finish : nullptr;
        this->multiply_rows(rows, scratch.rows);
        rows.continues = true;
      }
    }
  }

  /* Whether any pixel has an image under the tap. */
  bool list_sources(int64_t tap, int64_t images, const ForwardScratch<T> &scratch) const {
    bool any = false;
    const int32_t runs = list_runs(problem, tap, 0, problem.feature_pixels, scratch.runs);
    for (int64_t i = 0; i < images; ++i) {
      for (int32_t r = 0; r < runs; ++r) {
        const Run &run = scratch.runs[r];
        const bool zeros = run.source == kZeros;
        any = any || !zeros;
        for (int32_t p = 0; p < run.count; ++p) {
          scratch.sources[i * problem.feature_pixels + run.column + p] =
              zeros ? kZeros : i * problem.image.batch + run.source + p * run_step(problem);
        }
      }
    }
    return any;
  }

  /* [panel][channel][pixel] */
  void pack(const WeightRows<T> &rows, const T *source, const ForwardScratch<T> &scratch) const {
    const Panels &panels = rows.panels;
    for (int64_t p = 0; p < rows.count; ++p) {
      const int64_t at = scratch.sources[p];
      T *const out = scratch.rows.pixels + p / panels.width * rows.depth * panels.step + p % panels.width;
      for (int64_t k = 0; k < rows.depth; ++k) out[k * panels.step] = at == kZeros ? T(0) : source[at + k];
    }
  }
};

template <typename T>
struct Scratch {
  Run *runs;
  int64_t *offsets, *sources; /* of the pixels that are not in the padding: of features, of the image */
  T *panel;

  Scratch(const FewPixelsForm &f, Carver *carver) {
    runs = carver->take<Run>(kChunk);
    offsets = carver->take<int64_t>(kMostDepth);
    sources = carver->take<int64_t>(kMostDepth);
    panel = carver->take<T>(kMostDepth * round_up(f.height, 4));
  }
};

template <typename T>
struct Gradient : FewPixels<T> {
  using FewPixels<T>::context;
  using FewPixels<T>::problem;
  using FewPixels<T>::f;

  explicit Gradient(const RunContext &run) : FewPixels<T>(run) {}

  void operator()(int64_t unit, int32_t slot) const {
    const ck_operands &operands = *context.operands;
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(f, &carver);
    const int64_t tap = unit % problem.taps, part = unit / problem.taps, group = part / f.channel_blocks;
    const int64_t first = part % f.channel_blocks * f.channel_block;
    const int64_t end = smaller(first + f.channel_block, problem.group_channels);
    const auto &w = problem.weights;
    T *const weights =
        static_cast<T *>(operands.weight_gradient) + w.origin + group * problem.group_features + tap * w.tap;
    const T *const image = static_cast<const T *>(operands.image_in) + group * problem.group_channels;

    TileCall<T> call = {};
    call.b = by_table<T>(scratch.offsets);
    call.depth = list_terms(tap, scratch);
    call.period = larger(call.depth, 1);
    call.c_step = w.channel;
    for (int64_t channel = first; channel < end; channel += f.height) {
      if (channel > first && cancelled(*context.host)) return;
      const int64_t rows = smaller(f.height, end - channel), step = round_up(rows, 4);
      for (int64_t k = 0; k < call.depth; ++k) {
        copy_run(image + scratch.sources[k] + channel, rows, scratch.panel + k * step);
      }
      call.a = by_step<T>(step);
      call.a.at = scratch.panel;
      call.b.at = static_cast<const T *>(operands.features_in) + group * problem.group_features;
      call.c = weights + channel * w.channel;
      this->write_rows(call, rows, problem.group_features);
    }
  }

  /* Image by image, pixel by pixel; returns how many. */
  int64_t list_terms(int64_t tap, const Scratch<T> &scratch) const {
    int64_t count = 0;
    const int32_t runs = list_runs(problem, tap, 0, problem.feature_pixels, scratch.runs);
    for (int64_t i = 0; i < problem.given.batch; ++i) {
      for (int32_t r = 0; r < runs; ++r) {
        const Run &run = scratch.runs[r];
        for (int32_t p = 0; p < run.count && run.source != kZeros; ++p) {
          scratch.offsets[count] = i * problem.features.batch + (run.column + p) * problem.features.pixel;
          scratch.sources[count++] = i * problem.image.batch + run.source + p * run_step(problem);
        }
      }
    }
    return count;
  }
};

}  // namespace

template <typename T>
void block_few_pixels_last(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  FewPixelsForm &f = plan->few_pixels;
  Blocking &b = plan->blocking;
  if (plan->pass == CK_FORWARD) {
    const int64_t share = ceil_div(problem.group_features, slots);
    f.depth = balanced(problem.group_channels, tiles_of<T>(*plan->kernels).depth);
    const int64_t fitting = kMostSums / (f.images * problem.feature_pixels) / kWholeVectors * kWholeVectors;
    f.channel_block = smaller(smaller(round_up(share, kFewestFeatures), fitting), problem.group_features);
    f.channel_blocks = ceil_div(problem.group_features, f.channel_block);
    f.units = ceil_div(problem.given.batch, f.images) * problem.given.groups * f.channel_blocks;
    b.slot_bytes = larger(b.slot_bytes, bytes_of<ForwardScratch<T>>(problem, f));
    return;
  }
  const int64_t wanted = ceil_div(problem.group_channels, ceil_div(4 * static_cast<int64_t>(slots), problem.taps));
  f.channel_block = clamp(round_up(wanted, f.height), 1, problem.group_channels);
  f.channel_blocks = ceil_div(problem.group_channels, f.channel_block);
  f.units = problem.taps * problem.given.groups * f.channel_blocks;
  b.slot_bytes = larger(b.slot_bytes, bytes_of<Scratch<T>>(f));
}

template <typename T>
ck_status run_few_pixels_last(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  if (plan.pass == CK_FORWARD) {
    const Forward<T> forward(context);
    return for_each_unit(*context.host, plan.few_pixels.units, plan.small, forward);
  }
  const Gradient<T> gradient(context);
  return for_each_unit(*context.host, plan.few_pixels.units, plan.small, gradient);
}

template void block_few_pixels_last<float>(ck_plan *, int32_t);
template void block_few_pixels_last<double>(ck_plan *, int32_t);
template ck_status run_few_pixels_last<float>(const RunContext &);
template ck_status run_few_pixels_last<double>(const RunContext &);

}  // namespace convkit
