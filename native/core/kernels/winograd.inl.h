/* The transforms of the Winograd algorithm (contract in kernel_table.h, polynomials in winograd_points.h). Included by
 * kernels/<isa>.cpp after tile.inl.h, inside namespace convkit::CONVKIT_ISA.
 *
 * Lanes are neighbouring tiles (or, for results, also channels), so both transforms are sums of whole vectors. Pairs of
 * points share everything but a sign: M(x) / (x - a) and M(x) / (x + a) have the same even and odd parts. */

/* Q(x) = product of (x^2 - a^2) over the pairs, times d from `at` on, in steps of two. */
template <class V, int POINTS>
CONVKIT_INLINE V times_pairs(const V *d, int at) {
  using T = typename V::Element;
  using P = WinogradPoints<POINTS>;
  constexpr double a = P::pair[0] * P::pair[0], b = P::pair[1] * P::pair[1];
  if constexpr (P::pairs == 1) {
    return V::multiply_add(V::set(T(-a)), d[at], d[at + 2]);
  } else {
    return V::multiply_add(V::set(T(a * b)), d[at], V::multiply_add(V::set(T(-a - b)), d[at + 2], d[at + 4]));
  }
}

/* v = the data transform of d[0 .. POINTS - 1]. */
template <class V, int POINTS>
CONVKIT_INLINE void transform_data(const V *d, V *v) {
  using T = typename V::Element;
  using P = WinogradPoints<POINTS>;
  if constexpr (POINTS == 1) {
    v[0] = d[0];
  } else {
    constexpr bool has_odd = POINTS % 2 == 1;
    V shifted[POINTS];
    const V *e = d;
    if constexpr (has_odd) { /* times (x - c), and all but c itself is as without it */
      CONVKIT_UNROLL
      for (int i = 0; i < POINTS - 1; ++i) shifted[i] = V::multiply_add(V::set(T(-P::odd)), d[i], d[i + 1]);
      e = shifted;
      v[POINTS - 2] = times_pairs<V, POINTS>(d, 1);
    }
    v[0] = times_pairs<V, POINTS>(e, 0);
    v[POINTS - 1] = times_pairs<V, POINTS>(e, 1);
    CONVKIT_UNROLL
    for (int k = 0; k < P::pairs; ++k) {
      V even = e[2], odd = e[1];
      if constexpr (P::pairs == 2) {
        const double other = P::pair[1 - k] * P::pair[1 - k];
        even = V::multiply_add(V::set(T(-other)), e[2], e[4]);
        odd = V::multiply_add(V::set(T(-other)), e[1], e[3]);
      }
      v[1 + 2 * k] = V::multiply_add(V::set(T(P::pair[k])), odd, even);
      v[2 + 2 * k] = V::multiply_add(V::set(T(-P::pair[k])), odd, even);
    }
  }
}

constexpr double power_of(double x, int n) { return n == 0 ? 1 : x * power_of(x, n - 1); }

/* y[0 .. OUTPUTS - 1] = the result transform of v. */
template <class V, int POINTS, int OUTPUTS>
CONVKIT_INLINE void transform_result(const V *v, V *y) {
  using T = typename V::Element;
  using P = WinogradPoints<POINTS>;
  if constexpr (POINTS == 1) {
    y[0] = v[0];
  } else {
    constexpr bool has_odd = POINTS % 2 == 1;
    V sum[2], difference[2];
    CONVKIT_UNROLL
    for (int k = 0; k < P::pairs; ++k) {
      sum[k] = V::add(v[1 + 2 * k], v[2 + 2 * k]);
      difference[k] = V::add(v[1 + 2 * k], V::negate(v[2 + 2 * k]));
    }
    CONVKIT_UNROLL
    for (int i = 0; i < OUTPUTS; ++i) {
      const V *const part = i % 2 == 0 ? sum : difference;
      V x = i == 0 ? V::add(v[0], part[0]) : V::multiply(V::set(T(power_of(P::pair[0], i))), part[0]);
      if (P::pairs == 2) x = V::multiply_add(V::set(T(power_of(P::pair[1], i))), part[1], x);
      if (has_odd) x = V::multiply_add(V::set(T(power_of(P::odd, i))), v[POINTS - 2], x);
      y[i] = i == OUTPUTS - 1 ? V::add(x, v[POINTS - 1]) : x;
    }
  }
}

