/* The filter transform of the Winograd algorithm (contract in kernel_table.h). It is the only one done with matrices:
 * in float64, once for each kernel. V is a vector of float64; rows of a panel are its lanes. */

template <class V>
CONVKIT_INLINE V load_wide(const double *p) {
  return V::load(p);
}
template <class V>
CONVKIT_INLINE V load_wide(const float *p) {
  return V::load_float(p);
}
template <class V>
CONVKIT_INLINE void store_narrow(double *p, V x) {
  V::store(p, x);
}
template <class V>
CONVKIT_INLINE void store_narrow(float *p, V x) {
  V::store_float(p, x);
}

/* out[p * out_apart + r] = sum of matrix[p][i] * in[i * apart + r] over the taps, for all rows. The first point is 0
 * and the last infinity, which have one tap each: 0 times infinity is not a term. */
template <class V, int TAPS, typename In, typename Out>
void filter_axis(const double (*matrix)[kFilterTaps], int64_t points, const In *in, int64_t apart, Out *out,
                 int64_t out_apart) {
  for (int64_t r = 0; r < kFilterRows; r += V::lanes, in += V::lanes, out += V::lanes) {
    V tap[TAPS];
    CONVKIT_UNROLL
    for (int i = 0; i < TAPS; ++i) tap[i] = load_wide<V>(in + i * apart);
    Out *to = out;
    store_narrow<V>(to, V::multiply(V::set(matrix[0][0]), tap[0]));
    for (int64_t p = 1; p + 1 < points; ++p) {
      V x = V::multiply(V::set(matrix[p][0]), tap[0]);
      CONVKIT_UNROLL
      for (int i = 1; i < TAPS; ++i) x = V::multiply_add(V::set(matrix[p][i]), tap[i], x);
      store_narrow<V>(to += out_apart, x);
    }
    if (points > 1) store_narrow<V>(to + out_apart, tap[TAPS - 1]);
  }
}

template <class V, typename In, typename Out>
void filter_axis(const WinogradFilterAxis &axis, const In *in, int64_t apart, Out *out, int64_t out_apart) {
  static_assert(kFilterTaps == 4, "one case for each number of taps");
  switch (axis.taps) {
    case 1:
      return filter_axis<V, 1>(axis.matrix, axis.points, in, apart, out, out_apart);
    case 2:
      return filter_axis<V, 2>(axis.matrix, axis.points, in, apart, out, out_apart);
    case 3:
      return filter_axis<V, 3>(axis.matrix, axis.points, in, apart, out, out_apart);
    default:
      return filter_axis<V, 4>(axis.matrix, axis.points, in, apart, out, out_apart);
  }
}

template <class V, typename T>
void winograd_filter(const WinogradFilterCall<T> *call) {
  double half[kMostPoints * kFilterTaps * kFilterRows];
  T room[kMostPoints * kFilterRows];
  const WinogradFilterAxis &y = call->y, &x = call->x;
  const int64_t half_row = int64_t(x.taps) * kFilterRows;
  const bool whole = call->rows == kFilterRows;
  for (int64_t n = 0; n < call->repeat; ++n) {
    const T *const filter = call->filter + n * y.taps * half_row;
    T *out = call->out + n * call->out_repeat;
    for (int64_t j = 0; j < half_row; j += kFilterRows) filter_axis<V>(y, filter + j, half_row, half + j, half_row);
    for (int64_t p = 0; p < y.points; ++p, out += x.points * call->out_step) {
      const double *const from = half + p * half_row;
      if (whole) {
        filter_axis<V>(x, from, kFilterRows, out, call->out_step);
        continue;
      }
      filter_axis<V>(x, from, kFilterRows, room, kFilterRows);
      for (int64_t q = 0; q < x.points; ++q) {
        for (int64_t r = 0; r < call->rows; ++r) out[q * call->out_step + r] = room[q * kFilterRows + r];
      }
    }
  }
}
