/* Products of rows that lie as they came, terms in lanes (contract in kernel_table.h).
 *
 *              k ->                      a sum is 64 bytes, in one vector or several, on every instruction set: lane l
 *     a0  |----|----|----|              of it adds up the terms k with k modulo lanes = l, in their order. At the end
 *     a1  |----|----|----|              the upper half is added to the lower one, and so on. */
template <class V, int ROWS, int COLUMNS>
CONVKIT_SHAPED void dots(const DotCall *call) {
  using T = typename V::Element;
  constexpr int lanes = 64 / int(sizeof(T)), parts = lanes / V::lanes;
  const T *a = call->a, *b = call->b, *fetched = call->fetched;
  const int64_t a_step = call->a_step, b_step = call->b_step;
  V sum[ROWS][COLUMNS][parts];
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    CONVKIT_UNROLL
    for (int c = 0; c < COLUMNS; ++c) {
      CONVKIT_UNROLL
      for (int v = 0; v < parts; ++v) sum[r][c][v] = V::set(T(0));
    }
  }
  for (int64_t k = 0; k < call->depth; k += lanes, a += lanes, b += lanes) {
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) {
      V column[COLUMNS];
      CONVKIT_UNROLL
      for (int c = 0; c < COLUMNS; ++c) column[c] = V::load(b + c * b_step + v * V::lanes);
      CONVKIT_UNROLL
      for (int r = 0; r < ROWS; ++r) {
        V row = V::load(a + r * a_step + v * V::lanes);
        CONVKIT_LOADED(row.v);
        CONVKIT_UNROLL
        for (int c = 0; c < COLUMNS; ++c) sum[r][c][v] = V::multiply_add(row, column[c], sum[r][c][v]);
      }
    }
    if (fetched) {
      CONVKIT_UNROLL
      for (int r = 0; r < ROWS; ++r) V::fetch(fetched + r * a_step);
      fetched += lanes;
    }
  }
  T all[ROWS * COLUMNS][lanes];
  CONVKIT_UNROLL
  for (int i = 0; i < ROWS * COLUMNS; ++i) {
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) V::store(all[i] + v * V::lanes, sum[i / COLUMNS][i % COLUMNS][v]);
  }
  for (int i = 0; i < ROWS * COLUMNS; ++i) {
    T *const s = all[i];
    for (int half = lanes / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) s[l] += s[l + half];
    }
    call->c[i / COLUMNS * call->c_step + i % COLUMNS] = s[0];
  }
}

template <class V, int ROWS, int COLUMNS>
constexpr DotSet dot_set() {
  if constexpr (ROWS > 0) {
    return {ROWS, COLUMNS, dots<V, ROWS, COLUMNS>, dots<V, ROWS, 1>};
  } else {
    return {};
  }
}
