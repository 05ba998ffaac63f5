/* The one micro-kernel, compiled once per instruction set (see kernel_table.h for its contract).
 * Included by kernels/<isa>.cpp after its vec_<isa>.h, inside namespace convkit::CONVKIT_ISA.
 *
 * A tile is a template on its number of rows and vectors, so that a small or ragged problem runs a
 * smaller tile instead of a padded one; only the last vector of a row may be partial. */

/* One term for all sums. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void add_term(const typename V::Element *a, const typename V::Element *b, V (&sum)[ROWS][VECTORS]) {
  V lane[VECTORS];
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS; ++v) lane[v] = V::load(b + v * V::lanes);
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    const V weight = V::set(a[r]);
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::multiply_add(weight, lane[v], sum[r][v]);
  }
}

/* Cache lines that a term of the table side takes, for a later tile. */
template <class V, int ELEMENTS>
CONVKIT_INLINE void fetch(const typename V::Element *p) {
  constexpr int line = 64 / int(sizeof(typename V::Element));
  CONVKIT_UNROLL
  for (int i = 0; i < ELEMENTS; i += line) V::fetch(p + i);
}

/* The chain of multiply-adds. One operand goes by the table of offsets, the other by a constant step. */
template <class V, int ROWS, int VECTORS, bool A_BY_TABLE>
CONVKIT_INLINE void add_terms(const TileCall<typename V::Element> *call, V (&sum)[ROWS][VECTORS]) {
  using T = typename V::Element;
  const T *table_side = A_BY_TABLE ? call->a : call->b;
  const T *step_side = A_BY_TABLE ? call->b : call->a;
  const int64_t step = A_BY_TABLE ? call->b_step : call->a_step;
  const int64_t *const offsets = A_BY_TABLE ? call->a_offsets : call->b_offsets;
  const int64_t period = call->period > 0 ? call->period : call->depth, ahead = call->ahead;
  for (int64_t left = call->depth; left > 0; left -= period, table_side += call->period_step) {
    const int64_t *const end = offsets + (left < period ? left : period);
    for (const int64_t *offset = offsets; offset != end; ++offset, step_side += step) {
      const T *const table_term = table_side + *offset;
      fetch<V, A_BY_TABLE ? ROWS : VECTORS * V::lanes>(table_term + ahead);
      add_term<V, ROWS, VECTORS>(A_BY_TABLE ? table_term : step_side, A_BY_TABLE ? step_side : table_term, sum);
    }
  }
}

/* The same with a table for each side. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void add_chosen_terms(const TileCall<typename V::Element> *call, V (&sum)[ROWS][VECTORS]) {
  using T = typename V::Element;
  const T *a = call->a, *b = call->b;
  const int64_t *const a_offsets = call->a_offsets, *const b_offsets = call->b_offsets;
  const int64_t period = call->period > 0 ? call->period : call->depth;
  for (int64_t left = call->depth; left > 0; left -= period, a += call->a_step, b += call->b_step) {
    const int64_t terms = left < period ? left : period;
    for (int64_t k = 0; k < terms; ++k) add_term<V, ROWS, VECTORS>(a + a_offsets[k], b + b_offsets[k], sum);
  }
}

template <class V, int ROWS, int VECTORS>
void tile(const TileCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int32_t last = call->columns - (VECTORS - 1) * V::lanes; /* elements of the last vector */
  V sum[ROWS][VECTORS];

  if (call->continues) {
    const T *c = call->c;
    const int64_t step = call->c_step;
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r, c += step) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS - 1; ++v) sum[r][v] = V::load(c + v * V::lanes);
      sum[r][VECTORS - 1] = load_some<V>(c + (VECTORS - 1) * V::lanes, last);
    }
  } else {
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::set(T(0));
    }
  }

  if (call->a_offsets && call->b_offsets) {
    add_chosen_terms<V, ROWS, VECTORS>(call, sum);
  } else if (call->a_offsets) {
    add_terms<V, ROWS, VECTORS, true>(call, sum);
  } else {
    add_terms<V, ROWS, VECTORS, false>(call, sum);
  }

  /* Bias and clipping happen in registers; what needs more room happens right after the store, in L1. */
  const Epilogue<T> *const epilogue = call->epilogue;
  const bool in_registers = epilogue && epilogue->activation <= CLIP;
  if (in_registers) {
    const T *const bias = epilogue->bias;
    if (bias && !epilogue->channels_in_lanes) {
      CONVKIT_UNROLL
      for (int r = 0; r < ROWS; ++r) {
        const V row_bias = V::set(bias[r]);
        CONVKIT_UNROLL
        for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::add(sum[r][v], row_bias);
      }
    } else {
      V lane_bias[VECTORS];
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) lane_bias[v] = V::set(T(0));
      if (bias) {
        CONVKIT_UNROLL
        for (int v = 0; v < VECTORS - 1; ++v) lane_bias[v] = V::load(bias + v * V::lanes);
        lane_bias[VECTORS - 1] = load_some<V>(bias + (VECTORS - 1) * V::lanes, last);
      }
      CONVKIT_UNROLL
      for (int r = 0; r < ROWS; ++r) {
        CONVKIT_UNROLL
        for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::add(sum[r][v], lane_bias[v]);
      }
    }
    if (epilogue->activation == CLIP) clip_all(epilogue, sum);
  }

  T *c = call->c;
  const int64_t c_step = call->c_step;
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r, c += c_step) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(c + v * V::lanes, sum[r][v]);
    store_some<V>(c + (VECTORS - 1) * V::lanes, sum[r][VECTORS - 1], last);
  }
  if (epilogue && !in_registers) finish<V>(call->c, call->c_step, ROWS, call->columns, call->epilogue);
}

