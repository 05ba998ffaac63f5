/* What a tile fetches into the cache for later ones.
 *
 * Weights: a block of them serves a few tiles, one after the other, and then the next block does. If they come from
 * beyond the second-level cache, the first tile would wait for them, the others find them there. So the tiles of a
 * block fetch the next one, a share of the cache lines of every term each, and memory is as busy as the multiply-adds
 * are:
 *
 *     block        0           1           2
 *     tiles        a  b  c  d  a  b  c  d  a ...
 *     fetched      1  1  1  1  2  2  2  2  3 ...
 *
 * A source that is read in place: each tile of a run fetches what a later one will read. */
#ifndef CONVKIT_GEMM_TILE_FETCH_H
#define CONVKIT_GEMM_TILE_FETCH_H

#include "../kernels/kernel_table.h"
#include "../util/numbers.h"

namespace convkit {

/* Weights that do not stay in the second-level cache from one call to the next. */
constexpr int64_t kFarWeights = 1 << 20;

template <typename T>
class TileFetch {
 public:
  static constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));

  /* Nothing is fetched. */
  TileFetch() = default;

  /* The next block, of so many elements, by so many tiles of some terms. */
  static TileFetch of_weights(const T *next, int64_t elements, int64_t terms, int64_t tiles) {
    TileFetch fetch;
    if (tiles < 2) return fetch; /* a single tile would wait for both blocks */
    const int64_t step = ceil_div(elements, terms), lines = ceil_div(step, kLine), share = ceil_div(lines, tiles);
    fetch.next_ = next;
    fetch.step_ = step;
    fetch.lines_ = share;
    fetch.advance_ = share * kLine;
    fetch.later_ = tiles - ceil_div(lines, share);
    return fetch;
  }

  /* The tiles of a run that begins at `first`, so many elements each, whose terms are `step` apart. Two tiles ahead: of
   * the next, the cache line that its last elements share with the tile behind it would not be fetched. */
  static TileFetch of_run(const T *first, int64_t width, int64_t step) {
    TileFetch fetch;
    fetch.next_ = first + 2 * width;
    fetch.step_ = step;
    fetch.lines_ = ceil_div(width, kLine);
    fetch.advance_ = width;
    return fetch;
  }

  /* For each tile in turn. */
  void next_tile(TileCall<T> *call) {
    if (lines_ == 0 || later_-- > 0) return;
    call->fetched = next_;
    call->fetched_lines = lines_;
    call->fetched_step = step_;
    next_ += advance_;
  }

 private:
  const T *next_ = nullptr;
  int64_t step_ = 0, lines_ = 0; /* from term to term; of a term, by one tile */
  int64_t advance_ = 0;          /* from tile to tile */
  int64_t later_ = 0;            /* tiles before the first that fetches */
};

}  // namespace convkit
#endif
