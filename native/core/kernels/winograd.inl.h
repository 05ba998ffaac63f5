/* The transforms of the Winograd algorithm (contract in kernel_table.h, polynomials in winograd_points.h). See
 * kernels.inl.h for where it is included.
 *
 * Lanes are neighbouring tiles (or, for results, also channels), so both transforms are sums of whole vectors. Pairs of
 * points share everything but a sign: M(x) / (x - a) and M(x) / (x + a) have the same even and odd parts. */

/* Q(x) = product of (x^2 - a^2) over the pairs, times d from `at` on, in steps of two. */
template <class V, int POINTS>
CONVKIT_INLINE V times_pairs(const V *d, int at) {
  using T = typename V::Element;
  constexpr WinogradPoints points = kWinogradPoints[POINTS];
  constexpr double a = points.pair[0] * points.pair[0], b = points.pair[1] * points.pair[1];
  if constexpr (points.pairs == 1) {
    return V::multiply_add(V::set(T(-a)), d[at], d[at + 2]);
  } else {
    return V::multiply_add(V::set(T(a * b)), d[at], V::multiply_add(V::set(T(-a - b)), d[at + 2], d[at + 4]));
  }
}

/* v = the data transform of d[0 .. POINTS - 1]. */
template <class V, int POINTS>
CONVKIT_INLINE void transform_data(const V *d, V *v) {
  using T = typename V::Element;
  constexpr WinogradPoints points = kWinogradPoints[POINTS];
  if constexpr (POINTS == 1) {
    v[0] = d[0];
  } else {
    constexpr bool has_odd = POINTS % 2 == 1;
    V shifted[POINTS];
    const V *e = d;
    if constexpr (has_odd) { /* times (x - c), and all but c itself is as without it */
      CONVKIT_UNROLL
      for (int i = 0; i < POINTS - 1; ++i) shifted[i] = V::multiply_add(V::set(T(-points.odd)), d[i], d[i + 1]);
      e = shifted;
      v[POINTS - 2] = times_pairs<V, POINTS>(d, 1);
    }
    v[0] = times_pairs<V, POINTS>(e, 0);
    v[POINTS - 1] = times_pairs<V, POINTS>(e, 1);
    CONVKIT_UNROLL
    for (int k = 0; k < points.pairs; ++k) {
      V even = e[2], odd = e[1];
      if constexpr (points.pairs == 2) {
        const double other = points.pair[1 - k] * points.pair[1 - k];
        even = V::multiply_add(V::set(T(-other)), e[2], e[4]);
        odd = V::multiply_add(V::set(T(-other)), e[1], e[3]);
      }
      v[1 + 2 * k] = V::multiply_add(V::set(T(points.pair[k])), odd, even);
      v[2 + 2 * k] = V::multiply_add(V::set(T(-points.pair[k])), odd, even);
    }
  }
}

/* A table: a function of the power would be called at run time by Clang's -Os, which unrolls after it has inlined. */
struct PointPowers {
  double of[kMostPoints];
};
constexpr PointPowers powers_of(double x) {
  PointPowers p = {{1}};
  for (int i = 1; i < kMostPoints; ++i) p.of[i] = x * p.of[i - 1];
  return p;
}

/* y[0 .. OUTPUTS - 1] = the result transform of v. */
template <class V, int POINTS, int OUTPUTS>
CONVKIT_INLINE void transform_result(const V *v, V *y) {
  using T = typename V::Element;
  constexpr WinogradPoints points = kWinogradPoints[POINTS];
  if constexpr (POINTS == 1) {
    y[0] = v[0];
  } else {
    constexpr bool has_odd = POINTS % 2 == 1;
    constexpr PointPowers first = powers_of(points.pair[0]), second = powers_of(points.pair[1]);
    constexpr PointPowers odd = powers_of(points.odd);
    V sum[2], difference[2];
    CONVKIT_UNROLL
    for (int k = 0; k < points.pairs; ++k) {
      sum[k] = V::add(v[1 + 2 * k], v[2 + 2 * k]);
      difference[k] = V::add(v[1 + 2 * k], V::negate(v[2 + 2 * k]));
    }
    CONVKIT_UNROLL
    for (int i = 0; i < OUTPUTS; ++i) {
      const V *const part = i % 2 == 0 ? sum : difference;
      V x = i == 0 ? V::add(v[0], part[0]) : V::multiply(V::set(T(first.of[i])), part[0]);
      if (points.pairs == 2) x = V::multiply_add(V::set(T(second.of[i])), part[1], x);
      if (has_odd) x = V::multiply_add(V::set(T(odd.of[i])), v[POINTS - 2], x);
      y[i] = i == OUTPUTS - 1 ? V::add(x, v[POINTS - 1]) : x;
    }
  }
}

