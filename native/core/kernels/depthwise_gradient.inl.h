/* The weight gradient of depthwise convolutions, channels first (contract in kernel_table.h).
 *
 * A product wants two vectors, and most vectors of the source straddle cache lines. Where the taps along y are
 * as far apart as the rows, four rows of features are taken together, so that a vector of the source serves all the
 * products it has with them. With three taps:
 *
 *     source row    0     1     2     3     4     5
 *     tap 0         f0    f1    f2    f3
 *     tap 1               f0    f1    f2    f3             f: the row of features that it meets
 *     tap 2                     f0    f1    f2    f3                                               */

/* Sums of TAPS_Y x TAPS_X taps over some rows. A sum is 64 bytes, in one vector or several, on every instruction set.
 * FEW: the sums are more than registers. Then no rows are taken together, and the parts of a sum are a loop. */
template <class V, int TAPS_Y, int TAPS_X, bool FEW>
struct DepthwiseGradient {
  using T = typename V::Element;
  static constexpr int lanes = 64 / int(sizeof(T)), parts = lanes / V::lanes;
  const DepthwiseGradientCall<T> *call;
  V sum[TAPS_Y * TAPS_X][parts];

  /* Behind the last column, both operands may be anything. A vector of one row is a memory operand. */
  template <int ROWS, bool WHOLE>
  static CONVKIT_INLINE V load(const T *p, int32_t count) {
    V x = WHOLE ? V::load(p) : V::load_partial(p, count);
    if (ROWS > 1) CONVKIT_LOADED(x.v);
    return x;
  }

  /* ROWS rows of features, at the columns of vector v of a sum; of these, `count` exist. */
  template <int ROWS, bool WHOLE>
  CONVKIT_INLINE void add_vector(const T *features, const T *source, int v, int32_t count) {
    V feature[ROWS];
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) feature[r] = load<ROWS, WHOLE>(features + r * call->features_step, count);
    CONVKIT_UNROLL
    for (int row = 0; row < ROWS + TAPS_Y - 1; ++row) {
      CONVKIT_UNROLL
      for (int x = 0; x < TAPS_X; ++x) {
        const V from = load<ROWS, WHOLE>(source + row * call->tap_step + call->columns[x], count);
        CONVKIT_UNROLL
        for (int y = 0; y < TAPS_Y; ++y) {
          if (row < y || row - y >= ROWS) continue;
          sum[y * TAPS_X + x][v] = V::multiply_add(feature[row - y], from, sum[y * TAPS_X + x][v]);
        }
      }
    }
  }

  template <int ROWS, bool WHOLE>
  CONVKIT_INLINE void add_part(const T *features, const T *source, int v, int64_t columns) {
    const int64_t first = v * V::lanes;
    if (WHOLE || (!V::masks && columns - first >= V::lanes)) {
      add_vector<ROWS, true>(features + first, source + first, v, V::lanes);
    } else if (columns > first) {
      add_vector<ROWS, false>(features + first, source + first, v,
                              int32_t(columns - first < V::lanes ? columns - first : V::lanes));
    }
  }

  /* At all columns of a sum, of which so many exist. (No loop is left early: sums must be registers, where they may
   * be.) */
  template <int ROWS, bool WHOLE>
  CONVKIT_INLINE void add(const T *features, const T *source, int64_t columns) {
    if constexpr (FEW) {
      for (int v = 0; v < parts; ++v) add_part<ROWS, WHOLE>(features, source, v, columns);
    } else {
      CONVKIT_UNROLL
      for (int v = 0; v < parts; ++v) add_part<ROWS, WHOLE>(features, source, v, columns);
    }
  }

  /* All columns, in each `times` times ROWS rows. */
  template <int ROWS>
  CONVKIT_INLINE void add_columns(const T *features, const T *source, int64_t times) {
    const int64_t whole = V::masks && ROWS > 1 ? 0 : call->width / lanes * lanes;
    int64_t x = 0;
    for (; x < whole; x += lanes) {
      for (int64_t r = 0; r < times; ++r) {
        add<ROWS, true>(features + x + r * call->features_step, source + x + r * call->source_step, lanes);
      }
    }
    for (; x < call->width; x += lanes) {
      for (int64_t r = 0; r < times; ++r) {
        add<ROWS, false>(features + x + r * call->features_step, source + x + r * call->source_step, call->width - x);
      }
    }
  }

  CONVKIT_INLINE void add_all() {
    if (TAPS_Y == 1 && call->rows == 1) return add_columns<1>(call->features, call->source, 1); /* 1-D: often short */
    const bool shares = !FEW && call->source_step == call->tap_step;
    const T *features = call->features, *source = call->source;
    for (int64_t y = 0, rows; y < call->rows; y += rows) {
      rows = shares && call->rows - y >= kGradientRows ? kGradientRows : 1;
      if (!FEW && TAPS_Y > 1 && rows > 1) {
        add_columns<kGradientRows>(features, source, 1);
      } else {
        add_columns<1>(features, source, rows); /* a single tap shares nothing, but keeps the order */
      }
      features += rows * call->features_step;
      source += rows * call->source_step;
    }
  }
};

template <class V, int TAPS_Y, int TAPS_X, bool FEW>
CONVKIT_SHAPED void depthwise_gradient(const DepthwiseGradientCall<typename V::Element> *call) {
  DepthwiseGradient<V, TAPS_Y, TAPS_X, FEW> gradient;
  gradient.call = call;
  constexpr int lanes = gradient.lanes, parts = gradient.parts;
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
    const auto *const at = call->sums + (t / TAPS_X) * call->sums_step + t % TAPS_X * lanes;
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) gradient.sum[t][v] = V::load(at + v * V::lanes);
  }
  gradient.add_all();
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
    auto *const at = call->sums + (t / TAPS_X) * call->sums_step + t % TAPS_X * lanes;
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) V::store(at + v * V::lanes, gradient.sum[t][v]);
  }
}

/* FEW: one tap after the other, the code of a single one. */
template <class V, int TAPS_Y, int TAPS_X, bool FEW>
CONVKIT_SHAPED void any_depthwise_gradient(const DepthwiseGradientCall<typename V::Element> *call) {
  if constexpr (!FEW || TAPS_Y * TAPS_X == 1) {
    depthwise_gradient<V, TAPS_Y, TAPS_X, FEW>(call);
  } else {
    constexpr int64_t lanes = 64 / int(sizeof(typename V::Element));
    for (int64_t y = 0; y < TAPS_Y; ++y) {
      DepthwiseGradientCall<typename V::Element> tap = *call;
      tap.source += y * call->tap_step;
      tap.sums += y * call->sums_step;
      for (int64_t x = 0; x < TAPS_X; ++x, ++tap.columns, tap.sums += lanes) {
        any_depthwise_gradient<V, 1, 1, FEW>(&tap);
      }
    }
  }
}

template <class V, bool FEW, int TAPS_X>
struct GradientTable {
  using Gradient = Shaped<DepthwiseGradientCall<typename V::Element>>;
  /* Of several rows, beyond TAPS_X taps along x there is none; the number must not make one. */
  template <int X>
  static constexpr int wide = X < TAPS_X ? X : TAPS_X;
  template <int Y, int X>
  static constexpr Gradient of = any_depthwise_gradient<V, Y, X, FEW>;
  static constexpr Gradient all[kGradientTaps][kGradientTaps] = {{of<1, 1>, of<1, 2>, of<1, 3>},
                                                                 {of<2, 1>, of<2, wide<2>>, of<2, wide<3>>},
                                                                 {of<3, 1>, of<3, wide<2>>, of<3, wide<3>>}};
};