/* Vectors of elements into vectors of two or four streams, and back. */
template <class V, int STREAMS>
CONVKIT_INLINE void split_vectors(V *x) {
  V y[4];
  V::split(x[0], x[1], y, y + 1);
  if constexpr (STREAMS == 2) {
    x[0] = y[0], x[1] = y[1];
  } else {
    V::split(x[2], x[3], y + 2, y + 3);
    V::split(y[0], y[2], x, x + 2);
    V::split(y[1], y[3], x + 1, x + 3);
  }
}
template <class V, int STREAMS>
CONVKIT_INLINE void merge_vectors(V *x) {
  V y[4];
  if constexpr (STREAMS == 2) {
    V::merge(x[0], x[1], y, y + 1);
    x[0] = y[0], x[1] = y[1];
  } else {
    V::merge(x[0], x[2], y, y + 2);
    V::merge(x[1], x[3], y + 1, y + 3);
    V::merge(y[0], y[1], x, x + 1);
    V::merge(y[2], y[3], x + 2, x + 3);
  }
}

/* Element (b * STREAMS + i) * inner + r of a row becomes element b * inner + r of stream i. */
template <class V, int STREAMS>
void winograd_split(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int64_t tiles = call->count, inner = call->inner, step = call->out_step;
  for (int64_t row = 0; row < call->repeat; ++row) {
    const T *__restrict in = call->in + row * call->in_repeat;
    T *__restrict const out = call->out + row * call->out_repeat;
    if (inner == 1) {
      for (int64_t t = 0; t < tiles; t += V::lanes) {
        if constexpr (STREAMS == 2 || STREAMS == 4) {
          V x[STREAMS];
          CONVKIT_UNROLL
          for (int i = 0; i < STREAMS; ++i) x[i] = V::load(in + t * STREAMS + i * V::lanes);
          split_vectors<V, STREAMS>(x);
          CONVKIT_UNROLL
          for (int i = 0; i < STREAMS; ++i) V::store(out + i * step + t, x[i]);
        } else {
          for (int i = 0; i < STREAMS; ++i) {
            CONVKIT_UNROLL
            for (int l = 0; l < V::lanes; ++l) out[i * step + t + l] = in[(t + l) * STREAMS + i];
          }
        }
      }
      continue;
    }
    for (int64_t first = 0; first < tiles; first += inner, in += STREAMS * inner) {
      const int64_t count = tiles - first < inner ? tiles - first : inner;
      for (int i = 0; i < STREAMS; ++i) {
        for (int64_t r = 0; r < count; ++r) out[i * step + first + r] = in[i * inner + r];
      }
    }
  }
}

/* The way back; exactly `count` elements of each row are written. */
template <class V, int STREAMS>
void winograd_merge(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int64_t inner = call->inner, step = call->in_step;
  for (int64_t row = 0; row < call->repeat; ++row) {
    const T *__restrict const in = call->in + row * call->in_repeat;
    T *__restrict out = call->out + row * call->out_repeat;
    const T *__restrict from = in;
    int64_t left = call->count;
    if (inner == 1 && (STREAMS == 2 || STREAMS == 4)) {
      for (; left > 0; left -= STREAMS * V::lanes, out += STREAMS * V::lanes, from += V::lanes) {
        V x[STREAMS];
        CONVKIT_UNROLL
        for (int i = 0; i < STREAMS; ++i) x[i] = V::load(from + i * step);
        merge_vectors<V, STREAMS == 2 ? 2 : 4>(x);
        CONVKIT_UNROLL
        for (int i = 0; i < STREAMS; ++i) {
          const int64_t count = left - i * V::lanes;
          if (count > 0) store_some<V>(out + i * V::lanes, x[i], count < V::lanes ? int32_t(count) : V::lanes);
        }
      }
    } else if (inner == 1) {
      const int64_t whole = left / STREAMS;
      for (int64_t t = 0; t < whole; ++t) {
        for (int i = 0; i < STREAMS; ++i) out[t * STREAMS + i] = in[i * step + t];
      }
      for (int64_t x = whole * STREAMS; x < left; ++x) out[x] = in[(x - whole * STREAMS) * step + whole];
    } else {
      for (int64_t first = 0; left > 0; first += inner) {
        for (int i = 0; i < STREAMS && left > 0; ++i, out += inner, left -= inner) {
          const int64_t count = left < inner ? left : inner;
          for (int64_t r = 0; r < count; ++r) out[r] = in[i * step + first + r];
        }
      }
    }
  }
  const Epilogue<T> *const e = call->epilogue;
  if (!e || e->activation <= CLIP) return;
  for (int64_t row = 0; row < call->repeat; ++row) finish<V>(call->out + row * call->out_repeat, 0, 1, call->count, e);
}

