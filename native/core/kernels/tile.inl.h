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
    for (int v = 0; v < VECTORS; ++v) {
      sum[r][v] = V::multiply_add(weight, lane[v], sum[r][v]);
      if (ROWS * VECTORS > V::few_sums) CONVKIT_HOLD(sum[r][v].v);
    }
  }
}

/* The cache lines of a later tile. (Not for all calls: even of lines that are there already, each takes most of a
 * cycle. And after the products of its term: before their loads, it took a tile a quarter longer.) */
template <class V>
CONVKIT_INLINE void fetch_lines(const typename V::Element *from, int64_t lines) {
  for (; lines > 0; --lines, from += 64 / int(sizeof(typename V::Element))) V::fetch(from);
}

/* How terms of a side are found: as the call says, or known to be so. */
enum Way { ANY_WAY, BY_TABLE, BY_STEP };

/* Some terms of the chain, no more than a period. */
template <class V, Way A, Way B, int ROWS, int VECTORS>
CONVKIT_INLINE void add_terms(const TileCall<typename V::Element> *call, const typename V::Element **a_side,
                              const typename V::Element **b_side, const typename V::Element **fetched, int64_t terms,
                              V (&sum)[ROWS][VECTORS]) {
  using T = typename V::Element;
  const T *a = *a_side, *b = *b_side;
  const int64_t *a_offset = call->a.offsets, *b_offset = call->b.offsets;
  const int64_t a_next = A == ANY_WAY ? call->a.next : A == BY_TABLE, a_step = A == BY_TABLE ? 0 : call->a.step;
  const int64_t b_next = B == ANY_WAY ? call->b.next : B == BY_TABLE, b_step = B == BY_TABLE ? 0 : call->b.step;
  const T *next = *fetched;
  do {
    const T *const a_term = A == BY_STEP ? a : a + *a_offset, *const b_term = B == BY_STEP ? b : b + *b_offset;
    add_term<V, ROWS, VECTORS>(a_term, b_term, sum);
    if (next) fetch_lines<V>(next, call->fetched_lines), next += call->fetched_step;
    a_offset += a_next, b_offset += b_next;
    a += a_step, b += b_step;
  } while (--terms > 0);
  *a_side = a, *b_side = b, *fetched = next;
}

/* The chain of multiply-adds. Where a term has so few sums that the instructions around them count, each pair of ways
 * has a loop of its own. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void add_all_terms(const TileCall<typename V::Element> *call, V (&sum)[ROWS][VECTORS]) {
  const typename V::Element *a = call->a.at, *b = call->b.at, *fetched = call->fetched;
  for (int64_t left = call->depth; left > 0; left -= call->period, a += call->a.turn, b += call->b.turn) {
    const int64_t terms = left < call->period ? left : call->period;
    if constexpr (ROWS * VECTORS > V::few_sums) {
      add_terms<V, ANY_WAY, ANY_WAY>(call, &a, &b, &fetched, terms, sum);
    } else if (call->a.next == 0) {
      add_terms<V, BY_STEP, BY_TABLE>(call, &a, &b, &fetched, terms, sum);
    } else if (call->b.next == 0) {
      add_terms<V, BY_TABLE, BY_STEP>(call, &a, &b, &fetched, terms, sum);
    } else {
      add_terms<V, BY_TABLE, BY_TABLE>(call, &a, &b, &fetched, terms, sum);
    }
  }
}

/* What stands for a bias where there is none. */
template <class V>
struct Zeros {
  static constexpr typename V::Element all[kMostVectors * V::lanes] = {};
};

/* What a tile's registers leave no room for. */
template <class V>
CONVKIT_NO_INLINE void finish_tile(const TileCall<typename V::Element> *call, int64_t rows) {
  finish<V>(call->c, call->c_step, rows, call->columns, call->epilogue);
}

/* FINISHES: bias and clipping happen in registers, which takes half of the code; otherwise right after the store. With
 * few terms a tile, that took 1.2 to 1.3 times as long; float64, which is asked for less, pays that. */
