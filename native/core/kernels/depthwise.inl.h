/* Depthwise convolution with channels first: pixels in lanes, one channel at a time (contract in kernel_table.h).
 *
 * A tile is some rows of the result, a few vectors wide. A vector of the source, once loaded, serves all rows that
 * it lies under. With three kernel rows and a tile of three:
 *
 *     source row   0     1     2     3     4
 *     result 0     w0    w1    w2                 each row is still one chain in the order of its taps,
 *     result 1           w0    w1    w2           whatever the height of the tile
 *     result 2                 w0    w1    w2
 *                  up ------>  all   down ---->   which rows take part is known at compile time
 *
 * so the loop over source rows has a beginning and an end that are unrolled, and a middle of any length. */

/* One source row for the result rows FIRST .. LAST; `weights` is the kernel row that result row 0 would meet there. */
template <class V, int ROWS, int VECTORS, int STRIDE, int FIRST, int LAST>
CONVKIT_INLINE void depthwise_row(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                  const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  const int64_t width = call->kernel[2];
  for (int64_t x = 0; x < width; ++x) {
    const typename V::Element *const from = source + call->columns[x];
    V lane[VECTORS];
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) lane[v] = V::load(from + v * V::lanes);
    CONVKIT_UNROLL
    for (int r = FIRST; r <= LAST; ++r) {
      const V weight = V::set(weights[x - int64_t{r} * STRIDE * width]);
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::multiply_add(weight, lane[v], sum[r][v]);
    }
  }
}

template <class V, int ROWS, int VECTORS, int STRIDE, int I>
CONVKIT_INLINE void depthwise_up(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                 const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  if constexpr (I < STRIDE * (ROWS - 1)) {
    depthwise_row<V, ROWS, VECTORS, STRIDE, 0, I / STRIDE>(call, source + I * call->source_step,
                                                           weights + I * call->kernel[2], sum);
    depthwise_up<V, ROWS, VECTORS, STRIDE, I + 1>(call, source, weights, sum);
  }
}

/* `source` and `weights` are one row behind the last kernel row. */
template <class V, int ROWS, int VECTORS, int STRIDE, int I>
CONVKIT_INLINE void depthwise_down(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                   const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  if constexpr (I < STRIDE * (ROWS - 1)) {
    depthwise_row<V, ROWS, VECTORS, STRIDE, I / STRIDE + 1, ROWS - 1>(call, source + I * call->source_step,
                                                                      weights + I * call->kernel[2], sum);
    depthwise_down<V, ROWS, VECTORS, STRIDE, I + 1>(call, source, weights, sum);
  }
}

/* Bias and clipping in registers, the rest right after the store; all rows are of one channel. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void depthwise_store(const DepthwiseCall<typename V::Element> *call, V (&sum)[ROWS][VECTORS]) {
  using T = typename V::Element;
  const Epilogue<T> *const epilogue = call->epilogue;
  const bool in_registers = epilogue && epilogue->activation <= CLIP;
  if (in_registers) {
    const bool clips = epilogue->activation == CLIP;
    const V bias = V::set(epilogue->bias ? *epilogue->bias : T(0));
    const V low = V::set(epilogue->a), high = V::set(epilogue->b);
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) {
        sum[r][v] = V::add(sum[r][v], bias);
        if (clips) sum[r][v] = V::min(high, V::max(low, sum[r][v]));
      }
    }
  }
  const int32_t last = call->width - (VECTORS - 1) * V::lanes;
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    T *const row = call->result + r * call->result_step;
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(row + v * V::lanes, sum[r][v]);
    store_some<V>(row + (VECTORS - 1) * V::lanes, sum[r][VECTORS - 1], last);
    if (epilogue && !in_registers) finish<V>(row, 0, 1, call->width, epilogue);
  }
}

template <class V, int ROWS, int VECTORS, int STRIDE>
void depthwise_tile(const DepthwiseCall<typename V::Element> *call) {
  using T = typename V::Element;
  V sum[ROWS][VECTORS];
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::set(T(0));
  }
  const int64_t height = call->kernel[1], width = call->kernel[2];
  constexpr int64_t ramp = int64_t{STRIDE} * (ROWS - 1);
  for (int64_t z = 0; z < call->kernel[0]; ++z) {
    const T *const plane = call->source + call->planes[z];
    const T *const weights = call->weights + z * height * width;
    depthwise_up<V, ROWS, VECTORS, STRIDE, 0>(call, plane, weights, sum);
    for (int64_t i = ramp; i < height; ++i) {
      depthwise_row<V, ROWS, VECTORS, STRIDE, 0, ROWS - 1>(call, plane + i * call->source_step, weights + i * width,
                                                           sum);
    }
    depthwise_down<V, ROWS, VECTORS, STRIDE, 0>(call, plane + height * call->source_step, weights + height * width,
                                                sum);
  }
  depthwise_store<V, ROWS, VECTORS>(call, sum);
}

/* ---- one row of taps ---- */

/* Elements before the next cache line. */
template <typename T>
CONVKIT_INLINE int64_t before_line(const T *p) {
  return int64_t(((64 - reinterpret_cast<uintptr_t>(p) % 64) % 64) / sizeof(T));
}

