/* Packed weights that come from beyond the second-level cache, on time.
 *
 * A block of weights serves a few tiles, one after the other, and then the next block does. The first tile would wait
 * for its weights, the others find them in the cache. So all tiles of a block fetch a share of the next, some cache
 * lines of every term, and memory is as busy as the multiply-adds are:
 *
 *     block        0           1           2
 *     tiles        a  b  c  d  a  b  c  d  a ...
 *     fetched      1  1  1  1  2  2  2  2  3 ...                                                                  */
#ifndef CONVKIT_GEMM_WEIGHT_FETCH_H
#define CONVKIT_GEMM_WEIGHT_FETCH_H

#include "../kernels/kernel_table.h"
#include "../util/numbers.h"

namespace convkit {

/* Weights that do not stay in the second-level cache from one call to the next. */
constexpr int64_t kFarWeights = 1 << 20;

template <typename T>
class WeightFetch {
 public:
  /* Nothing is fetched. */
  WeightFetch() = default;

  /* The next block, of so many elements, for so many tiles of some terms. */
  WeightFetch(const T *next, int64_t elements, int64_t terms, int64_t tiles)
      : next_(next), step_(ceil_div(elements, terms)) {
    if (tiles < 2) return; /* it would wait for both */
    const int64_t lines = ceil_div(step_, kLine);
    lines_ = ceil_div(lines, tiles);
    later_ = tiles - ceil_div(lines, lines_);
  }

  /* For each tile in turn: what it fetches. */
  void of_tile(TileCall<T> *call) {
    if (lines_ == 0 || later_-- > 0) return;
    call->fetched = next_;
    call->fetched_lines = lines_;
    call->fetched_step = step_;
    next_ += lines_ * kLine;
  }

 private:
  static constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  const T *next_ = nullptr;
  int64_t step_ = 0, lines_ = 0, later_ = 0; /* lines of a term for each tile; tiles before the first that fetches */
};

}  // namespace convkit
#endif
