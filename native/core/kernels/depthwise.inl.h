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

/* What a tile goes by. STRIDE: that along y, or 0 for any. */
template <class V, int ROWS, int VECTORS, int STRIDE>
struct DepthwiseTile {
  using T = typename V::Element;
  const DepthwiseCall<T> *call;
  const DepthwiseTaps<T> *taps;
  const T *source, *weights; /* the next row of either */
  V sum[ROWS][VECTORS];

  CONVKIT_INLINE int64_t stride() const { return STRIDE ? STRIDE : call->stride; }

  /* One tap of a source row, for the result rows FIRST .. LAST. */
  template <int FIRST, int LAST>
  CONVKIT_INLINE void tap(int64_t x) {
    const T *const from = source + taps->columns[x];
    const int64_t above = stride() * taps->count;
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

  /* A source row; `weights` is the kernel row that result row 0 would meet there. */
  template <int FIRST, int LAST>
  CONVKIT_INLINE void row() {
    for (int64_t x = 0; x < taps->count; ++x) tap<FIRST, LAST>(x);
    source += call->source_step;
    weights += taps->count;
  }

  /* As many rows as the result rows of a tile lie apart. */
  template <int FIRST, int LAST>
  CONVKIT_INLINE void rows() {
    if constexpr (STRIDE > 0) {
      CONVKIT_UNROLL
      for (int i = 0; i < STRIDE; ++i) row<FIRST, LAST>();
    } else {
      for (int64_t i = 0; i < call->stride; ++i) row<FIRST, LAST>();
    }
  }
  template <int LAST>
  CONVKIT_INLINE void up() {
    if constexpr (LAST < ROWS - 1) {
      rows<0, LAST>();
      up<LAST + 1>();
    }
  }
  template <int FIRST>
  CONVKIT_INLINE void down() {
    if constexpr (FIRST < ROWS) {
      rows<FIRST, ROWS - 1>();
      down<FIRST + 1>();
    }
  }

  CONVKIT_INLINE void add_up(const T *first) {
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::set(T(0));
    }
    const int64_t height = call->height, whole = height - stride() * (ROWS - 1);
    for (int64_t z = 0; z < call->depth; ++z) {
      source = first + call->planes[z];
      weights = taps->weights + z * height * taps->count;
      up<0>();
      for (int64_t i = 0; i < whole; ++i) row<0, ROWS - 1>();
      down<1>();
    }
  }

  /* Bias and clipping, in registers; all rows are of one channel. */
  CONVKIT_INLINE void finish_sums() {
    const Epilogue<T> *const epilogue = call->epilogue;
    if (!epilogue || epilogue->activation > CLIP) return;
    const V bias = V::set(epilogue->bias ? *epilogue->bias : T(0));
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::add(sum[r][v], bias);
    }
    if (epilogue->activation == CLIP) clip_all(epilogue, sum);
  }
};

/* What registers cannot finish, right after the store. */
template <class V, int ROWS>
CONVKIT_INLINE void depthwise_finish(const DepthwiseCall<typename V::Element> *call, typename V::Element *result) {
  const Epilogue<typename V::Element> *const epilogue = call->epilogue;
  if (!epilogue || epilogue->activation <= CLIP) return;
  for (int r = 0; r < ROWS; ++r) finish<V>(result + r * call->result_step, 0, 1, call->width, epilogue);
}

/* The tiles of a call lie below each other: they share what a call costs besides. */
template <class V, int ROWS, int VECTORS, int STRIDE>
CONVKIT_SHAPED void depthwise_tile(const DepthwiseCall<typename V::Element> *call) {
  DepthwiseTile<V, ROWS, VECTORS, STRIDE> tile;
  tile.call = call;
  tile.taps = &call->taps;
  const int32_t last = call->width - (VECTORS - 1) * V::lanes;
  for (int64_t i = 0; i < call->tiles; ++i) {
    typename V::Element *const result = call->result + i * call->next_result;
    tile.add_up(call->source + i * call->next_source);
    tile.finish_sums();
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      typename V::Element *const row = result + r * call->result_step;
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS - 1; ++v) V::store(row + v * V::lanes, tile.sum[r][v]);
      store_some<V>(row + (VECTORS - 1) * V::lanes, tile.sum[r][VECTORS - 1], last);
    }
    depthwise_finish<V, ROWS>(call, result);
  }
}

