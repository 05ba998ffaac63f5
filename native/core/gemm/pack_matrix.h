/* Packs weights and features (see panels.h). */
#ifndef CONVKIT_GEMM_PACK_MATRIX_H
#define CONVKIT_GEMM_PACK_MATRIX_H

#include <stdint.h>

namespace convkit {

/* How a row or a term of a matrix lies in memory. A composite index such as (channel, tap) has two
 * steps: i counts `inner` elements before the outer one moves on. */
struct Axis {
  int64_t inner, inner_step, outer_step;

  static Axis plain(int64_t step) { return {INT64_MAX, step, 0}; }
  static Axis composite(int64_t inner, int64_t inner_step, int64_t outer_step) {
    if (outer_step == inner * inner_step) return plain(inner_step);
    return {inner, inner_step, outer_step};
  }
  int64_t at(int64_t i) const { return i / inner * outer_step + i % inner * inner_step; }
  bool is_plain(int64_t step) const { return inner == INT64_MAX && inner_step == step; }
};

template <typename T>
struct Matrix {
  const T *data; /* of row 0, term 0 */
  Axis row, term;
};

/* out[(k - first_term) * step + i] = matrix(first_row + i, k), and zeros behind the last row, up to a
 * whole vector or to step. */
template <typename T>
void pack_panel(const Matrix<T> &matrix, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms,
                int64_t step, T *out);

}  // namespace convkit
#endif
