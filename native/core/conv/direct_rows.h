/* Few result channels behind many source channels (the last layer of a decoder, a mask, a score): tiles of image rows.
 *
 * A tile of the GEMM kind has one row for each result channel. With one or two of them, each vector of pixels is loaded
 * for one or two multiply-adds, and since most vectors straddle cache lines, loads take longer than products. But
 * neighbouring rows of the *image* read the same source rows:
 *
 *     source row   0     1     2     3     4        three rows of the result, three taps along y: five vectors loaded
 *     result 0     w0    w1    w2                   for nine products
 *     result 1           w0    w1    w2
 *     result 2                 w0    w1    w2
 *
 * This is the tile of depthwise convolution (kernels/depthwise.inl.h), with the channels as planes of a deeper kernel.
 * The chain of a result stays the same: channels outer, taps inner. Each panel is one row of the product, so that its
 * weights lie as this tile wants them. */
#ifndef CONVKIT_CONV_DIRECT_ROWS_H
#define CONVKIT_CONV_DIRECT_ROWS_H

#include "direct_boxes.h"

struct ck_plan;

namespace convkit {

/* A single result channel; with two, tiles of the GEMM kind are as fast. */
constexpr int64_t kImageRowChannels = 1;
/* Taps along y of a phase, on average: with two, what is saved is small against the shorter runs. */
constexpr int64_t kLeastRowTaps = 3;

/* The taps along y must read neighbouring rows of one plane, and the weights of a panel fit into `most_bytes`. */
bool can_go_by_rows(const DirectForm &form, int64_t element_bytes);

/* Rows of the image in a tile, for a product with so many taps along y. */
inline int64_t image_rows(int64_t taps) { return clamp(taps, 1, kDepthwiseRows); }

/* One panel of one product. Steps of the result along z, y and x. */
template <typename T>
struct RowsWork {
  const T *weights, *grid;
  T *result;
  int64_t z, y, x;
  const Epilogue<T> *epilogue;
};

/* All positions of a box. */
template <typename T>
void multiply_rows(const DirectForm &form, const DirectProduct &product, const DirectBox &box, const RowsWork<T> &work,
                   const DepthwiseSet<T> &kernels, int64_t lanes);

/* With few channels in the result, the adjoint of im2col may be faster: its columns are a row for each tap, so tiles
 * are full, and adding them up costs little behind many channels. Null, or this reason. */
const char *columns_pay(ck_plan *plan);

}  // namespace convkit
#endif
