#include "pack_matrix.h"

#include <string.h>

#include "../util/numbers.h"
#include "transpose.h"

namespace convkit {
namespace {

/* Any axes, and the ragged ends of the fast ways below. */
template <typename T>
void pack_each(const Matrix<T> &m, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms, int64_t step,
               T *out) {
  for (int64_t i = 0; i < rows; ++i) {
    const T *const row = m.data + m.row.at(first_row + i);
    int64_t outer = first_term / m.term.inner, inner = first_term % m.term.inner;
    for (int64_t k = 0; k < terms; ++k) {
      out[k * step + i] = row[outer * m.term.outer_step + inner * m.term.inner_step];
      if (++inner == m.term.inner) inner = 0, ++outer;
    }
  }
}

/* Neighbouring rows are neighbours in memory: each term is a copy. */
template <typename T>
void pack_along_rows(const Matrix<T> &m, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms,
                     int64_t step, T *out) {
  for (int64_t k = 0; k < terms; ++k) {
    const T *const source = m.data + first_row + m.term.at(first_term + k);
    memcpy(out + k * step, source, static_cast<size_t>(rows) * sizeof(T));
  }
}

/* Neighbouring terms are neighbours in memory: 4 x 4 transposes, then what is left over. */
template <typename T>
void pack_along_terms(const Matrix<T> &m, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms,
                      int64_t step, T *out) {
  const int64_t whole_rows = rows - rows % 4, whole_terms = terms - terms % 4;
  for (int64_t i = 0; i < whole_rows; i += 4) {
    const T *row[4];
    for (int r = 0; r < 4; ++r) row[r] = m.data + m.row.at(first_row + i + r) + first_term;
    for (int64_t k = 0; k < whole_terms; k += 4) {
      transpose4(row, out + k * step + i, step);
      for (int r = 0; r < 4; ++r) row[r] += 4;
    }
  }
  pack_each(m, first_row, whole_rows, first_term + whole_terms, terms - whole_terms, step, out + whole_terms * step);
  pack_each(m, first_row + whole_rows, rows - whole_rows, first_term, terms, step, out + whole_rows);
}

}  // namespace

template <typename T>
void pack_panel(const Matrix<T> &matrix, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms,
                int64_t step, T *out) {
  if (matrix.term.is_plain(1)) {
    pack_along_terms(matrix, first_row, rows, first_term, terms, step, out);
  } else if (matrix.row.is_plain(1)) {
    pack_along_rows(matrix, first_row, rows, first_term, terms, step, out);
  } else {
    pack_each(matrix, first_row, rows, first_term, terms, step, out);
  }
  const int64_t filled = smaller(step, round_up(rows, 16)); /* whole vectors are read, no more */
  if (rows == filled) return;
  for (int64_t k = 0; k < terms; ++k) memset(out + k * step + rows, 0, static_cast<size_t>(filled - rows) * sizeof(T));
}

template void pack_panel(const Matrix<float> &, int64_t, int64_t, int64_t, int64_t, int64_t, float *);
template void pack_panel(const Matrix<double> &, int64_t, int64_t, int64_t, int64_t, int64_t, double *);

}  // namespace convkit
