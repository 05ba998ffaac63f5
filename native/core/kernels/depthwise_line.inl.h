/* Depthwise convolution where the kernel is one row of taps: along a row of any length (contract in kernel_table.h). */

/* Columns x .. x + VECTORS * lanes - 1, the last vector cut to `last` unless they are streamed. */
template <class V, int TAPS, int VECTORS>
CONVKIT_INLINE void depthwise_line_part(const typename V::Element *const (&from)[TAPS], const V (&weight)[TAPS],
                                        int64_t x, typename V::Element *to, int32_t last, bool streams,
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
  if (streams) {
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
CONVKIT_SHAPED void depthwise_line(const DepthwiseCall<typename V::Element> *call) {
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
  /* Streamed, what lies before a cache line comes first. Vectors at the ends overlap their neighbours, so that none
   * reads further than without streaming. */
  const bool streams = call->streams && width >= 64 && !epilogue.remains();
  int64_t x = 0, end = streams ? before_line(to) : 0;
  for (int part = 0; part < 2; ++part, end = width) {
    for (; x < end; x += V::lanes) {
      const int64_t left = width - x, at = streams && left < V::lanes ? width - V::lanes : x;
      const int32_t count = !streams && left < V::lanes ? int32_t(left) : V::lanes;
      depthwise_line_part<V, TAPS, 1>(from, weight, at, to, count, false, epilogue, bias);
    }
    if (part == 1) break;
    for (x = end; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
      depthwise_line_part<V, TAPS, vectors>(from, weight, x, to, V::lanes, streams, epilogue, bias);
    }
  }
  if (streams) V::fence();
  if (epilogue.remains()) finish<V>(to, 0, 1, width, call->epilogue);
}

/* Of float64, only the short ones have code. */
template <class V>
constexpr int32_t line_taps() {
  return sizeof(typename V::Element) == 8 ? kLineTaps / 2 : kLineTaps;
}
template <class V, class List = typename MakeIndexes<line_taps<V>()>::Type>
struct LineTable;
template <class V, int... I>
struct LineTable<V, Indexes<I...>> {
  static constexpr Shaped<DepthwiseCall<typename V::Element>> all[] = {depthwise_line<V, I + 1>...};
};
