/* A block of a matrix from one layout to another: the copies at both ends of a direct convolution. */
#ifndef CONVKIT_GEMM_MOVE_BLOCK_H
#define CONVKIT_GEMM_MOVE_BLOCK_H

#include <stdint.h>

#include "../util/numbers.h"
#include "transpose.h"

namespace convkit {

/* place(k)[i] = row(i)[k] for i < rows, k < count: rows of memory become columns.
 *
 * Sixteen rows at a time, a cache line of each: every line of either side is moved whole while it is in the first-level
 * cache, whatever the steps. Four by four inside; where that does not divide the extents, the last four overlap the
 * ones before. What lies `ahead` elements further is fetched, for it will be asked for next. */
template <typename T, typename Row, typename Place>
void turn_rows(int64_t rows, int64_t count, const Row &row, int64_t ahead, const Place &place) {
  constexpr int64_t kRows = 16, kLine = 64 / sizeof(T);
  if (rows < 4 || count < 4) {
    for (int64_t i = 0; i < rows; ++i) {
      const T *const from = row(i);
      for (int64_t k = 0; k < count; ++k) place(k)[i] = from[k];
    }
    return;
  }
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t end = smaller(first + kRows, rows);
    for (int64_t line = 0; line < count; line += kLine) {
      const int64_t line_end = smaller(line + kLine, count);
      for (int64_t i = first; ahead != 0 && i < end; ++i) fetch_early(row(i) + line + ahead);
      for (int64_t four = first; four < end; four += 4) {
        const int64_t i = smaller(four, rows - 4);
        const T *const a = row(i), *const b = row(i + 1), *const c = row(i + 2), *const d = row(i + 3);
        const auto turn = [&](int64_t k) {
          const T *const from[4] = {a + k, b + k, c + k, d + k};
          T *const out[4] = {place(k) + i, place(k + 1) + i, place(k + 2) + i, place(k + 3) + i};
          transpose4(from, out);
        };
        int64_t k = line;
        for (; k + 4 <= line_end; k += 4) turn(k);
        if (k < line_end) turn(count - 4);
      }
    }
  }
}

/* out[j * out_step + i] = in[i * in_step + j], by the kernel of an instruction set where there is enough of it. */
template <typename T>
void turn_block(int64_t rows, int64_t columns, const T *in, int64_t in_step, T *out, int64_t out_step,
                int64_t ahead = 0);

/* out[i * out_row + j * out_column] = in[i * in_row + j * in_column]: copied where both have neighbours in one
 * direction, turned where in different ones. */
template <typename T>
void move_block(int64_t rows, int64_t columns, const T *in, int64_t in_row, int64_t in_column, T *out, int64_t out_row,
                int64_t out_column);

}  // namespace convkit
#endif
