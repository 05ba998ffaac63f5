#include "move_block.h"

#include "../cpu/dispatch.h"
#include "../kernels/sets_of.h"
#include "copy.h"

namespace convkit {
namespace {

/* Four rows of four columns each, for all columns but the last few. */
template <typename T>
int64_t turn_four(int64_t columns, const T *in, int64_t in_step, T *out, int64_t out_step) {
  const T *a = in, *b = in + in_step, *c = in + 2 * in_step, *d = in + 3 * in_step;
  int64_t j = 0;
  for (; j + 4 <= columns; j += 4) {
    const T *const four[4] = {a, b, c, d};
    transpose4(four, out, out_step);
    a += 4, b += 4, c += 4, d += 4, out += 4 * out_step;
  }
  return j;
}

}  // namespace

template <typename T>
void turn_block(int64_t rows, int64_t columns, const T *in, int64_t in_step, T *out, int64_t out_step, int64_t ahead) {
  constexpr int64_t kRows = 16, kLine = 64 / sizeof(T);
  const TileSet<T> &tiles = tiles_of<T>(*kernel_table(0)); /* bytes are the same on all */
  if (tiles.turn && rows >= tiles.lanes && columns >= tiles.lanes)
    return tiles.turn(rows, columns, in, in_step, out, out_step, ahead);
  if (rows == out_step && rows > 1 && rows <= 4) {
    return depthwise_of<T>(*kernel_table(0)).interleave(in, in_step, rows, columns, out);
  }
  if (rows < 4 || columns < 4) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) out[j * out_step + i] = in[i * in_step + j];
    }
    return;
  }
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t end = smaller(first + kRows, rows);
    for (int64_t line = 0; line < columns; line += kLine) {
      const int64_t count = smaller(kLine, columns - line);
      for (int64_t i = first; ahead != 0 && i < end; ++i) fetch_ahead(in + i * in_step + line + ahead);
      for (int64_t next = first; next < end; next += 4) {
        const int64_t i = smaller(next, rows - 4);
        const T *const from = in + i * in_step;
        T *const to = out + i;
        const int64_t done = turn_four(count, from + line, in_step, to + line * out_step, out_step);
        if (done < count) turn_four(4, from + columns - 4, in_step, to + (columns - 4) * out_step, out_step);
      }
    }
  }
}

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

template void turn_block(int64_t, int64_t, const float *, int64_t, float *, int64_t, int64_t);
template void turn_block(int64_t, int64_t, const double *, int64_t, double *, int64_t, int64_t);
template void move_block(int64_t, int64_t, const float *, int64_t, int64_t, float *, int64_t, int64_t);
template void move_block(int64_t, int64_t, const double *, int64_t, int64_t, double *, int64_t, int64_t);

}  // namespace convkit
