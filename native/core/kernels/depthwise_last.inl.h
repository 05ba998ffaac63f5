/* Depthwise convolution with channels last: channels in lanes (contract in kernel_table.h). */

/* PIXELS pixels, or the first of them, a vector of channels after the other; the last vector rather overlaps the one
 * before. Streamed, the first is followed by those that are aligned in the result. */
template <class V, int PIXELS, bool MAY_STREAM, typename Sums>
CONVKIT_INLINE void each_vector(const DepthwiseLastCall<typename V::Element> *call, int64_t pixels, const Sums &sums) {
  using T = typename V::Element;
  const RegisterEpilogue<V> epilogue(MAY_STREAM ? call->epilogue : nullptr);
  const int32_t width = call->channels < V::lanes ? int32_t(call->channels) : V::lanes;
  const bool streams = MAY_STREAM && call->streams && !epilogue.remains();
  const int64_t before = streams ? before_line(call->result) % V::lanes : 0;
  for (int64_t next = before > 0 ? before - V::lanes : 0; next < call->channels; next += width) {
    const int64_t c = next < 0 ? 0 : next < call->channels - width ? next : call->channels - width;
    V sum[PIXELS];
    CONVKIT_UNROLL
    for (int p = 0; p < PIXELS; ++p) sum[p] = V::set(T(0));
    sums(c, width, sum);
    if (MAY_STREAM) {
      const V bias = !epilogue.here         ? V::set(T(-0.0))
                     : call->epilogue->bias ? V::load(call->epilogue->bias + c)
                                            : V::set(T(0));
      CONVKIT_UNROLL
      for (int p = 0; p < PIXELS; ++p) sum[p] = epilogue.finished(sum[p], bias);
    }
    const bool past = streams && c == next;
    T *to = call->result + c;
    CONVKIT_UNROLL
    for (int p = 0; p < PIXELS; ++p, to += call->result_step) {
      if (p >= pixels) continue;
      if (past) {
        V::stream(to, sum[p]);
      } else {
        store_some<V>(to, sum[p], width);
      }
    }
  }
  if (streams) V::fence();
  if (MAY_STREAM ? epilogue.remains() : call->epilogue != nullptr) {
    finish<V>(call->result, call->result_step, pixels, call->channels, call->epilogue);
  }
}

/* By a table of all taps. */
template <class V, int PIXELS>
CONVKIT_SHAPED void depthwise_last_tile(const DepthwiseLastCall<typename V::Element> *call) {
  using T = typename V::Element;
  each_vector<V, PIXELS, false>(call, PIXELS, [call](int64_t c, int32_t width, V(&sum)[PIXELS]) {
    const auto add = [&](const auto &load) {
      for (int64_t t = 0; t < call->taps; ++t) {
        const T *const from = call->source + call->offsets[t] + c;
        const V weight = V::load(call->weights + call->numbers[t] * call->weight_step + c);
        CONVKIT_UNROLL
        for (int p = 0; p < PIXELS; ++p) sum[p] = V::multiply_add(weight, load(from + p * call->source_step), sum[p]);
      }
    };
    if (!V::masks && width == V::lanes) {
      add([](const T *at) { return V::load(at); });
    } else {
      add([width](const T *at) { return V::load_partial(at, width); });
    }
  });
}

/* Some taps that reach neighbours: each pixel of the source is loaded once for all sums that it is a term of. Arrays of
 * users begin anywhere, so that most of these loads straddle cache lines and count twice. */
template <class V, int PIXELS, int TAPS>
CONVKIT_INLINE void add_neighbours(const typename V::Element *from, int64_t step, const typename V::Element *weights,
                                   int64_t weight_step, int64_t begin, uint64_t length, V (&sum)[PIXELS]) {
  V weight[TAPS];
  CONVKIT_UNROLL
  for (int j = 0; j < TAPS; ++j, weights += weight_step) {
    CONVKIT_STEPS(weights);
    weight[j] = V::load(weights);
  }
  CONVKIT_UNROLL
  for (int q = 0; q < PIXELS + TAPS - 1; ++q, from += step) {
    CONVKIT_STEPS(from);
    if (uint64_t(q - begin) >= length) continue;
    V x = V::load(from);
    CONVKIT_LOADED(x.v);
    CONVKIT_UNROLL
    for (int j = 0; j < TAPS; ++j) {
      if (q < j || q - j >= PIXELS) continue;
      sum[q - j] = V::multiply_add(weight[j], x, sum[q - j]);
      CONVKIT_LOADED(sum[q - j].v);
    }
  }
}

/* In runs. */
template <class V, int PIXELS, bool MAY_STREAM>
CONVKIT_SHAPED void depthwise_last_run(const DepthwiseLastCall<typename V::Element> *call) {
  using T = typename V::Element;
  each_vector<V, PIXELS, MAY_STREAM>(call, call->pixels, [call](int64_t c, int32_t, V(&sum)[PIXELS]) {
    const int64_t step = call->source_step, weight_step = call->run_step * call->weight_step;
    for (int64_t t = 0; t < call->taps; ++t) {
      const T *from = call->source + call->offsets[t] + c;
      const T *weights = call->weights + call->numbers[t] * call->weight_step + c;
      int64_t left = call->run, begin = call->begin;
      const uint64_t length = uint64_t(call->end - begin);
      for (; left == 4 || left > 5; left -= 4, begin -= 4, from += 4 * step, weights += 4 * weight_step) {
        add_neighbours<V, PIXELS, 4>(from, step, weights, weight_step, begin, length, sum);
      }
      if (left & 1) {
        add_neighbours<V, PIXELS, 3>(from, step, weights, weight_step, begin, length, sum);
        left -= 3, begin -= 3, from += 3 * step, weights += 3 * weight_step;
      }
      if (left > 0) add_neighbours<V, PIXELS, 2>(from, step, weights, weight_step, begin, length, sum);
    }
  });
}

