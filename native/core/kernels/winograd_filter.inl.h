/* The filter transform of the Winograd algorithm (contract in kernel_table.h). It is the only one done with matrices;
 * rows of a panel are its lanes. */

/* out[p * out_step + r] = sum of matrix[p][i] * in[i * step + r] over the taps, for r < count; `repeat` times. The
 * first point is 0 and the last infinity, which have one tap each: 0 times infinity is not a term. The rows of a pair
 * of points, a and -a, differ in the signs of odd taps; and by a factor, where another point is alone. */
template <class V, int TAPS>
void filter_axis(const WinogradFilterAxis<typename V::Element> &axis, const typename V::Element *in, int64_t step,
                 int64_t count, int64_t repeat, int64_t in_repeat, typename V::Element *out, int64_t out_step,
                 int64_t out_repeat) {
  const auto *const matrix = axis.matrix;
  const bool scaled = axis.points % 2 == 1;
  for (int64_t n = 0; n < repeat; ++n, in += in_repeat, out += out_repeat) {
    for (int64_t r = 0; r < count; r += V::lanes) {
      V tap[TAPS];
      CONVKIT_UNROLL
      for (int i = 0; i < TAPS; ++i) tap[i] = V::load(in + r + i * step);
      auto *to = out + r;
      V::store(to, V::multiply(V::set(matrix[0][0]), tap[0]));
      int32_t p = 1;
      for (; p + 2 < axis.points; p += 2) {
        V even = V::multiply(V::set(matrix[p][0]), tap[0]), odd = V::set(0);
        if (TAPS > 1) odd = V::multiply(V::set(matrix[p][1]), tap[1]);
        if (TAPS > 2) even = V::multiply_add(V::set(matrix[p][2]), tap[2], even);
        if (TAPS > 3) odd = V::multiply_add(V::set(matrix[p][3]), tap[3], odd);
        V::store(to += out_step, V::add(even, odd));
        V difference = V::add(even, V::negate(odd));
        if (scaled) difference = V::multiply(V::set(matrix[p + 1][0]), difference);
        V::store(to += out_step, difference);
      }
      if (p + 1 < axis.points) {
        V x = V::multiply(V::set(matrix[p][0]), tap[0]);
        CONVKIT_UNROLL
        for (int i = 1; i < TAPS; ++i) x = V::multiply_add(V::set(matrix[p][i]), tap[i], x);
        V::store(to += out_step, x);
      }
      if (axis.points > 1) V::store(to + out_step, tap[TAPS - 1]);
    }
  }
}

template <class V, typename... Rest>
void filter_axis(const WinogradFilterAxis<typename V::Element> &axis, Rest... rest) {
  static_assert(kFilterTaps == 4, "one case for each number of taps");
  switch (axis.taps) {
    case 1:
      return filter_axis<V, 1>(axis, rest...);
    case 2:
      return filter_axis<V, 2>(axis, rest...);
    case 3:
      return filter_axis<V, 3>(axis, rest...);
    default:
      return filter_axis<V, 4>(axis, rest...);
  }
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