/* The sums of two phases, one after the other: `count` elements of a row. */
template <class V, int VECTORS>
CONVKIT_INLINE void store_zipped(typename V::Element *row, const V (&even)[VECTORS], const V (&odd)[VECTORS],
                                 int32_t count) {
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS - 1; ++v) {
    V::store(row + 2 * v * V::lanes, V::zip_low(even[v], odd[v]));
    V::store(row + (2 * v + 1) * V::lanes, V::zip_high(even[v], odd[v]));
  }
  constexpr int last = VECTORS - 1, before = 2 * last * V::lanes;
  const int32_t rest = count - before;
  store_some<V>(row + before, V::zip_low(even[last], odd[last]), rest < V::lanes ? rest : V::lanes);
  if (rest > V::lanes) store_some<V>(row + before + V::lanes, V::zip_high(even[last], odd[last]), rest - V::lanes);
}

/* Two phases of a row, zipped in registers. */
template <class V, int ROWS, int VECTORS>
CONVKIT_SHAPED void depthwise_zip(const DepthwiseCall<typename V::Element> *call) {
  DepthwiseTile<V, ROWS, VECTORS, 1> first, second;
  first.call = second.call = call;
  first.taps = &call->taps;
  second.taps = &call->other_taps;
  for (int64_t i = 0; i < call->tiles; ++i) {
    typename V::Element *const result = call->result + i * call->next_result;
    first.add_up(call->source + i * call->next_source);
    second.add_up(call->source + i * call->next_source);
    first.finish_sums();
    second.finish_sums();
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      typename V::Element *const row = result + r * call->result_step;
      if (call->swapped) {
        store_zipped<V>(row, second.sum[r], first.sum[r], call->width);
      } else {
        store_zipped<V>(row, first.sum[r], second.sum[r], call->width);
      }
    }
    depthwise_finish<V, ROWS>(call, result);
  }
}

/* ---- tables ---- */

/* The widest tile of a height: SUMS vectors of sums in all. */
constexpr int depthwise_vectors(int sums, int rows) {
  return sums / rows < kMostVectors ? sums / rows : int(kMostVectors);
}

/* As with the tiles of a GEMM; but a row is a few multiply-adds, and two tiles of it took 1.3 times as long as one: so
 * all of float32 have code. Of long rows, nearly all tiles are the widest. */
constexpr bool depthwise_has_code(bool few, bool wide, int vectors, int widest) {
  return (!few && !wide) || vectors == widest || tile_has_code(few, wide, vectors);
}

template <class V>
CONVKIT_NO_INLINE void run_depthwise_tiles(const DepthwiseCall<typename V::Element> *call,
                                           Shaped<DepthwiseCall<typename V::Element>> first,
                                           Shaped<DepthwiseCall<typename V::Element>> second, int32_t columns) {
  DepthwiseCall<typename V::Element> part = *call;
  part.width = columns;
  first(&part);
  part.width = call->width - columns;
  part.source += columns;
  part.result += columns;
  second(&part);
}

template <class V, bool FEW, int SUMS, int ROWS, int VECTORS>
CONVKIT_SHAPED void any_depthwise_tile(const DepthwiseCall<typename V::Element> *call) {
  using T = typename V::Element;
  constexpr bool wide = sizeof(T) == 8;
  if constexpr (FEW && ROWS > 1) { /* one row below the other */
    DepthwiseCall<T> row = *call;
    for (int i = 0; i < ROWS; ++i) {
      any_depthwise_tile<V, FEW, SUMS, 1, VECTORS>(&row);
      row.source += call->stride * call->source_step;
      row.result += call->result_step;
    }
  } else if constexpr (depthwise_has_code(FEW, wide, VECTORS, depthwise_vectors(SUMS, ROWS))) {
    depthwise_tile<V, ROWS, VECTORS, 0>(call);
  } else {
    constexpr int first = first_part(FEW, wide, VECTORS);
    run_depthwise_tiles<V>(call, any_depthwise_tile<V, FEW, SUMS, ROWS, first>,
                           any_depthwise_tile<V, FEW, SUMS, ROWS, VECTORS - first>, first * V::lanes);
  }
}

