/* Bundles: sequences side by side in the lanes of vectors.
 *
 *     sequences in memory (padding included)      bundle, 4 lanes: element by element
 *     a0 a1 a2 a3 ...                             a0 b0 c0 d0   a1 b1 c1 d1   a2 b2 c2 d2 ...
 *     b0 b1 b2 b3 ...              ->             even elements of a row are real parts, odd ones imaginary parts
 *     c0 c1 c2 c3 ...
 *     d0 d1 d2 d3 ...
 *
 * Elements of a row are collected a piece at a time and turned; where lanes are neighbours in memory (channels of a
 * channels-last map), they are copied as they are. */
#ifndef CONVKIT_CONV_FFT_LANES_H
#define CONVKIT_CONV_FFT_LANES_H

#include "fft.h"

namespace convkit {

/* Where the lanes of a bundle lie. Element t of an axis has coordinate start + t * dilation, where that exists or
 * is mapped by the padding mode, and existing coordinates are `step` apart in memory. */
struct FftLanes {
  int64_t count;              /* of lanes in use; the others are zero */
  int64_t origin[kMostLanes]; /* of coordinate 0, in elements from the pointer given */
  int64_t start[3][kMostLanes];
  int64_t dilation[3], extent[3], step[3];
  int64_t stride[3]; /* only coordinates that it divides exist in memory, and those are `step` apart */
  int32_t padding_mode;
  bool neighbours; /* lanes have one start, and origins one apart */
};

/* Lanes are weights: `count` kernels, `step` apart; in the adjoint with their taps in reverse. */
void fft_weight_lanes(const Problem &problem, const FftForm &form, int64_t origin, int64_t step, int64_t count,
                      FftLanes *lanes);

/* Of a product of spectra: splitting doubles both factors, merging doubles what it takes, nothing scales transforms. */
double fft_scale(const FftForm &form);

constexpr int64_t kFftPiece = 256, kFftPiecePitch = kFftPiece + 16; /* elements of a row turned at a time */

/* Scratch of one bundle. */
template <typename T>
struct FftBuffers {
  T *data, *rows;
  FftBuffers(const FftForm &f, Carver *carver) {
    data = carver->take<T>(f.buffer * 2 * f.lanes);
    rows = carver->take<T>(kFftPiecePitch * f.lanes);
  }
};

template <typename T>
struct FftBundle {
  const FftForm &f;
  const FftSet<T> &kernels;
  const FftTables<T> &tables;
  FftBuffers<T> buffers;

  /* The first `filled` elements of each axis from memory, zeros behind them; and the transform. */
  void load(const FftLanes &lanes, const int64_t filled[3], const T *source) const;
  /* The inverse transform; the first `valid` elements of each axis, where they exist, to memory. `finish` gets each row
   * before it is stored. */
  template <typename Finish>
  void store(const FftLanes &lanes, const int64_t valid[3], T *result, const Finish &finish) const;

  FftPairs<T> pairs(int64_t first, int64_t count) const {
    return {count, tables.places + 2 * first, tables.pairs + 2 * first};
  }
  T *row(int64_t z, int64_t y) const { return buffers.data + (z * f.axes[0].step + y * f.axes[1].step) * 2 * f.lanes; }
  void line(bool inverse, int axis, T *data) const {
    const FftAxis &a = f.axes[axis];
    const FftLine<T> line = {data, a.step * 2 * f.lanes, a.points, a.passes, a.radices, tables.axes[axis]};
    (inverse ? kernels.inverse : kernels.forward)(&line);
  }
  void columns(bool inverse) const;
  bool load_row(const FftLanes &lanes, int64_t z, int64_t y, int64_t filled, const T *source, T *out) const;
  void store_row(const FftLanes &lanes, int64_t z, int64_t y, int64_t valid, const T *in, T *result) const;
};

template <typename T>
template <typename Finish>
void FftBundle<T>::store(const FftLanes &lanes, const int64_t valid[3], T *result, const Finish &finish) const {
  columns(true);
  for (int64_t z = 0; z < valid[0]; ++z) {
    for (int64_t y = 0; y < valid[1]; ++y) {
      T *const data = row(z, y);
      line(true, 2, data);
      finish(data, valid[2]);
      store_row(lanes, z, y, valid[2], data, result);
    }
  }
}

}  // namespace convkit
#endif
