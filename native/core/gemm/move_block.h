/* A block of a matrix from one layout to another: the copies at both ends of a direct convolution. */
#ifndef CONVKIT_GEMM_MOVE_BLOCK_H
#define CONVKIT_GEMM_MOVE_BLOCK_H

#include "copy.h"
#include "transpose.h"

namespace convkit {

/* out[j * out_step + i] = in[i * in_step + j], four by four. */
template <typename T>
void turn_block(int64_t rows, int64_t columns, const T *in, int64_t in_step, T *out, int64_t out_step) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
      const T *const here[4] = {in + i * in_step + j, in + (i + 1) * in_step + j, in + (i + 2) * in_step + j,
                                in + (i + 3) * in_step + j};
      transpose4(here, out + i + j * out_step, out_step);
    }
    for (; j < columns; ++j) {
      for (int64_t r = 0; r < 4; ++r) out[i + r + j * out_step] = in[(i + r) * in_step + j];
    }
  }
  for (; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) out[i + j * out_step] = in[i * in_step + j];
  }
}

/* out[i * out_row + j * out_column] = in[i * in_row + j * in_column]: copied where both have neighbours in one
 * direction, turned where in different ones. */
template <typename T>
void move_block(int64_t rows, int64_t columns, const T *in, int64_t in_row, int64_t in_column, T *out, int64_t out_row,
                int64_t out_column) {
  if (in_column == 1 && out_column == 1) {
    if (columns == 2) {
      for (int64_t i = 0; i < rows; ++i) memcpy(out + i * out_row, in + i * in_row, 2 * sizeof(T));
      return;
    }
    for (int64_t i = 0; i < rows; ++i) copy_run(in + i * in_row, columns, out + i * out_row);
  } else if (in_row == 1 && out_row == 1) {
    for (int64_t j = 0; j < columns; ++j) copy_run(in + j * in_column, rows, out + j * out_column);
  } else if (in_column == 1 && out_row == 1) {
    turn_block(rows, columns, in, in_row, out, out_column);
  } else if (in_row == 1 && out_column == 1) {
    turn_block(columns, rows, in, in_column, out, out_row);
  } else {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) out[i * out_row + j * out_column] = in[i * in_row + j * in_column];
    }
  }
}

}  // namespace convkit
#endif
