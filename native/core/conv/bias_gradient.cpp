/* Bias gradient: out[c] = sum over batch and positions, in float64 and one fixed order.
 *
 * Channels first, eight running sums take the positions in turn, so that additions need not wait for each
 * other; they are joined at the end. Channels last, neighbouring channels are summed side by side. */
#include "../util/host.h"

namespace convkit {
namespace {

constexpr int64_t kLanes = 8;     /* running sums of one channel */
constexpr int64_t kChannels = 64; /* channels last: of one unit */
/* Elements read between two looks at a cancellation: a tenth of a millisecond. A whole number of kLanes. */
constexpr int64_t kRead = 1 << 18;

template <typename T>
struct BiasGradient {
  const ck_runtime &host;
  int32_t layout;
  int64_t batch, channels, positions;
  const T *gradient;
  T *out;

  int64_t units() const { return layout == CK_CHANNELS_FIRST ? channels : ceil_div(channels, kChannels); }

  void operator()(int64_t unit, int32_t) const {
    if (layout == CK_CHANNELS_FIRST) return sum_channel(unit);
    sum_channels(unit * kChannels, smaller(kChannels, channels - unit * kChannels));
  }

  void sum_channel(int64_t channel) const {
    double sums[kLanes] = {0, 0, 0, 0, 0, 0, 0, 0};
    const int64_t whole = positions - positions % kLanes, samples = larger(kRead / positions, 1);
    for (int64_t n = 0; n < batch; ++n) {
      if (n % samples == 0 && cancelled(host)) return;
      const T *const x = gradient + (n * channels + channel) * positions;
      for (int64_t begin = 0; begin < whole; begin += kRead) {
        if (begin > 0 && cancelled(host)) return;
        for (int64_t i = begin; i < smaller(begin + kRead, whole); i += kLanes) {
          for (int64_t j = 0; j < kLanes; ++j) sums[j] += static_cast<double>(x[i + j]);
        }
      }
      for (int64_t i = whole; i < positions; ++i) sums[i - whole] += static_cast<double>(x[i]);
    }
    const double even = (sums[0] + sums[4]) + (sums[2] + sums[6]), odd = (sums[1] + sums[5]) + (sums[3] + sums[7]);
    out[channel] = static_cast<T>(even + odd);
  }

  void sum_channels(int64_t first, int64_t count) const {
    double sums[kChannels] = {0};
    constexpr int64_t part = kRead / kChannels;
    for (int64_t begin = 0; begin < batch * positions; begin += part) {
      if (cancelled(host)) return;
      for (int64_t i = begin; i < smaller(begin + part, batch * positions); ++i) {
        const T *const x = gradient + i * channels + first;
        for (int64_t c = 0; c < count; ++c) sums[c] += static_cast<double>(x[c]);
      }
    }
    for (int64_t c = 0; c < count; ++c) out[first + c] = static_cast<T>(sums[c]);
  }
};

template <typename T>
ck_status run(const ck_runtime &host, int32_t layout, int64_t batch, int64_t channels, int64_t positions,
              const void *gradient, void *out) {
  const BiasGradient<T> sum = {
      host, layout, batch, channels, positions, static_cast<const T *>(gradient), static_cast<T *>(out)};
  const bool small = batch * channels * positions < (1 << 18);
  return for_each_unit(host, sum.units(), small, sum);
}

}  // namespace
}  // namespace convkit

extern "C" ck_status ck_bias_gradient(const ck_runtime *runtime, ck_type type, ck_layout layout, int64_t batch,
                                      int64_t channels, int64_t positions, const void *gradient, void *out) {
  using namespace convkit;
  constexpr int64_t most = INT64_C(1) << 32;
  if (!runtime || !out || batch < 0 || channels < 1 || positions < 1) return CK_INVALID;
  if (!gradient && batch > 0) return CK_INVALID;
  if (layout != CK_CHANNELS_FIRST && layout != CK_CHANNELS_LAST) return CK_INVALID;
  int64_t elements = larger(batch, 1);
  if (!multiply_within(&elements, channels, most) || !multiply_within(&elements, positions, most)) return CK_INVALID;
  const FloatEnvironment environment;
  if (positions == 1) layout = CK_CHANNELS_LAST; /* the same memory, and longer runs */
  switch (type) {
    case CK_FLOAT32:
      return run<float>(*runtime, layout, batch, channels, positions, gradient, out);
    case CK_FLOAT64:
      return run<double>(*runtime, layout, batch, channels, positions, gradient, out);
  }
  return CK_INVALID;
}
