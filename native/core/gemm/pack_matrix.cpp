#include "pack_matrix.h"

#include "../util/numbers.h"
#include "copy.h"
#include "transpose.h"

namespace convkit {
namespace {

/* Walks along an axis without a division for each step. */
class Walk {
 public:
  Walk(const Axis &axis, int64_t first) : axis_(axis), outer_(first / axis.inner), inner_(first % axis.inner) {}
  int64_t offset() const { return outer_ * axis_.outer_step + inner_ * axis_.inner_step; }
  void next() {
    if (++inner_ == axis_.inner) inner_ = 0, ++outer_;
  }

 private:
  const Axis axis_;
  int64_t outer_, inner_;
};

/* Any axes, and the ragged ends of the fast ways below. */
template <typename T>
void pack_each(const Matrix<T> &m, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms, int64_t step,
               T *out) {
  Walk term(m.term, first_term);
  for (int64_t k = 0; k < terms; ++k, term.next()) {
    const T *const source = m.data + term.offset();
    Walk row(m.row, first_row);
    for (int64_t i = 0; i < rows; ++i, row.next()) out[k * step + i] = source[row.offset()];
  }
}

/* Neighbouring rows are neighbours in memory: each term is a copy. */
template <typename T>
void pack_along_rows(const Matrix<T> &m, int64_t first_row, int64_t rows, int64_t first_term, int64_t terms,
                     int64_t step, T *out) {
  Walk term(m.term, first_term);
  for (int64_t k = 0; k < terms; ++k, term.next()) copy_run(m.data + first_row + term.offset(), rows, out + k * step);
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
  for (int64_t k = 0; k < terms; ++k) fill_zeros(out + k * step + rows, filled - rows);
}

template void pack_panel(const Matrix<float> &, int64_t, int64_t, int64_t, int64_t, int64_t, float *);
template void pack_panel(const Matrix<double> &, int64_t, int64_t, int64_t, int64_t, int64_t, double *);

}  // namespace convkit