/* FEW and float64, which are asked for less, have runs of one height, which do not stream. */
template <class V, bool FEW>
struct LastTable {
  using Tile = Shaped<DepthwiseLastCall<typename V::Element>>;
  static constexpr int32_t most = FEW ? 4 : kLastPixels;
  static constexpr bool more = !FEW && sizeof(typename V::Element) == 4;
  static constexpr int32_t other = more ? most - 1 : most;
  static constexpr Tile all[kLastTiles] = {depthwise_last_tile<V, 1>, depthwise_last_tile<V, 2>,
                                           depthwise_last_tile<V, 4>, depthwise_last_tile<V, most>};
  static constexpr Tile runs[kLastRuns] = {depthwise_last_run<V, other, more>, depthwise_last_run<V, most, more>};
};

/* PIXELS features, each with all taps. Where a tap reads what the one before it reads for the next feature, the source
 * is loaded once for all. */
template <class V, int ROWS, int TAPS, int PIXELS, typename Load>
CONVKIT_INLINE void add_products(const DepthwiseLastGradientCall<typename V::Element> *call,
                                 const typename V::Element *features, const typename V::Element *source,
                                 const Load &load, V (&sum)[ROWS][TAPS]) {
  V feature[PIXELS];
  CONVKIT_UNROLL
  for (int p = 0; p < PIXELS; ++p, features += call->features_step) feature[p] = load(features);
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    const typename V::Element *from = source + call->offsets[r];
    CONVKIT_UNROLL
    for (int q = 0; q < PIXELS + TAPS - 1; ++q, from += call->tap_step) {
      CONVKIT_STEPS(from);
      V x = load(from);
      CONVKIT_LOADED(x.v);
      CONVKIT_UNROLL
      for (int t = 0; t < TAPS; ++t) {
        if (q >= t && q - t < PIXELS) sum[r][t] = V::multiply_add(feature[q - t], x, sum[r][t]);
      }
    }
  }
}

template <class V, int ROWS, int TAPS>
CONVKIT_SHAPED void depthwise_last_gradient(const DepthwiseLastGradientCall<typename V::Element> *call) {
  using T = typename V::Element;
  constexpr int PIXELS = 4;
  const int32_t width = call->channels < V::lanes ? int32_t(call->channels) : V::lanes;
  T *sums = call->sums;
  for (int64_t next = 0; next < call->channels; next += width, sums += call->sums_step) {
    const int64_t c = next < call->channels - width ? next : call->channels - width;
    V sum[ROWS][TAPS];
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int t = 0; t < TAPS; ++t) sum[r][t] = V::load(sums + (call->numbers[r] + t) * V::lanes);
    }
    const auto whole = [](const T *at) { return V::load(at); };
    const T *features = call->features + c, *source = call->source + c;
    int64_t left = call->pixels;
    if (TAPS > 1 && width == V::lanes && call->tap_step == call->source_step) {
      for (; left >= PIXELS; left -= PIXELS) {
        add_products<V, ROWS, TAPS, PIXELS>(call, features, source, whole, sum);
        features += PIXELS * call->features_step, source += PIXELS * call->source_step;
      }
    }
    const auto single = [&](const auto &load) {
      for (; left > 0; --left, features += call->features_step, source += call->source_step) {
        add_products<V, ROWS, TAPS, 1>(call, features, source, load, sum);
      }
    };
    if (!V::masks && width == V::lanes) {
      single(whole);
    } else {
      single([width](const T *at) { return V::load_partial(at, width); });
    }
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int t = 0; t < TAPS; ++t) V::store(sums + (call->numbers[r] + t) * V::lanes, sum[r][t]);
    }
  }
}

/* FEW: one tap after the other. */
template <class V, bool FEW, int TAPS>
CONVKIT_SHAPED void any_last_gradient(const DepthwiseLastGradientCall<typename V::Element> *call) {
  if constexpr (FEW && TAPS > 1) {
    auto one = *call;
    int64_t offset = call->offsets[0], number = call->numbers[0];
    one.offsets = &offset, one.numbers = &number;
    for (int t = 0; t < TAPS; ++t, offset += call->tap_step, ++number) depthwise_last_gradient<V, 1, 1>(&one);
  } else {
    depthwise_last_gradient<V, 1, TAPS>(call);
  }
}

template <class V, bool FEW>
struct LastGradientTable {
  using Gradient = Shaped<DepthwiseLastGradientCall<typename V::Element>>;
  static constexpr Gradient of_row[kLastTaps] = {any_last_gradient<V, FEW, 1>, any_last_gradient<V, FEW, 2>,
                                                 any_last_gradient<V, FEW, 3>, any_last_gradient<V, FEW, 4>};
};

template <class V, bool FEW>
struct LastRowsGradientTable {
  static constexpr Shaped<DepthwiseLastGradientCall<typename V::Element>> *all = nullptr;
};
template <class V>
struct LastRowsGradientTable<V, false> {
  using Gradient = Shaped<DepthwiseLastGradientCall<typename V::Element>>;
  static constexpr Gradient all[kLastRowsTaps] = {depthwise_last_gradient<V, kLastRows, 1>,
                                                  depthwise_last_gradient<V, kLastRows, 2>,
                                                  depthwise_last_gradient<V, kLastRows, 3>};
};
