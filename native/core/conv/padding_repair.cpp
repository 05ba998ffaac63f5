#include "padding_repair.h"

namespace convkit {
namespace {

template <typename T>
bool is_nan(T x) {
  return x != x;  // NOLINT(misc-redundant-expression): true for NaN alone
}

template <typename T>
bool is_finite(T x) {
  return !is_nan(x * 0);
}

template <typename T>
struct Repair {
  const Problem &problem;
  const ck_operands &operands;
  Run *runs;

  const T *features_of(int64_t image, int64_t feature) const {
    return static_cast<const T *>(operands.features_in) + image * problem.features.batch +
           feature * problem.features.channel;
  }

  /* Calls visit(feature value, offset of the image element or kZeros) for each pixel of each image. */
  template <typename Visit>
  void for_each_pixel(int64_t feature, int64_t tap, const Visit &visit) const {
    const int64_t step = run_step(problem);
    for (int64_t image = 0; image < problem.given.batch; ++image) {
      const T *const values = features_of(image, feature);
      for (int64_t first = 0; first < problem.feature_pixels; first += kChunk) {
        const int64_t count = smaller(kChunk, problem.feature_pixels - first);
        const int32_t listed = list_runs(problem, tap, first, count, runs);
        for (int32_t r = 0; r < listed; ++r) {
          for (int32_t i = 0; i < runs[r].count; ++i) {
            const T value = values[(first + runs[r].column + i) * problem.features.pixel];
            const bool padding = runs[r].source == kZeros;
            visit(value, padding ? kZeros : image * problem.image.batch + runs[r].source + i * step);
          }
        }
      }
    }
  }

  /* The padding made a NaN unless a NaN of the features meets the image anyway. */
  bool needed(int64_t feature, int64_t tap) const {
    bool in_padding = false, nan_in_image = false;
    for_each_pixel(feature, tap, [&](T value, int64_t source) {
      if (source == kZeros) {
        in_padding = in_padding || !is_finite(value);
      } else {
        nan_in_image = nan_in_image || is_nan(value);
      }
    });
    return in_padding && !nan_in_image;
  }

  T sum(int64_t feature, int64_t tap, int64_t channel) const {
    const T *const plane = static_cast<const T *>(operands.image_in) + channel * problem.image.channel;
    T total = 0;
    for_each_pixel(feature, tap, [&](T value, int64_t source) {
      if (source != kZeros) total += value * plane[source];
    });
    return total;
  }
};

}  // namespace

/* Without a branch inside, so that compilers use vectors: this is all that finite operands pay. */
template <typename T>
bool any_nan(const T *x, int64_t count) {
  int32_t found = 0;
  for (int64_t i = 0; i < count; ++i) found |= is_nan(x[i]);
  return found != 0;
}

template <typename T>
bool any_non_finite(const T *x, int64_t count) {
  int32_t found = 0;
  for (int64_t i = 0; i < count; ++i) found |= is_nan(x[i] * 0);
  return found != 0;
}

template <typename T>
void repair_padding(const RunContext &context, int64_t feature, int64_t features, const ColumnBlock &block,
                    const SumSteps &steps, Run *runs, T *sums) {
  const Problem &problem = context.plan->problem;
  const Repair<T> repair = {problem, *context.operands, runs};
  for (int64_t f = 0; f < features; ++f) {
    const bool joined = steps.channel == 1 && steps.tap == block.channels;
    if (joined && !any_nan(sums + f * steps.feature, block.rows())) continue;
    const int64_t group = (feature + f) / problem.group_features;
    for (int64_t t = 0; t < block.taps; ++t) {
      if (cancelled(*context.host)) return;
      T *const row = sums + f * steps.feature + t * steps.tap;
      bool known = false, wanted = false;
      for (int64_t c = 0; c < block.channels; ++c) {
        T *const sum = row + c * steps.channel;
        if (!is_nan(*sum)) continue;
        if (!known) wanted = repair.needed(feature + f, block.first_tap + t);
        known = true;
        if (!wanted || cancelled(*context.host)) break;
        *sum = repair.sum(feature + f, block.first_tap + t, group * problem.group_channels + block.first_channel + c);
      }
    }
  }
}

#define CONVKIT_INSTANTIATE(T)                                                                                     \
  template void repair_padding(const RunContext &, int64_t, int64_t, const ColumnBlock &, const SumSteps &, Run *, \
                               T *);                                                                               \
  template bool any_nan(const T *, int64_t);                                                                       \
  template bool any_non_finite(const T *, int64_t);
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