/* Columns x .. x + VECTORS * lanes - 1, the last vector cut to `last` unless they are streamed. */
template <class V, int TAPS, int VECTORS, bool STREAMS, class Finish>
CONVKIT_INLINE void depthwise_line_part(const typename V::Element *const (&from)[TAPS], const V (&weight)[TAPS],
                                        int64_t x, typename V::Element *to, int32_t last, const Finish &finished) {
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
  if (STREAMS) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) V::stream(to + x + v * V::lanes, finished(sum[v]));
    return;
  }
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS - 1; ++v) V::store(to + x + v * V::lanes, finished(sum[v]));
  store_some<V>(to + x + (VECTORS - 1) * V::lanes, finished(sum[VECTORS - 1]), last);
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
    from[t] = call->source + call->planes[0] + call->columns[t];
    weight[t] = V::set(call->weights[t]);
  }
  T *const to = call->result;
  const bool streams = call->streams && call->width >= 64 && (!call->epilogue || call->epilogue->activation <= CLIP);
  const auto run = [&](const auto &finished) {
    const int64_t width = call->width;
    int64_t x = 0;
    /* Vectors at the ends overlap their neighbours, so that none reads further than without streaming. */
    if (streams) {
      const int64_t head = before_line(to);
      for (; x < head; x += V::lanes) depthwise_line_part<V, TAPS, 1, false>(from, weight, x, to, V::lanes, finished);
      for (x = head; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
        depthwise_line_part<V, TAPS, vectors, true>(from, weight, x, to, V::lanes, finished);
      }
      for (; x < width; x += V::lanes) {
        const int64_t at = x < width - V::lanes ? x : width - V::lanes;
        depthwise_line_part<V, TAPS, 1, false>(from, weight, at, to, V::lanes, finished);
      }
      V::fence();
      return;
    }
    for (; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
      depthwise_line_part<V, TAPS, vectors, false>(from, weight, x, to, V::lanes, finished);
    }
    for (; x < width; x += V::lanes) {
      const int64_t left = width - x;
      depthwise_line_part<V, TAPS, 1, false>(from, weight, x, to, left < V::lanes ? int32_t(left) : V::lanes, finished);
    }
  };
  const Epilogue<T> *const epilogue = call->epilogue;
  if (!epilogue || epilogue->activation > CLIP) {
    run([](V x) { return x; });
    if (epilogue) finish<V>(to, 0, 1, call->width, epilogue);
    return;
  }
  const V bias = V::set(epilogue->bias ? *epilogue->bias : T(0));
  if (epilogue->activation == CLIP) {
    const V low = V::set(epilogue->a), high = V::set(epilogue->b);
    run([&](V x) { return V::min(high, V::max(low, V::add(x, bias))); });
  } else {
    run([&](V x) { return V::add(x, bias); });
  }
}

template <class V>
struct LineTable {
  using Line = void (*)(const DepthwiseCall<typename V::Element> *);
  static constexpr Line all[kLineTaps] = {depthwise_line<V, 1>, depthwise_line<V, 2>, depthwise_line<V, 3>,
                                          depthwise_line<V, 4>, depthwise_line<V, 5>, depthwise_line<V, 6>,
                                          depthwise_line<V, 7>, depthwise_line<V, 8>};
};

/* ---- tables ---- */

/* The widest tile of a height: SUMS vectors of sums in all. */
constexpr int depthwise_vectors(int sums, int rows) {
  return sums / rows < kMostVectors ? sums / rows : int(kMostVectors);
}

template <class V, int SUMS, class List>
struct DepthwiseTable;
template <class V, int SUMS, int... I>
struct DepthwiseTable<V, SUMS, Indexes<I...>> {
  using Tile = void (*)(const DepthwiseCall<typename V::Element> *);
  template <int ROWS, int VECTORS, int STRIDE>
  static constexpr Tile at() {
    if constexpr (VECTORS <= depthwise_vectors(SUMS, ROWS)) {
      return depthwise_tile<V, ROWS, VECTORS, STRIDE>;
    } else {
      return nullptr;
    }
  }
  static const Tile all[];
};
template <class V, int SUMS, int... I>
const typename DepthwiseTable<V, SUMS, Indexes<I...>>::Tile DepthwiseTable<V, SUMS, Indexes<I...>>::all[] = {
    DepthwiseTable::at<I / kMostVectors % kDepthwiseRows + 1, I % kMostVectors + 1,
                       I / kMostVectors / kDepthwiseRows + 1>()...};

template <class V, int SUMS, int TAPS_Y>
constexpr DepthwiseSet<typename V::Element> depthwise_set() {
  return {
      DepthwiseTable<V, SUMS, typename MakeIndexes<kDepthwiseStrides * kDepthwiseRows * kMostVectors>::Type>::all,
      {depthwise_vectors(SUMS, 1), depthwise_vectors(SUMS, 2), depthwise_vectors(SUMS, 3), depthwise_vectors(SUMS, 4)},
      LineTable<V>::all,
      copy_rows<V>,
      interleave<typename V::Element>,
      GradientTable<V, TAPS_Y>::all,
      TAPS_Y,
      LastTable<V, SUMS / 2>::all,
      SUMS / 2 < kLastPixels ? SUMS / 2 : int32_t(kLastPixels),
      LastGradientTable<V>::all};
}
