/* The filter transform of the Winograd algorithm (contract in kernel_table.h). It is the only one done with matrices:
 * in float64, once for each kernel, for rows of a panel side by side. */

/* V is a vector of float64; rows of a panel are its lanes. */
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
      if (call->rows == kFilterRows) { /* as a rule, and vectorized */
        for (int64_t r = 0; r < kFilterRows; ++r) out[r] = static_cast<T>(whole[r]);
      } else {
        for (int64_t r = 0; r < call->rows; ++r) out[r] = static_cast<T>(whole[r]);
      }
    }
  }
}