/* A row of the source, split into streams: tiles side by side are lanes. */
template <class V, int POINTS, int OUTPUTS>
void winograd_data_row(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  for (int64_t row = 0; row < call->repeat; ++row) {
    const T *const in = call->in + row * call->in_repeat;
    T *const out = call->out + row * call->out_repeat;
    for (int64_t t = 0; t < call->count; t += V::lanes) {
      V d[POINTS], v[POINTS];
      CONVKIT_UNROLL
      for (int u = 0; u < POINTS; ++u) {
        d[u] = V::load(in + u % OUTPUTS * call->in_step + u / OUTPUTS * call->inner + t);
      }
      transform_data<V, POINTS>(d, v);
      CONVKIT_UNROLL
      for (int p = 0; p < POINTS; ++p) V::store(out + p * call->out_step + t, v[p]);
    }
  }
}

/* The other axis: the elements of a tile lie at offsets, and lanes are what they are. */
template <class V, int POINTS>
void winograd_data_columns(const WinogradCall<typename V::Element> *call) {
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

/* Bias and clipping of one result vector; other activations follow the store. */
template <class V>
struct WinogradFinish {
  const Epilogue<typename V::Element> *epilogue;
  bool in_registers, clips;
  V low, high, bias;

  explicit WinogradFinish(const Epilogue<typename V::Element> *e) : epilogue(e) {
    in_registers = e && e->activation <= CLIP;
    clips = in_registers && e->activation == CLIP;
    low = V::set(clips ? e->a : 0);
    high = V::set(clips ? e->b : 0);
    bias = V::set(e && e->bias && !e->channels_in_lanes ? *e->bias : 0);
  }
  void at(int64_t channel, int64_t count) {
    if (!in_registers || !epilogue->bias || !epilogue->channels_in_lanes) return;
    bias = load_some<V>(epilogue->bias + channel, int32_t(count < V::lanes ? count : V::lanes));
  }
  CONVKIT_INLINE V operator()(V x) const {
    if (!in_registers) return x;
    x = V::add(x, bias);
    return clips ? V::min(high, V::max(low, x)) : x;
  }
};

/* Results of a row of tiles, all of one channel, as streams; other activations follow when they are merged. */
template <class V, int POINTS, int OUTPUTS>
void winograd_result_row(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  const WinogradFinish<V> finish_vector(call->epilogue);
  for (int64_t row = 0; row < call->repeat; ++row) {
    const T *const in = call->in + row * call->in_repeat;
    T *const out = call->out + row * call->out_repeat;
    for (int64_t t = 0; t < call->count; t += V::lanes) {
      V v[POINTS], y[OUTPUTS];
      CONVKIT_UNROLL
      for (int p = 0; p < POINTS; ++p) v[p] = V::load(in + p * call->in_step + t);
      transform_result<V, POINTS, OUTPUTS>(v, y);
      CONVKIT_UNROLL
      for (int i = 0; i < OUTPUTS; ++i) V::store(out + i * call->out_step + t, finish_vector(y[i]));
    }
  }
}

/* Lanes stay where they are: one output `out_step` after the other, exactly `count` lanes of the first `outputs`. */
template <class V, int POINTS, int OUTPUTS>
void winograd_result_columns(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  WinogradFinish<V> finish_vector(call->epilogue);
  for (int64_t r = 0; r < call->repeat; ++r) {
    const T *const in = call->in + r * call->in_repeat;
    T *const out = call->out + r * call->out_repeat;
    for (int64_t t = 0; t < call->count; t += V::lanes) {
      V v[POINTS], y[OUTPUTS];
      CONVKIT_UNROLL
      for (int p = 0; p < POINTS; ++p) v[p] = V::load(in + p * call->in_step + t);
      transform_result<V, POINTS, OUTPUTS>(v, y);
      const int32_t count = call->count - t < V::lanes ? int32_t(call->count - t) : V::lanes;
      finish_vector.at(t, count);
      CONVKIT_UNROLL
      for (int i = 0; i < OUTPUTS; ++i) {
        if (i < call->outputs) store_some<V>(out + i * call->out_step + t, finish_vector(y[i]), count);
      }
    }
    if (call->epilogue && !finish_vector.in_registers) {
      finish<V>(out, call->out_step, call->outputs, call->count, call->epilogue);
    }
  }
}

/* The filter transform, in float64: rows of a panel in lanes. */
template <class V, typename T>
void winograd_filter(const WinogradFilterCall<T> *call) {
  constexpr int64_t parts = kFilterRows / V::lanes;
  double half[kMostPoints * kMostTaps][kFilterRows];
  const auto sum = [](const double *entries, int64_t taps, const double(*from)[kFilterRows], int64_t apart, V *x) {
    CONVKIT_UNROLL
    for (int64_t v = 0; v < parts; ++v) x[v] = V::set(0);
    for (int64_t i = 0; i < taps; ++i) {
      if (entries[i] == 0) continue; /* 0 times infinity is not a term */
      const V entry = V::set(entries[i]);
      CONVKIT_UNROLL
      for (int64_t v = 0; v < parts; ++v) {
        x[v] = V::multiply_add(entry, V::load(from[i * apart] + v * V::lanes), x[v]);
      }
    }
  };
  for (int64_t p = 0; p < call->y_points; ++p) {
    for (int64_t j = 0; j < call->x_taps; ++j) {
      V x[parts];
      sum(call->y[p], call->y_taps, call->filter + j, call->x_taps, x);
      CONVKIT_UNROLL
      for (int64_t v = 0; v < parts; ++v) V::store(half[p * call->x_taps + j] + v * V::lanes, x[v]);
    }
  }
  T *out = call->out;
  for (int64_t p = 0; p < call->y_points; ++p) {
    for (int64_t q = 0; q < call->x_points; ++q, out += call->out_step) {
      V x[parts];
      double whole[kFilterRows];
      sum(call->x[q], call->x_taps, half + p * call->x_taps, 1, x);
      CONVKIT_UNROLL
      for (int64_t v = 0; v < parts; ++v) V::store(whole + v * V::lanes, x[v]);
      if (call->rows == kFilterRows) {
        for (int64_t r = 0; r < kFilterRows; ++r) out[r] = static_cast<T>(whole[r]);
      } else {
        for (int64_t r = 0; r < call->rows; ++r) out[r] = static_cast<T>(whole[r]);
      }
    }
  }
}

template <class V>
struct WinogradTable {
  using T = typename V::Element;
  using Transform = void (*)(const WinogradCall<T> *);
  static constexpr Transform split[kWinogradSchemes] = {nullptr,
                                                        winograd_split<V, 2>,
                                                        winograd_split<V, 3>,
                                                        winograd_split<V, 3>,
                                                        winograd_split<V, 4>,
                                                        winograd_split<V, 5>,
                                                        winograd_split<V, 3>,
                                                        winograd_split<V, 4>};
  static constexpr Transform merge[kWinogradSchemes] = {
      winograd_merge<V, 1>, winograd_merge<V, 2>, winograd_merge<V, 3>, winograd_merge<V, 3>,
      winograd_merge<V, 4>, winograd_merge<V, 5>, winograd_merge<V, 3>, winograd_merge<V, 4>};
  static constexpr Transform data_row[kWinogradSchemes] = {
      winograd_data_row<V, 1, 1>, winograd_data_row<V, 4, 2>, winograd_data_row<V, 4, 3>, winograd_data_row<V, 5, 3>,
      winograd_data_row<V, 6, 4>, winograd_data_row<V, 6, 5>, winograd_data_row<V, 6, 3>, winograd_data_row<V, 7, 4>};
  static constexpr Transform data_columns[kWinogradSchemes] = {
      winograd_data_columns<V, 1>, winograd_data_columns<V, 4>, winograd_data_columns<V, 4>,
      winograd_data_columns<V, 5>, winograd_data_columns<V, 6>, winograd_data_columns<V, 6>,
      winograd_data_columns<V, 6>, winograd_data_columns<V, 7>};
  static constexpr Transform result_row[kWinogradSchemes] = {
      winograd_result_row<V, 1, 1>, winograd_result_row<V, 4, 2>, winograd_result_row<V, 4, 3>,
      winograd_result_row<V, 5, 3>, winograd_result_row<V, 6, 4>, winograd_result_row<V, 6, 5>,
      winograd_result_row<V, 6, 3>, winograd_result_row<V, 7, 4>};
  static constexpr Transform result_columns[kWinogradSchemes] = {
      winograd_result_columns<V, 1, 1>, winograd_result_columns<V, 4, 2>, winograd_result_columns<V, 4, 3>,
      winograd_result_columns<V, 5, 3>, winograd_result_columns<V, 6, 4>, winograd_result_columns<V, 6, 5>,
      winograd_result_columns<V, 6, 3>, winograd_result_columns<V, 7, 4>};
};

/* out = `left` zeros, `count` elements `step` apart, zeros up to `width`. Up to a vector behind it is spoilt. */
template <class V>
void pad_row(typename V::Element *out, int64_t left, const typename V::Element *source, int64_t step, int64_t count,
             int64_t width) {
  const V zero = V::set(0);
  for (int64_t x = 0; x < left; x += V::lanes) V::store(out + x, zero);
  copy_rows<V>(out + left, 0, source, 0, step, count, 1);
  for (int64_t x = left + count; x < width; x += V::lanes) V::store(out + x, zero);
}

template <class V, class Wide>
constexpr WinogradSet<typename V::Element> winograd_set() {
  using Table = WinogradTable<V>;
  return {Table::split,
          Table::data_row,
          Table::data_columns,
          Table::result_row,
          Table::result_columns,
          Table::merge,
          winograd_filter<Wide, typename V::Element>,
          pad_row<V>};
}
