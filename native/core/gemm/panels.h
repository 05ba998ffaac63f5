/* What is packing?
 *
 * A tile wants the operands of one step k side by side. So a matrix of rows x terms is cut into panels of
 * `width` rows, and a panel is stored term by term, each term `step` elements after the one before:
 *
 *        rows of the matrix                      one packed panel, width 3, step 4
 *     r0:  a0 a1 a2 ...                          a0 b0 c0 0   a1 b1 c1 0   a2 b2 c2 0  ...
 *     r1:  b0 b1 b2 ...            ->            k = 0        k = 1        k = 2
 *     r2:  c0 c1 c2 ...
 *
 * The copy is read many times (each row by all columns of the result) at full speed and in order, which
 * pays for it. A panel for the broadcast side is as wide as the tile is high (MR); one for the lane side is as wide
 * as the tile (NR). What lies between width and step is zero, so whole vectors can be read.
 *
 * Buffers that hold one chunk of pixels need no panels on the lane side: their rows have one common
 * pitch, and a panel is a column range of it. */
#ifndef CONVKIT_GEMM_PANELS_H
#define CONVKIT_GEMM_PANELS_H

#include "../util/numbers.h"

namespace convkit {

struct Panels {
  int64_t count;
  int32_t width; /* rows of a full panel */
  int32_t step;  /* from one term to the next */
};

/* Heights are balanced: 64 rows under MR = 14 become five panels of 13, not four of 14 and one of 8. */
inline Panels broadcast_panels(int64_t rows, int32_t most) {
  const int64_t width = balanced(rows, most);
  return {ceil_div(rows, width), static_cast<int32_t>(width), static_cast<int32_t>(round_up(width, 4))};
}

/* Elements that `rows` rows or fewer take per term, in any balance. */
inline int64_t panels_room(int64_t rows, int32_t most) { return ceil_div(rows, most) * round_up(most, 4); }

inline Panels lane_panels(int64_t rows, int32_t most, int32_t lanes) {
  const int32_t width = static_cast<int32_t>(smaller(most, round_up(rows, lanes)));
  return {ceil_div(rows, width), width, width};
}

/* The pitch of a row buffer of `count` elements: room for whole vectors (at most 16 lanes), and not a power of two, so
 * that rows do not fall onto the same cache sets. */
inline int64_t row_pitch(int64_t count) { return round_up(count, 16) + 16; }

}  // namespace convkit
#endif
