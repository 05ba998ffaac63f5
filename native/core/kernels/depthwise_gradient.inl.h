/* The weight gradient of depthwise convolutions, channels first (contract in kernel_table.h). */

/* Sums of TAPS_Y x TAPS_X taps over some rows. A sum is 64 bytes, in one vector or several, on every instruction set.
 */
template <class V, int TAPS_Y, int TAPS_X>
void depthwise_gradient(const DepthwiseGradientCall<typename V::Element> *call) {
  using T = typename V::Element;
  constexpr int lanes = 64 / int(sizeof(T)), parts = lanes / V::lanes;
  V sum[TAPS_Y * TAPS_X][parts];
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
    T *const at = call->sums + (t / TAPS_X) * call->sums_step + t % TAPS_X * lanes;
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) sum[t][v] = V::load(at + v * V::lanes);
  }
  for (int64_t y = 0; y < call->rows; ++y) {
    const T *const features = call->features + y * call->features_step;
    const T *const source = call->source + y * call->source_step;
    int64_t x = 0;
    for (; x + lanes <= call->width; x += lanes) {
      CONVKIT_UNROLL
      for (int v = 0; v < parts; ++v) {
        const V feature = V::load(features + x + v * V::lanes);
        CONVKIT_UNROLL
        for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
          const T *const from = source + x + t / TAPS_X * call->tap_step + call->columns[t % TAPS_X];
          sum[t][v] = V::multiply_add(feature, V::load(from + v * V::lanes), sum[t][v]);
        }
      }
    }
    /* The rest: both operands are cut, since what lies behind the rows may be anything. */
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) {
      const int64_t left = call->width - x - v * V::lanes;
      if (left > 0) {
        const int32_t count = left < V::lanes ? int32_t(left) : V::lanes;
        const V feature = load_some<V>(features + x + v * V::lanes, count);
        CONVKIT_UNROLL
        for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
          const T *const from = source + x + t / TAPS_X * call->tap_step + call->columns[t % TAPS_X];
          sum[t][v] = V::multiply_add(feature, load_some<V>(from + v * V::lanes, count), sum[t][v]);
        }
      }
    }
  }
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
    T *const at = call->sums + (t / TAPS_X) * call->sums_step + t % TAPS_X * lanes;
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) V::store(at + v * V::lanes, sum[t][v]);
  }
}

template <class V, int TAPS_Y>
struct GradientTable {
  using Gradient = void (*)(const DepthwiseGradientCall<typename V::Element> *);
  /* Of more rows than TAPS_Y there is none; the number must not make one. */
  template <int Y>
  static constexpr int rows = Y < TAPS_Y ? Y : TAPS_Y;
  static constexpr Gradient all[kGradientTaps][kGradientTaps] = {
      {depthwise_gradient<V, 1, 1>, depthwise_gradient<V, 1, 2>, depthwise_gradient<V, 1, 3>},
      {depthwise_gradient<V, rows<2>, 1>, depthwise_gradient<V, rows<2>, 2>, depthwise_gradient<V, rows<2>, 3>},
      {depthwise_gradient<V, rows<3>, 1>, depthwise_gradient<V, rows<3>, 2>, depthwise_gradient<V, rows<3>, 3>}};
};