template <class V, bool FEW, int SUMS, class List>
struct DepthwiseTable;
template <class V, bool FEW, int SUMS, int... I>
struct DepthwiseTable<V, FEW, SUMS, Indexes<I...>> {
  using Tile = Shaped<DepthwiseCall<typename V::Element>>;
  template <int ROWS, int VECTORS>
  static constexpr Tile at() {
    if constexpr (VECTORS <= depthwise_vectors(SUMS, ROWS)) {
      return any_depthwise_tile<V, FEW, SUMS, ROWS, VECTORS>;
    } else {
      return nullptr;
    }
  }
  static const Tile all[];
};
template <class V, bool FEW, int SUMS, int... I>
const typename DepthwiseTable<V, FEW, SUMS, Indexes<I...>>::Tile DepthwiseTable<V, FEW, SUMS, Indexes<I...>>::all[] = {
    DepthwiseTable::at<I / kMostVectors + 1, I % kMostVectors + 1>()...};

/* A zip of more than AT_ONCE rows is some of those, one below the other: zips are few taps high, so more rows would
 * share little. */
template <class V, int AT_ONCE, int ROWS, int VECTORS>
CONVKIT_SHAPED void any_depthwise_zip(const DepthwiseCall<typename V::Element> *call) {
  if constexpr (ROWS <= AT_ONCE) {
    depthwise_zip<V, ROWS, VECTORS>(call);
  } else {
    DepthwiseCall<typename V::Element> part = *call;
    constexpr int rest = ROWS % AT_ONCE;
    for (int r = 0; r < ROWS - rest; r += AT_ONCE) {
      any_depthwise_zip<V, AT_ONCE, AT_ONCE, VECTORS>(&part);
      part.source += AT_ONCE * call->stride * call->source_step;
      part.result += AT_ONCE * call->result_step;
    }
    if constexpr (rest > 0) any_depthwise_zip<V, AT_ONCE, rest, VECTORS>(&part);
  }
}

/* [ROWS - 1][vectors - 1] */
template <class V, bool FEW, int SUMS>
struct ZipTable {
  static constexpr int AT_ONCE = FEW || sizeof(typename V::Element) == 8 ? 1 : 2;
  using Tile = Shaped<DepthwiseCall<typename V::Element>>;
  template <int ROWS, int VECTORS>
  static constexpr Tile at() {
    constexpr bool fits = 2 * ROWS * VECTORS <= SUMS || 2 * AT_ONCE * VECTORS <= SUMS;
    if constexpr ((fits && !FEW) || VECTORS == 1) {
      return any_depthwise_zip<V, AT_ONCE, ROWS, VECTORS>;
    } else {
      return nullptr;
    }
  }
  static constexpr Tile all[kDepthwiseRows][kZipVectors] = {
      {at<1, 1>(), at<1, 2>()}, {at<2, 1>(), at<2, 2>()}, {at<3, 1>(), at<3, 2>()}, {at<4, 1>(), at<4, 2>()}};
};

template <class V, bool FEW, int SUMS, int TAPS_X>
constexpr DepthwiseSet<typename V::Element> depthwise_set() {
  return {
      DepthwiseTable<V, FEW, SUMS, typename MakeIndexes<kDepthwiseRows * kMostVectors>::Type>::all,
      {depthwise_vectors(SUMS, 1), depthwise_vectors(SUMS, 2), depthwise_vectors(SUMS, 3), depthwise_vectors(SUMS, 4)},
      ZipTable<V, FEW, SUMS>::all,
      FEW ? nullptr : LineTable<V>::all,
      FEW ? 0 : line_taps<V>(),
      copy_rows<V>,
      split_rows<V>,
      interleave<V>,
      GradientTable<V, FEW, TAPS_X>::all,
      TAPS_X,
      LastTable<V, FEW>::all,
      LastTable<V, FEW>::runs,
      LastTable<V, FEW>::most,
      LastGradientTable<V, FEW>::of_row,
      LastRowsGradientTable<V, FEW>::all};
}