/* Shapes that are seldom chosen are two tiles, one after the other, instead of code of their own. */
constexpr bool tile_has_code(bool few, int vectors) { return vectors != 5 && (!few || vectors <= 4); }

/* The first tile has so many columns of the whole. */
template <class V>
CONVKIT_NO_INLINE void run_tiles(const TileCall<typename V::Element> *call,
                                 void (*first)(const TileCall<typename V::Element> *),
                                 void (*second)(const TileCall<typename V::Element> *), int32_t columns) {
  using T = typename V::Element;
  TileCall<T> part = *call;
  part.columns = columns;
  first(&part);
  part.columns = call->columns - columns;
  part.b += columns;
  part.c += columns;
  Epilogue<T> epilogue;
  if (call->epilogue && call->epilogue->channels_in_lanes) {
    epilogue = *call->epilogue;
    if (epilogue.bias) epilogue.bias += columns;
    if (epilogue.slope) epilogue.slope += columns;
    part.epilogue = &epilogue;
  }
  second(&part);
}

/* The tallest tile of `vectors` vectors: ROWS up to the usual width; beyond it, what leaves registers for one step of B
 * and one broadcast. */
constexpr int tile_height(int rows, int usual, int registers, int vectors) {
  if (vectors <= usual) return rows;
  const int fits = (registers - 1 - vectors) / vectors;
  return fits < 1 ? 1 : fits < rows ? fits : rows;
}

template <class V, bool FEW, int ROWS, int VECTORS>
void any_tile(const TileCall<typename V::Element> *call) {
  if constexpr (tile_has_code(FEW, VECTORS)) {
    tile<V, ROWS, VECTORS>(call);
  } else {
    constexpr int half = (VECTORS + 1) / 2;
    run_tiles<V>(call, any_tile<V, FEW, ROWS, half>, any_tile<V, FEW, ROWS, VECTORS - half>, half * V::lanes);
  }
}

/* The table of all tiles, null where the registers do not hold one. */
template <class V, bool FEW, int ROWS, int VECTORS, bool FITS>
constexpr auto tile_at() -> void (*)(const TileCall<typename V::Element> *) {
  if constexpr (FITS) {
    return any_tile<V, FEW, ROWS, VECTORS>;
  } else {
    return nullptr;
  }
}

template <int... I>
struct Indexes {};
template <int N, int... I>
struct MakeIndexes : MakeIndexes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndexes<0, I...> {
  using Type = Indexes<I...>;
};

template <class V, bool FEW, int ROWS, int USUAL, int REGISTERS, class List>
struct TileTable;
template <class V, bool FEW, int ROWS, int USUAL, int REGISTERS, int... I>
struct TileTable<V, FEW, ROWS, USUAL, REGISTERS, Indexes<I...>> {
  static constexpr int rows(int i) { return i / kMostVectors + 1; }
  static constexpr int vectors(int i) { return i % kMostVectors + 1; }
  static constexpr bool fits(int i) { return rows(i) <= tile_height(ROWS, USUAL, REGISTERS, vectors(i)); }
  static void (*const all[])(const TileCall<typename V::Element> *);
};
template <class V, bool FEW, int ROWS, int USUAL, int REGISTERS, int... I>
void (*const TileTable<V, FEW, ROWS, USUAL, REGISTERS, Indexes<I...>>::all[])(const TileCall<typename V::Element> *) = {
    tile_at<V, FEW, rows(I), vectors(I), fits(I)>()...};

template <class V, bool FEW, int ROWS, int USUAL, int REGISTERS>
constexpr TileSet<typename V::Element> tile_set(int32_t depth) {
  const auto height = [](int vectors) { return int32_t(tile_height(ROWS, USUAL, REGISTERS, vectors)); };
  return {ROWS,
          USUAL * V::lanes,
          V::lanes,
          depth,
          TileTable<V, FEW, ROWS, USUAL, REGISTERS, typename MakeIndexes<ROWS * kMostVectors>::Type>::all,
          {height(1), height(2), height(3), height(4), height(5), height(6), height(7), height(8)},
          finish<V>,
          copy_rows<V>,
          zip_rows<V>,
          add_row<V>};
}
