#include "../util/numbers.h"
#include "depthwise.h"
#include "taps.h"

namespace convkit {

template <typename T>
DepthwiseSource<T>::DepthwiseSource(int32_t padding_mode, const DepthwiseForm &f, const DepthwiseBand &band,
                                    const DepthwiseSet<T> &kernels, T *grid, int64_t grids)
    : f_(f), kernels_(kernels), padding_mode_(padding_mode), grid_(grid) {
  const DirectAxis &x = f.axes[2];
  for (int a = 0; a < 2; ++a) {
    const DirectAxis &axis = f.axes[a];
    rows_[a] = depthwise_rows_under(axis, band.count[a]);
    from_[a] = axis.adjoint ? band.first[a] + axis.first + axis.span_begin : band.first[a] * axis.stride - axis.pad;
    real_[a] = inside({1, from_[a]}, axis.source, 0, rows_[a]);
  }
  in_place_ = band.count[2] == 0;
  splits_ = false;
  pitch = plane = begin_ = 0;
  if (in_place_) return;
  begin_ = band.first[2] + x.span_begin;
  width_ = band.count[2] + x.span;
  step_ = grid_map(x, 0, 0).step;
  /* Tiles read whole vectors, also behind the last column. */
  const bool inside_rows = real_[0].end - real_[0].begin == rows_[0] && real_[1].end - real_[1].begin == rows_[1] &&
                           x.planes == 1 && f.pixel == 1;
  const int64_t first = begin_ + grid_map(x, 0, 0).offset;
  in_place_ = inside_rows && step_ == 1 && first >= 0 &&
              first + round_up(band.count[2], kDepthwiseLanes) + depthwise_reach(x) <= x.source;
  if (in_place_) {
    pitch = x.source;
    plane = f.axes[1].source * x.source;
    begin_ = from_[0] * plane + from_[1] * pitch + first;
    return;
  }
  pitch = f.pitch;
  plane = f.grid[1] * f.pitch;
  for (int64_t i = 0; i < x.planes; ++i) {
    const GridMap map = grid_map(x, i, 0);
    const Range real = inside(map, x.source, begin_, begin_ + width_);
    const int64_t start = real.empty() ? 0 : real.begin * map.step + map.offset;
    planes_[i] = {real.begin - begin_, real.end - real.begin, start};
  }
  if (x.planes == 2 && step_ == 2 && f.pixel == 1) {
    const Plane &a = planes_[0], &b = planes_[1];
    const int64_t ahead = b.start - a.start, more = ahead * (a.count - b.count);
    splits_ = a.count > 0 && b.count > 0 && (ahead == 1 || ahead == -1) && (more == 0 || more == 1);
  }
  if (padding_mode != CK_ZEROS) return;
  for (int64_t i = 0; i < grids; ++i) clear(grid + i * depthwise_grid(f));
}

/* Zeros for all that no copy writes. */
template <typename T>
void DepthwiseSource<T>::clear(T *grid) const {
  for (int64_t z = 0; z < rows_[0]; ++z) {
    for (int64_t y = 0; y < rows_[1]; ++y) {
      const bool real = z >= real_[0].begin && z < real_[0].end && y >= real_[1].begin && y < real_[1].end;
      T *row = grid + z * plane + y * pitch;
      for (int64_t i = 0; i < f_.axes[2].planes; ++i, row += f_.plane_pitch) {
        const int64_t left = real ? planes_[i].left : width_, right = real ? left + planes_[i].count : width_;
        for (int64_t g = 0; g < left; ++g) row[g] = T(0);
        for (int64_t g = right; g < width_; ++g) row[g] = T(0);
      }
    }
  }
}

/* A copy may write zeros behind a row, so rows are copied in ascending order of memory; with several planes, whose
 * elements lie apart in the source, it does not. */
template <typename T>
const T *DepthwiseSource<T>::view(const T *channel, int64_t at) const {
  if (in_place_) return channel + begin_;
  T *const grid = grid_ + at * depthwise_grid(f_);
  if (padding_mode_ != CK_ZEROS) {
    copy_bent(channel, grid);
    return grid;
  }
  const DirectAxis &x = f_.axes[2];
  const int64_t rows = real_[1].end - real_[1].begin, source_pitch = x.source * f_.pixel;
  if (rows == 0) return grid;
  for (int64_t z = real_[0].begin; z < real_[0].end; ++z) {
    const T *const from = channel + ((from_[0] + z) * f_.axes[1].source + from_[1] + real_[1].begin) * source_pitch;
    T *const to = grid + z * plane + real_[1].begin * pitch;
    if (splits_) { /* both planes at once, the one that begins earlier in the source being the even elements */
      const int64_t odd = planes_[1].start > planes_[0].start ? 1 : 0;
      const Plane &a = planes_[1 - odd], &b = planes_[odd];
      kernels_.split_rows(to + (1 - odd) * f_.plane_pitch + a.left, a.count, to + odd * f_.plane_pitch + b.left,
                          b.count, pitch, from + a.start, source_pitch, rows);
      continue;
    }
    for (int64_t i = 0; i < x.planes; ++i) {
      const Plane &p = planes_[i];
      kernels_.copy_rows(to + i * f_.plane_pitch + p.left, pitch, from + p.start * f_.pixel, source_pitch,
                         step_ * f_.pixel, p.count, rows);
    }
  }
  return grid;
}

/* The other modes of padding: it is made of the channel's own elements. */
template <typename T>
void DepthwiseSource<T>::copy_bent(const T *channel, T *grid) const {
  const DirectAxis &x = f_.axes[2];
  for (int64_t z = 0; z < rows_[0]; ++z) {
    const int64_t source_z = map_coordinate(from_[0] + z, f_.axes[0].source, padding_mode_);
    for (int64_t y = 0; y < rows_[1]; ++y) {
      const int64_t source_y = map_coordinate(from_[1] + y, f_.axes[1].source, padding_mode_);
      const T *const row = channel + (source_z * f_.axes[1].source + source_y) * x.source * f_.pixel;
      T *out = grid + z * plane + y * pitch;
      for (int64_t i = 0; i < x.planes; ++i, out += f_.plane_pitch) {
        const Plane &p = planes_[i];
        const int64_t offset = grid_map(x, i, 0).offset;
        kernels_.copy_rows(out + p.left, 0, row + p.start * f_.pixel, 0, step_ * f_.pixel, p.count, 1);
        const auto bend = [&](int64_t first, int64_t last) {
          for (int64_t g = first; g < last; ++g) {
            out[g] = row[map_coordinate((begin_ + g) * step_ + offset, x.source, padding_mode_) * f_.pixel];
          }
        };
        bend(0, p.left);
        bend(p.left + p.count, width_);
      }
    }
  }
}

template class DepthwiseSource<float>;
template class DepthwiseSource<double>;

}  // namespace convkit
