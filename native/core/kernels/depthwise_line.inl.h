/* Depthwise convolution where the kernel is one row of taps: along a row of any length (contract in kernel_table.h). */

/* Elements before the next cache line. */
template <typename T>
CONVKIT_INLINE int64_t before_line(const T *p) {
  return int64_t(((64 - reinterpret_cast<uintptr_t>(p) % 64) % 64) / sizeof(T));
}

/* Columns x .. x + VECTORS * lanes - 1, the last vector cut to `last` unless they are streamed. */
template <class V, int TAPS, int VECTORS, bool STREAMS>
CONVKIT_INLINE void depthwise_line_part(const typename V::Element *const (&from)[TAPS], const V (&weight)[TAPS],
                                        int64_t x, typename V::Element *to, int32_t last,
                                        const RegisterEpilogue<V> &epilogue, V bias) {
  V sum[VECTORS];
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS; ++v) sum[v] = V::set(0);
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) {
      sum[v] = V::multiply_add(weight[t], V::load(from[t] + x + v * V::lanes), sum[v]);
    }
  }
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS; ++v) sum[v] = epilogue.finished(sum[v], bias);
  if (STREAMS) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) V::stream(to + x + v * V::lanes, sum[v]);
    return;
  }
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS - 1; ++v) V::store(to + x + v * V::lanes, sum[v]);
  store_some<V>(to + x + (VECTORS - 1) * V::lanes, sum[VECTORS - 1], last);
}

/* So little work an element that what counts is how far ahead the processor can read: few vectors at a time, with
 * nothing but them between a vector and the next. */
template <class V, int TAPS>
void depthwise_line(const DepthwiseCall<typename V::Element> *call) {
  using T = typename V::Element;
  constexpr int vectors = 2;
  const T *from[TAPS];
  V weight[TAPS];
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) {
    from[t] = call->source + call->planes[0] + call->taps.columns[t];
    weight[t] = V::set(call->taps.weights[t]);
  }
  T *const to = call->result;
  const int64_t width = call->width;
  const RegisterEpilogue<V> epilogue(call->epilogue);
  const V bias = epilogue.bias();
  const auto one_vector = [&](int64_t x, int32_t count) {
    depthwise_line_part<V, TAPS, 1, false>(from, weight, x, to, count, epilogue, bias);
  };
  int64_t x = 0;
  /* Vectors at the ends overlap their neighbours, so that none reads further than without streaming. */
  if (call->streams && width >= 64 && !epilogue.remains()) {
    const int64_t head = before_line(to);
    for (; x < head; x += V::lanes) one_vector(x, V::lanes);
    for (x = head; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
      depthwise_line_part<V, TAPS, vectors, true>(from, weight, x, to, V::lanes, epilogue, bias);
    }
    for (; x < width; x += V::lanes) one_vector(x < width - V::lanes ? x : width - V::lanes, V::lanes);
    V::fence();
    return;
  }
  for (; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
    depthwise_line_part<V, TAPS, vectors, false>(from, weight, x, to, V::lanes, epilogue, bias);
  }
  for (; x < width; x += V::lanes) one_vector(x, width - x < V::lanes ? int32_t(width - x) : V::lanes);
  if (epilogue.remains()) finish<V>(to, 0, 1, width, call->epilogue);
}

template <class V>
struct LineTable {
  using Line = void (*)(const DepthwiseCall<typename V::Element> *);
  static constexpr Line all[kLineTaps] = {depthwise_line<V, 1>, depthwise_line<V, 2>, depthwise_line<V, 3>,
                                          depthwise_line<V, 4>, depthwise_line<V, 5>, depthwise_line<V, 6>,
                                          depthwise_line<V, 7>, depthwise_line<V, 8>};
};
