/* The filter transform of the Winograd algorithm (contract in kernel_table.h). It is the only one done with matrices;
 * rows of a panel are its lanes. */

/* out[p * out_step + r] = sum of matrix[p][i] * in[i * step + r] over the taps, for r < count; `repeat` times. The
 * first point is 0 and the last infinity, which have one tap each: 0 times infinity is not a term. The rows of a pair
 * of points, a and -a, differ in the signs of odd taps; and by a factor, where another point is alone.
 * TAPS: so many, or 0: as the axis says. */
template <class V, int TAPS>
CONVKIT_NO_INLINE void filter_axis(const WinogradFilterAxis<typename V::Element> &axis, const typename V::Element *in,
                                   int64_t step, int64_t count, int64_t repeat, int64_t in_repeat,
                                   typename V::Element *out, int64_t out_step, int64_t out_repeat) {
  static_assert(kFilterTaps == 4, "four taps have names");
  const auto *const matrix = axis.matrix;
  const int32_t points = axis.points, taps = TAPS > 0 ? TAPS : axis.taps;
  const bool scaled = points % 2 == 1;
  for (int64_t n = 0; n < repeat; ++n, in += in_repeat, out += out_repeat) {
    for (int64_t r = 0; r < count; r += V::lanes) {
      const V zero = V::set(0), a = V::load(in + r), b = taps > 1 ? V::load(in + r + step) : zero;
      const V c = taps > 2 ? V::load(in + r + 2 * step) : zero, d = taps > 3 ? V::load(in + r + 3 * step) : zero;
      auto *to = out + r;
      V::store(to, V::multiply(V::set(matrix[0][0]), a));
      if (points == 1) continue;
      for (int32_t p = 1; p + 1 < points; p += 2) {
        const auto *const row = matrix[p];
        V even = V::multiply(V::set(row[0]), a), odd = V::multiply(V::set(row[1]), b);
        if (taps > 2) even = V::multiply_add(V::set(row[2]), c, even);
        if (taps > 3) odd = V::multiply_add(V::set(row[3]), d, odd);
        V::store(to += out_step, V::add(even, odd));
        if (p + 2 == points) break; /* the point that is alone */
        V difference = V::subtract(even, odd);
        if (scaled) difference = V::multiply(V::set(matrix[p + 1][0]), difference);
        V::store(to += out_step, difference);
      }
      V::store(to + out_step, taps > 3 ? d : taps > 2 ? c : b);
    }
  }
}

template <class V, typename... Rest>
void filter_axis(const WinogradFilterAxis<typename V::Element> &axis, Rest... rest) {
  (axis.taps == 3 ? filter_axis<V, 3> : filter_axis<V, 0>)(axis, rest...);
}

template <class V>
void winograd_filter(const WinogradFilterCall<typename V::Element> *call) {
  using T = typename V::Element;
  T half[kMostPoints * kFilterTaps * kFilterRows], room[kMostPoints * kMostPoints * kFilterRows];
  const WinogradFilterAxis<T> &y = call->y, &x = call->x;
  const int64_t row = int64_t(x.taps) * kFilterRows;
  const bool whole = call->rows == kFilterRows;
  T *const to = whole ? call->out : room;
  const int64_t to_step = whole ? call->out_step : int64_t(kFilterRows);
  for (int64_t n = 0; n < call->repeat; ++n) {
    filter_axis<V>(y, call->filter + n * y.taps * row, row, row, int64_t(1), int64_t(0), half, row, int64_t(0));
    filter_axis<V>(x, half, int64_t(kFilterRows), int64_t(kFilterRows), int64_t(y.points), row,
                   whole ? to + n * call->out_repeat : to, to_step, x.points * to_step);
    if (whole) continue;
    T *const out = call->out + n * call->out_repeat;
    for (int64_t p = 0; p < int64_t(y.points) * x.points; ++p) {
      for (int64_t r = 0; r < call->rows; ++r) out[p * call->out_step + r] = room[p * kFilterRows + r];
    }
  }
}