template <class V, int ROWS, int VECTORS, bool FINISHES>
CONVKIT_SHAPED void tile(const TileCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int32_t last = call->columns - (VECTORS - 1) * V::lanes; /* elements of the last vector */
  V sum[ROWS][VECTORS];

  const int64_t c_step = call->c_step;
  if (call->continues) {
    const T *c = call->c;
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r, c += c_step) {
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

  add_all_terms(call, sum);

  /* What needs more room follows the store. */
  const Epilogue<T> *const epilogue = call->epilogue;
  if (FINISHES && epilogue && epilogue->activation <= CLIP) {
    const T *const biases = epilogue->bias ? epilogue->bias : Zeros<V>::all;
    if (epilogue->bias && !epilogue->channels_in_lanes) {
      CONVKIT_UNROLL
      for (int r = 0; r < ROWS; ++r) {
        const V bias = V::set(biases[r]);
        CONVKIT_UNROLL
        for (int v = 0; v < VECTORS; ++v) {
          sum[r][v] = V::add(sum[r][v], bias);
          CONVKIT_HOLD(sum[r][v].v);
        }
      }
    } else {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) {
        const T *const at = biases + v * V::lanes;
        const V bias = v < VECTORS - 1 ? V::load(at) : load_some<V>(at, last);
        CONVKIT_UNROLL
        for (int r = 0; r < ROWS; ++r) sum[r][v] = V::add(sum[r][v], bias);
      }
    }
    if (epilogue->activation == CLIP) clip_all(epilogue, sum);
  }

  T *c = call->c;
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r, c += c_step) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(c + v * V::lanes, sum[r][v]);
    store_some<V>(c + (VECTORS - 1) * V::lanes, sum[r][VECTORS - 1], last);
  }
  if (epilogue && (!FINISHES || epilogue->activation > CLIP)) finish_tile<V>(call, ROWS);
}

/* Which widths have code of their own: few of float64, which is asked for less, and fewer where FEW. The others are two
 * tiles, one after the other, the first of which has so many vectors. */
constexpr bool tile_has_code(bool few, bool wide, int vectors) {
  return few || wide ? vectors <= 2 || (!few && (vectors == 4 || vectors == 8)) : vectors != 5;
}
constexpr int first_part(bool few, bool wide, int vectors) {
  return tile_has_code(few, wide, vectors) ? vectors : few || vectors == 3 ? 2 : vectors == 5 && !wide ? 3 : 4;
}

/* The first tile has so many columns of the whole. */
template <class V>
CONVKIT_NO_INLINE void run_tiles(const TileCall<typename V::Element> *call, Shaped<TileCall<typename V::Element>> first,
                                 Shaped<TileCall<typename V::Element>> second, int32_t columns) {
  using T = typename V::Element;
  TileCall<T> part = *call;
  part.columns = columns;
  first(&part);
  part.columns = call->columns - columns;
  part.b.at += columns;
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
CONVKIT_SHAPED void any_tile(const TileCall<typename V::Element> *call) {
  constexpr bool wide = sizeof(typename V::Element) == 8;
  if constexpr (tile_has_code(FEW, wide, VECTORS)) {
    tile<V, ROWS, VECTORS, !FEW && !wide>(call);
  } else {
    constexpr int first = first_part(FEW, wide, VECTORS);
    run_tiles<V>(call, any_tile<V, FEW, ROWS, first>, any_tile<V, FEW, ROWS, VECTORS - first>, first * V::lanes);
  }
}

/* The table of all tiles, null where the registers do not hold one. */
template <class V, bool FEW, int ROWS, int VECTORS, bool FITS>
constexpr auto tile_at() -> Shaped<TileCall<typename V::Element>> {
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
  static const Shaped<TileCall<typename V::Element>> all[];
};
template <class V, bool FEW, int ROWS, int USUAL, int REGISTERS, int... I>
const Shaped<TileCall<typename V::Element>> TileTable<V, FEW, ROWS, USUAL, REGISTERS, Indexes<I...>>::all[] = {
    tile_at<V, FEW, rows(I), vectors(I), fits(I)>()...};

template <class V, bool FEW, int ROWS, int USUAL, int REGISTERS>
constexpr TileSet<typename V::Element> tile_set(int32_t depth) {
  const auto height = [](int vectors) { return int32_t(tile_height(ROWS, USUAL, REGISTERS, vectors)); };
  const auto part = [](int vectors) { return int32_t(first_part(FEW, sizeof(typename V::Element) == 8, vectors)); };
  return {ROWS,
          USUAL * V::lanes,
          V::lanes,
          depth,
          TileTable<V, FEW, ROWS, USUAL, REGISTERS, typename MakeIndexes<ROWS * kMostVectors>::Type>::all,
          {height(1), height(2), height(3), height(4), height(5), height(6), height(7), height(8)},
          {part(1), part(2), part(3), part(4), part(5), part(6), part(7), part(8)},
          finish<V>,
          copy_rows<V>,
          zip_rows<V>,
          add_row<V>,
          turn_kernel<V>()};
}
