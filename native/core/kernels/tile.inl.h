/* The one micro-kernel, compiled once per instruction set (see kernel_table.h for its contract).
 * Included by kernels/<isa>.cpp after its vec_<isa>.h, inside namespace convkit::CONVKIT_ISA.
 *
 * A tile is a template on its number of rows and vectors, so that a small or ragged problem runs a
 * smaller tile instead of a padded one; only the last vector of a row may be partial. */

template <class V, int ROWS, int VECTORS>
void tile(const TileCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int32_t last = call->columns - (VECTORS - 1) * V::lanes; /* elements of the last vector */
  V sum[ROWS][VECTORS];

  if (call->continues) {
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      const T *c = call->c + r * call->c_step;
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

  const T *a = call->a;
  const int64_t *offset = call->b_offsets;
  const int64_t *const end = offset + call->depth;
  for (; offset != end; ++offset, a += call->a_step) {
    const T *b = call->b + *offset;
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

  /* Bias and clipping happen in registers; what needs more room happens right after the store, in L1. */
  const Epilogue<T> *epilogue = call->epilogue;
  const bool in_registers = epilogue && epilogue->activation <= CLIP;
  if (in_registers) {
    const bool clips = epilogue->activation == CLIP;
    const V low = V::set(epilogue->a), high = V::set(epilogue->b);
    V bias[VECTORS];
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) bias[v] = V::set(T(0));
    if (epilogue->bias && epilogue->channels_in_lanes) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS - 1; ++v) bias[v] = V::load(epilogue->bias + v * V::lanes);
      bias[VECTORS - 1] = load_some<V>(epilogue->bias + (VECTORS - 1) * V::lanes, last);
    }
    const bool bias_per_row = epilogue->bias && !epilogue->channels_in_lanes;
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      const V row_bias = V::set(bias_per_row ? epilogue->bias[r] : T(0));
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) {
        sum[r][v] = V::add(sum[r][v], bias_per_row ? row_bias : bias[v]);
        if (clips) sum[r][v] = V::min(high, V::max(low, sum[r][v]));
      }
    }
  }

  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    T *c = call->c + r * call->c_step;
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(c + v * V::lanes, sum[r][v]);
    store_some<V>(c + (VECTORS - 1) * V::lanes, sum[r][VECTORS - 1], last);
  }
  if (epilogue && !in_registers) finish<V>(call->c, call->c_step, ROWS, call->columns, epilogue);
}

/* The table of all tiles up to ROWS x VECTORS. */
template <int... I>
struct Indexes {};
template <int N, int... I>
struct MakeIndexes : MakeIndexes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndexes<0, I...> {
  using Type = Indexes<I...>;
};

template <class V, int VECTORS, class List>
struct TileTable;
template <class V, int VECTORS, int... I>
struct TileTable<V, VECTORS, Indexes<I...>> {
  static void (*const all[])(const TileCall<typename V::Element> *);
};
template <class V, int VECTORS, int... I>
void (*const TileTable<V, VECTORS, Indexes<I...>>::all[])(const TileCall<typename V::Element> *) = {
    tile<V, I / VECTORS + 1, I % VECTORS + 1>...};

template <class V, int ROWS, int VECTORS>
constexpr TileSet<typename V::Element> tile_set(int32_t depth) {
  return {ROWS,
          VECTORS * V::lanes,
          V::lanes,
          depth,
          TileTable<V, VECTORS, typename MakeIndexes<ROWS * VECTORS>::Type>::all,
          finish<V>};
}
