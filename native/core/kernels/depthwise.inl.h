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
 * so the loop over source rows has a beginning and an end that are unrolled (with a stride, each of their steps is so
 * many rows), and a middle of any length. */

/* One source row for the result rows FIRST .. LAST; `weights` is the kernel row that result row 0 would meet there. */
template <class V, int ROWS, int VECTORS, int FIRST, int LAST>
CONVKIT_INLINE void depthwise_row(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                  const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  const int64_t width = call->kernel[2], above = call->stride * width;
  for (int64_t x = 0; x < width; ++x) {
    const typename V::Element *const from = source + call->columns[x];
    V lane[VECTORS];
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) lane[v] = V::load(from + v * V::lanes);
    CONVKIT_UNROLL
    for (int r = FIRST; r <= LAST; ++r) {
      const V weight = V::set(weights[x - r * above]);
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::multiply_add(weight, lane[v], sum[r][v]);
    }
  }
}

/* `rows` rows of the source, one after the other. */
template <class V, int ROWS, int VECTORS, int FIRST, int LAST>
CONVKIT_INLINE void depthwise_rows(const DepthwiseCall<typename V::Element> *call, int64_t rows,
                                   const typename V::Element **source, const typename V::Element **weights,
                                   V (&sum)[ROWS][VECTORS]) {
  for (int64_t i = 0; i < rows; ++i) {
    depthwise_row<V, ROWS, VECTORS, FIRST, LAST>(call, *source, *weights, sum);
    *source += call->source_step;
    *weights += call->kernel[2];
  }
}

template <class V, int ROWS, int VECTORS, int LAST>
CONVKIT_INLINE void depthwise_up(const DepthwiseCall<typename V::Element> *call, const typename V::Element **source,
                                 const typename V::Element **weights, V (&sum)[ROWS][VECTORS]) {
  if constexpr (LAST < ROWS - 1) {
    depthwise_rows<V, ROWS, VECTORS, 0, LAST>(call, call->stride, source, weights, sum);
    depthwise_up<V, ROWS, VECTORS, LAST + 1>(call, source, weights, sum);
  }
}

template <class V, int ROWS, int VECTORS, int FIRST>
CONVKIT_INLINE void depthwise_down(const DepthwiseCall<typename V::Element> *call, const typename V::Element **source,
                                   const typename V::Element **weights, V (&sum)[ROWS][VECTORS]) {
  if constexpr (FIRST < ROWS) {
    depthwise_rows<V, ROWS, VECTORS, FIRST, ROWS - 1>(call, call->stride, source, weights, sum);
    depthwise_down<V, ROWS, VECTORS, FIRST + 1>(call, source, weights, sum);
  }
}

/* Bias and clipping in registers, the rest right after the store; all rows are of one channel. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void depthwise_store(const DepthwiseCall<typename V::Element> *call, V (&sum)[ROWS][VECTORS]) {
  using T = typename V::Element;
  const Epilogue<T> *const epilogue = call->epilogue;
  const bool in_registers = epilogue && epilogue->activation <= CLIP;
  if (in_registers) {
    const V bias = V::set(epilogue->bias ? *epilogue->bias : T(0));
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::add(sum[r][v], bias);
    }
    if (epilogue->activation == CLIP) clip_all(epilogue, sum);
  }
  const int32_t last = call->width - (VECTORS - 1) * V::lanes;
  T *row = call->result;
  const int64_t step = call->result_step;
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r, row += step) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(row + v * V::lanes, sum[r][v]);
    store_some<V>(row + (VECTORS - 1) * V::lanes, sum[r][VECTORS - 1], last);
  }
  if (!epilogue || in_registers) return;
  for (int r = 0; r < ROWS; ++r) finish<V>(call->result + r * step, 0, 1, call->width, call->epilogue);
}

template <class V, int ROWS, int VECTORS>
void depthwise_tile(const DepthwiseCall<typename V::Element> *call) {
  using T = typename V::Element;
  V sum[ROWS][VECTORS];
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::set(T(0));
  }
  const int64_t height = call->kernel[1], width = call->kernel[2];
  for (int64_t z = 0; z < call->kernel[0]; ++z) {
    const T *source = call->source + call->planes[z], *weights = call->weights + z * height * width;
    depthwise_up<V, ROWS, VECTORS, 0>(call, &source, &weights, sum);
    depthwise_rows<V, ROWS, VECTORS, 0, ROWS - 1>(call, height - call->stride * (ROWS - 1), &source, &weights, sum);
    depthwise_down<V, ROWS, VECTORS, 1>(call, &source, &weights, sum);
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

/* As with the tiles of a GEMM; but a row is a few multiply-adds, and two tiles of it took 1.3 times as long as one. */
constexpr bool depthwise_has_code(bool few, int vectors) { return !few || tile_has_code(few, false, vectors); }

template <class V>
CONVKIT_NO_INLINE void run_depthwise_tiles(const DepthwiseCall<typename V::Element> *call,
                                           void (*first)(const DepthwiseCall<typename V::Element> *),
                                           void (*second)(const DepthwiseCall<typename V::Element> *),
                                           int32_t columns) {
  DepthwiseCall<typename V::Element> part = *call;
  part.width = columns;
  first(&part);
  part.width = call->width - columns;
  part.source += columns;
  part.result += columns;
  second(&part);
}

template <class V, bool FEW, int ROWS, int VECTORS>
void any_depthwise_tile(const DepthwiseCall<typename V::Element> *call) {
  if constexpr (depthwise_has_code(FEW, VECTORS)) {
    depthwise_tile<V, ROWS, VECTORS>(call);
  } else {
    constexpr int first = first_part(FEW, VECTORS);
    run_depthwise_tiles<V>(call, any_depthwise_tile<V, FEW, ROWS, first>,
                           any_depthwise_tile<V, FEW, ROWS, VECTORS - first>, first * V::lanes);
  }
}

template <class V, bool FEW, int SUMS, class List>
struct DepthwiseTable;
template <class V, bool FEW, int SUMS, int... I>
struct DepthwiseTable<V, FEW, SUMS, Indexes<I...>> {
  using Tile = void (*)(const DepthwiseCall<typename V::Element> *);
  template <int ROWS, int VECTORS>
  static constexpr Tile at() {
    if constexpr (VECTORS <= depthwise_vectors(SUMS, ROWS)) {
      return any_depthwise_tile<V, FEW, ROWS, VECTORS>;
    } else {
      return nullptr;
    }
  }
  static const Tile all[];
};
template <class V, bool FEW, int SUMS, int... I>
const typename DepthwiseTable<V, FEW, SUMS, Indexes<I...>>::Tile DepthwiseTable<V, FEW, SUMS, Indexes<I...>>::all[] = {
    DepthwiseTable::at<I / kMostVectors + 1, I % kMostVectors + 1>()...};

template <class V, bool FEW, int SUMS, int TAPS_Y>
constexpr DepthwiseSet<typename V::Element> depthwise_set() {
  return {
      DepthwiseTable<V, FEW, SUMS, typename MakeIndexes<kDepthwiseRows * kMostVectors>::Type>::all,
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
