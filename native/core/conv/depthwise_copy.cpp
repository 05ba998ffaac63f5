#include "../util/numbers.h"
#include "depthwise.h"
#include "taps.h"

namespace convkit {

namespace {

constexpr int64_t kMostLanes = 16;

}  // namespace

/* A copy is made in ascending order of memory, since each row may spoil the beginning of the next one. */
template <typename T>
DepthwiseView<T> view_depthwise(int32_t padding_mode, const DepthwiseForm &f, const DepthwiseBand &band,
                                const DepthwiseSet<T> &kernels, const T *source, T *grid) {
  const DirectAxis &x = f.axes[2];
  int64_t rows[2], from[2];
  for (int a = 0; a < 2; ++a) {
    const DirectAxis &axis = f.axes[a];
    const bool adjoint = axis.adjoint;
    rows[a] = depthwise_rows_under(axis, band.count[a]);
    from[a] = adjoint ? band.first[a] + axis.first + axis.span_begin : band.first[a] * axis.stride - axis.pad;
  }
  const int64_t begin = band.first[2] + x.span_begin, width = band.count[2] + x.span;
  /* Tiles read whole vectors, also behind the last column. */
  const bool inside_rows =
      from[0] >= 0 && from[0] + rows[0] <= f.axes[0].source && from[1] >= 0 && from[1] + rows[1] <= f.axes[1].source;
  if (inside_rows && x.planes == 1 && (x.adjoint || x.stride == 1)) {
    const int64_t first = begin + grid_map(x, 0, 0).offset;
    if (first >= 0 && first + round_up(band.count[2], kMostLanes) + x.span <= x.source) {
      const int64_t plane = f.axes[1].source * x.source;
      return {source + from[0] * plane + from[1] * x.source + first, x.source, plane};
    }
  }
  struct {
    GridMap map;
    int64_t left, count, start;
  } planes[kDepthwisePhases];
  for (int64_t i = 0; i < x.planes; ++i) {
    const GridMap map = grid_map(x, i, 0);
    const Range real = inside(map, x.source, begin, begin + width);
    const int64_t start = real.empty() ? 0 : real.begin * map.step + map.offset;
    planes[i] = {map, real.begin - begin, real.end - real.begin, start};
  }
  for (int64_t z = 0; z < rows[0]; ++z) {
    const int64_t source_z = map_coordinate(from[0] + z, f.axes[0].source, padding_mode);
    for (int64_t y = 0; y < rows[1]; ++y) {
      const int64_t source_y = map_coordinate(from[1] + y, f.axes[1].source, padding_mode);
      T *out = grid + (z * f.grid[1] + y) * f.pitch;
      const bool real = source_z != kZeros && source_y != kZeros;
      const T *const row = source + (real ? (source_z * f.axes[1].source + source_y) * x.source : 0);
      for (int64_t i = 0; i < x.planes; ++i, out += f.plane_pitch) {
        const auto &p = planes[i];
        if (!real) {
          kernels.pad_row(out, width, row, 1, 0, width);
          continue;
        }
        kernels.pad_row(out, p.left, row + p.start, p.map.step, p.count, width);
        if (padding_mode == CK_ZEROS) continue;
        const auto bend = [&](int64_t first, int64_t last) {
          for (int64_t g = first; g < last; ++g) {
            out[g] = row[map_coordinate((begin + g) * p.map.step + p.map.offset, x.source, padding_mode)];
          }
        };
        bend(0, p.left);
        bend(p.left + p.count, width);
      }
    }
  }
  return {grid, f.pitch, f.grid[1] * f.pitch};
}

template DepthwiseView<float> view_depthwise(int32_t, const DepthwiseForm &, const DepthwiseBand &,
                                             const DepthwiseSet<float> &, const float *, float *);
template DepthwiseView<double> view_depthwise(int32_t, const DepthwiseForm &, const DepthwiseBand &,
                                              const DepthwiseSet<double> &, const double *, double *);

}  // namespace convkit