/* The elements of a tile lie at offsets, and lanes are what they are: tiles side by side, or anything else. */
template <class V, int POINTS>
CONVKIT_SHAPED void winograd_data(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  for (int64_t i = 0; i < call->repeat; ++i) {
    const T *const in = call->in + i * call->in_repeat;
    T *const out = call->out + i * call->out_repeat;
    for (int64_t t = 0; t < call->count; t += V::lanes) {
      V d[POINTS], v[POINTS];
      CONVKIT_UNROLL
      for (int u = 0; u < POINTS; ++u) d[u] = V::load(in + call->offsets[u] + t);
      transform_data<V, POINTS>(d, v);
      CONVKIT_UNROLL
      for (int p = 0; p < POINTS; ++p) V::store(out + p * call->out_step + t, v[p]);
    }
  }
}

/* Lanes stay where they are: one output `out_step` after the other, exactly `count` lanes of the first `outputs`. */
template <class V, int POINTS, int OUTPUTS>
CONVKIT_SHAPED void winograd_result(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  const RegisterEpilogue<V> epilogue(call->epilogue);
  const bool bias_by_lane = epilogue.here && epilogue.all->bias && epilogue.all->channels_in_lanes;
  V bias = epilogue.bias();
  for (int64_t r = 0; r < call->repeat; ++r) {
    const T *const in = call->in + r * call->in_repeat;
    T *const out = call->out + r * call->out_repeat;
    for (int64_t t = 0; t < call->count; t += V::lanes) {
      V v[POINTS], y[OUTPUTS];
      CONVKIT_UNROLL
      for (int p = 0; p < POINTS; ++p) v[p] = V::load(in + p * call->in_step + t);
      transform_result<V, POINTS, OUTPUTS>(v, y);
      const int32_t count = call->count - t < V::lanes ? int32_t(call->count - t) : V::lanes;
      if (bias_by_lane) bias = load_some<V>(epilogue.all->bias + t, count);
      if constexpr (V::few_sums == 0) { /* for any CPU: two thirds of the code */
        for (int i = 0; i < call->outputs; ++i) {
          store_some<V>(out + i * call->out_step + t, epilogue.finished(y[i], bias), count);
        }
      } else {
        CONVKIT_UNROLL
        for (int i = 0; i < OUTPUTS; ++i) {
          if (i < call->outputs) store_some<V>(out + i * call->out_step + t, epilogue.finished(y[i], bias), count);
        }
      }
    }
    if (!epilogue.remains()) continue;
    /* One by one: to finish(), rows are channels. */
    for (int i = 0; i < call->outputs; ++i) finish<V>(out + i * call->out_step, 0, 1, call->count, call->epilogue);
  }
}

/* By the number of a scheme. */
template <class V, class List>
struct WinogradTable;
template <class V, int... I>
struct WinogradTable<V, Indexes<I...>> {
  using Transform = Shaped<WinogradCall<typename V::Element>>;
  static constexpr int outputs(int scheme) { return kWinogradScheme[scheme].outputs; }
  static constexpr int points(int scheme) { return kWinogradScheme[scheme].points; }
  static constexpr Transform split[] = {winograd_split<V, outputs(I)>...};
  static constexpr Transform merge[] = {winograd_merge<V, outputs(I)>...};
  static constexpr Transform data[] = {winograd_data<V, points(I)>...};
  static constexpr Transform result[] = {winograd_result<V, points(I), outputs(I)>...};
};

template <class V>
constexpr WinogradSet<typename V::Element> winograd_set() {
  using Table = WinogradTable<V, typename MakeIndexes<kWinogradSchemes>::Type>;
  return {Table::split, Table::data, Table::result, Table::merge, winograd_filter<V>, pad_row<V>};
}
