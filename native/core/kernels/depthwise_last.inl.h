/* Depthwise convolution with channels last: channels in lanes (contract in kernel_table.h). */

/* PIXELS pixels of one or two vectors of channels. */
template <class V, int PIXELS, int VECTORS>
CONVKIT_SHAPED void depthwise_last_tile(const DepthwiseLastCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int32_t last = call->channels - (VECTORS - 1) * V::lanes;
  V sum[PIXELS][VECTORS];
  CONVKIT_UNROLL
  for (int p = 0; p < PIXELS; ++p) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[p][v] = V::set(T(0));
  }
  const auto add = [&](const auto &load_last) {
    for (int64_t t = 0; t < call->taps; ++t) {
      const T *const from = call->source + call->offsets[t];
      const T *const weights = call->weights + call->numbers[t] * call->weight_step;
      V weight[VECTORS];
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) weight[v] = V::load(weights + v * V::lanes);
      CONVKIT_UNROLL
      for (int p = 0; p < PIXELS; ++p) {
        const T *const pixel = from + p * call->source_step;
        CONVKIT_UNROLL
        for (int v = 0; v < VECTORS; ++v) {
          const V x = v < VECTORS - 1 ? V::load(pixel + v * V::lanes) : load_last(pixel + v * V::lanes);
          sum[p][v] = V::multiply_add(weight[v], x, sum[p][v]);
        }
      }
    }
  };
  if (!V::masks && last == V::lanes) {
    add([](const T *at) { return V::load(at); });
  } else {
    add([last](const T *at) { return V::load_partial(at, last); });
  }
  CONVKIT_UNROLL
  for (int p = 0; p < PIXELS; ++p) {
    T *const to = call->result + p * call->result_step;
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(to + v * V::lanes, sum[p][v]);
    store_some<V>(to + (VECTORS - 1) * V::lanes, sum[p][VECTORS - 1], last);
  }
  if (call->epilogue) finish<V>(call->result, call->result_step, PIXELS, call->channels, call->epilogue);
}

template <class V, int PIXELS>
struct LastTable {
  using Tile = Shaped<DepthwiseLastCall<typename V::Element>>;
  template <int P>
  static constexpr int pixels = P < PIXELS ? P : PIXELS;
  static constexpr Tile all[kLastPixels][kLastVectors] = {
      {depthwise_last_tile<V, 1, 1>, depthwise_last_tile<V, 1, 2>},
      {depthwise_last_tile<V, 2, 1>, depthwise_last_tile<V, 2, 2>},
      {depthwise_last_tile<V, pixels<3>, 1>, depthwise_last_tile<V, pixels<3>, 2>},
      {depthwise_last_tile<V, pixels<4>, 1>, depthwise_last_tile<V, pixels<4>, 2>},
      {depthwise_last_tile<V, pixels<5>, 1>, depthwise_last_tile<V, pixels<5>, 2>},
      {depthwise_last_tile<V, pixels<6>, 1>, depthwise_last_tile<V, pixels<6>, 2>},
      {depthwise_last_tile<V, pixels<7>, 1>, depthwise_last_tile<V, pixels<7>, 2>},
      {depthwise_last_tile<V, pixels<8>, 1>, depthwise_last_tile<V, pixels<8>, 2>}};
};

/* sums[n] += features * source over pixels, for taps n of a row of taps: a vector of channels. */
template <class V, int TAPS>
CONVKIT_SHAPED void depthwise_last_gradient(const DepthwiseLastGradientCall<typename V::Element> *call) {
  using T = typename V::Element;
  V sum[TAPS];
  const int32_t channels = call->channels;
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) sum[t] = V::load(call->sums + t * call->sums_step);
  const auto add = [&](const auto &load) {
    const T *features = call->features, *source = call->source;
    for (int64_t i = 0; i < call->pixels; ++i) {
      const V feature = load(features);
      CONVKIT_UNROLL
      for (int t = 0; t < TAPS; ++t) sum[t] = V::multiply_add(feature, load(source + call->offsets[t]), sum[t]);
      features += call->features_step;
      source += call->source_step;
    }
  };
  if (!V::masks && channels == V::lanes) {
    add([](const T *at) { return V::load(at); });
  } else {
    add([channels](const T *at) { return V::load_partial(at, channels); });
  }
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) V::store(call->sums + t * call->sums_step, sum[t]);
}

template <class V>
struct LastGradientTable {
  using Gradient = Shaped<DepthwiseLastGradientCall<typename V::Element>>;
  static constexpr Gradient all[kLastTaps] = {depthwise_last_gradient<V, 1>, depthwise_last_gradient<V, 2>,
                                              depthwise_last_gradient<V, 3>, depthwise_last_gradient<V, 4>,
                                              depthwise_last_gradient<V, 5>, depthwise_last_gradient<V, 6>,
                                              depthwise_last_gradient<V, 7>, depthwise_last_gradient<V, 8>};
};
