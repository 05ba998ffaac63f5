#include "direct_copy.h"

#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "../util/numbers.h"
#include "plan.h"
#include "taps.h"

namespace convkit {
namespace {

/* With channels last, pixels that are fetched ahead: as many as are turned at a time. */
constexpr int64_t kPixelsAhead = 16;

/* Which source elements lie under a row of the grid. */
struct RowMap {
  GridMap map;
  int64_t begin, width, extent;
  int32_t padding_mode;
  Range real;

  int64_t at(int64_t x) const { return map_coordinate((begin + x) * map.step + map.offset, extent, padding_mode); }
};

/* Channels first, where the padding is no zeros. */
template <typename T>
void copy_padded_row(const RowMap &row, const T *source, T *out, void (*copy_rows)(const RowsCopy<T> *)) {
  const int64_t left = row.real.begin - row.begin, right = row.real.end - row.begin;
  for (int64_t x = 0; x < left; ++x) out[x] = source[row.at(x)];
  for (int64_t x = right; x < row.width; ++x) out[x] = source[row.at(x)];
  if (right <= left) return;
  RowsCopy<T> call = {};
  call.source = source + row.real.begin * row.map.step + row.map.offset;
  call.step = row.map.step;
  call.out = out + left;
  call.count = call.width = right - left;
  call.rows = call.real_end = call.depths = call.depth_end = 1;
  copy_rows(&call);
}

/* Channels last, pixels begin .. begin + 3 of a row: four pixels of four channels become four rows of four pixels.
 * Pixels behind the row are zeroed: they belong to a row that is still to come, or to the spare elements of the plane.
 */
template <typename T>
void copy_four_last(const RowMap &row, const T *source, int64_t begin, int64_t channels, int64_t pixel_step,
                    int64_t channel_size, T *out) {
  static const T nothing[4] = {0, 0, 0, 0};
  const T *pixel[4];
  int64_t step[4];
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t at = begin + i < row.width ? row.at(begin + i) : kZeros;
    pixel[i] = at == kZeros ? nothing : source + at * pixel_step;
    step[i] = at == kZeros ? 0 : 1;
  }
  int64_t c = 0;
  for (; c + 4 <= channels; c += 4) {
    const T *const here[4] = {pixel[0] + c * step[0], pixel[1] + c * step[1], pixel[2] + c * step[2],
                              pixel[3] + c * step[3]};
    transpose4(here, out + c * channel_size + begin, channel_size);
  }
  for (; c < channels; ++c) {
    for (int64_t i = 0; i < 4; ++i) out[c * channel_size + begin + i] = pixel[i][c * step[i]];
  }
}

/* A few channels of pixels `step` apart: four pixels at a time, of which four elements are read, if the pixels behind
 * them have that many. */
template <typename T>
void copy_few_last(int64_t pixels, int64_t channels, const T *from, int64_t step, T *out, int64_t channel_size) {
  T none[4];
  int64_t x = 0;
  for (; channels > 1 && x + 4 + (step < 4 ? 4 : 1) <= pixels; x += 4) {
    const T *const at = from + x * step;
    const T *const rows[4] = {at, at + step, at + 2 * step, at + 3 * step};
    T *const places[4] = {out + x, out + channel_size + x, channels > 2 ? out + 2 * channel_size + x : none, none};
    transpose4(rows, places);
  }
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = x; i < pixels; ++i) out[c * channel_size + i] = from[i * step + c];
  }
}

/* A row of pixels becomes a row of each channel's plane. `source` is null for a row of zeros. */
template <typename T>
void copy_row_last(const RowMap &row, const T *source, int64_t channels, int64_t pixel_step, int64_t channel_size,
                   T *out) {
  if (!source) {
    for (int64_t c = 0; c < channels; ++c) fill_zeros(out + c * channel_size, row.width);
    return;
  }
  const int64_t left = smaller(round_up(row.real.begin - row.begin, 4), row.width);
  const int64_t real = row.real.end - row.begin - left, inner = real > 0 ? real - real % 4 : 0;
  for (int64_t x = 0; x < left; x += 4) {
    copy_four_last(row, source, x, channels, pixel_step, channel_size, out);
  }
  if (inner > 0) {
    const int64_t step = row.map.step * pixel_step;
    const T *const from = source + ((row.begin + left) * row.map.step + row.map.offset) * pixel_step;
    if (channels < 4) {
      copy_few_last(inner, channels, from, step, out + left, channel_size);
    } else {
      turn_block(inner, channels, from, step, out + left, channel_size, kPixelsAhead * step);
    }
  }
  for (int64_t x = left + inner; x < row.width; x += 4) {
    copy_four_last(row, source, x, channels, pixel_step, channel_size, out);
  }
}

/* Channels taken together where the source falls apart into planes: about the first-level cache, so that a row is still
 * there when its next plane is made. */
constexpr int64_t kElementsAtOnce = 4096;

template <typename T>
struct GridCopy {
  const Problem &problem;
  const DirectForm &f;
  const int64_t all_channels;
  const DirectBand &band;
  const T *source;
  T *grid;
  void (*copy_rows)(const RowsCopy<T> *);

  const MapSteps &steps() const { return source_steps(problem, f.axes[0].adjoint); }
  int64_t begin(int a) const { return band.first[a] + f.axes[a].span_begin; }
  int64_t rows(int a) const { return band.count[a] + f.axes[a].span; }
  int64_t source_row() const { return f.axes[2].source * steps().pixel; }
  int64_t source_depth() const { return depth_step(f, steps(), f.axes[1].source * f.axes[2].source); }

  void plane_maps(int64_t plane, GridMap map[3]) const {
    const int64_t index[3] = {plane / f.axes[2].planes / f.axes[1].planes, plane / f.axes[2].planes % f.axes[1].planes,
                              plane % f.axes[2].planes};
    for (int a = 0; a < 3; ++a) map[a] = grid_map(f.axes[a], index[a], band.residue[a]);
  }
  /* The source coordinate under row i of the grid. */
  int64_t source_at(const GridMap map[3], int a, int64_t i) const {
    const int64_t at = (begin(a) + i) * map[a].step + map[a].offset;
    return map_coordinate(at, f.axes[a].source, problem.given.padding_mode);
  }

  /* Where a plane holds one pixel of each image, in either layout, it is a matrix that is turned. With channels first,
   * all planes together are one, if they are the pixels in their order. */
  bool copies_pixels() const {
    if (!f.images || f.grid[1] * f.pitch > 1) return false;
    const T *const images = source + band.first[0] * steps().batch;
    int64_t pixels[kMostPixelPlanes];
    bool in_order = steps().rows() && f.planes == f.axes[1].source * f.axes[2].source;
    if (f.planes > kMostPixelPlanes) return false;
    for (int64_t plane = 0; plane < f.planes; ++plane) {
      GridMap map[3];
      plane_maps(plane, map);
      const int64_t y = source_at(map, 1, 0), x = source_at(map, 2, 0);
      if (y == kZeros || x == kZeros) return false;
      pixels[plane] = y * f.axes[2].source + x;
      in_order = in_order && pixels[plane] == plane;
    }
    if (in_order) {
      move_block(band.count[0], all_channels * f.planes, images, steps().batch, 1, grid, 1, f.plane_size);
      return true;
    }
    for (int64_t plane = 0; plane < f.planes; ++plane) {
      move_block(band.count[0], all_channels, images + pixels[plane] * steps().pixel, steps().batch, steps().channel,
                 grid + plane * f.plane_size, 1, f.channel_size);
    }
    return true;
  }

  /* Channels first, padding of zeros. */
  void copy_plane(int64_t plane, int64_t channel, int64_t channels) const {
    GridMap map[3];
    plane_maps(plane, map);
    const Range xs = inside(map[2], f.axes[2].source, begin(2), begin(2) + f.grid[2]);
    const Range ys = inside(map[1], f.axes[1].source, begin(1), begin(1) + rows(1));
    RowsCopy<T> call = {};
    call.source_step = map[1].step * source_row();
    call.step = map[2].step;
    call.left = xs.begin - begin(2);
    call.count = xs.end - xs.begin;
    call.out_step = f.pitch;
    call.width = f.grid[2];
    call.rows = rows(1);
    call.real_begin = ys.begin - begin(1);
    call.real_end = ys.end - begin(1);
    call.depths = rows(0);
    const Range zs = inside(map[0], f.axes[0].source, begin(0), begin(0) + rows(0));
    const bool zeros = zs.empty() || ys.empty() || xs.empty();
    call.depth_begin = zs.begin - begin(0);
    call.depth_end = zeros ? call.depth_begin : zs.end - begin(0);
    call.source_depth = map[0].step * source_depth();
    call.out_depth = f.grid[1] * f.pitch;
    const int64_t depth = zs.begin * map[0].step + map[0].offset, row = ys.begin * map[1].step + map[1].offset;
    const int64_t corner = depth * source_depth() + row * source_row() + xs.begin * map[2].step + map[2].offset;
    for (int64_t c = channel; c < channel + channels; ++c) {
      call.source = source + c * steps().channel + (zeros ? 0 : corner);
      call.out = grid + c * f.channel_size + plane * f.plane_size;
      copy_rows(&call);
    }
  }

  /* Channels first, padding of zeros, a stride of three or more along x: all planes of a row at once. Where each of
   * them has an element, the row is a matrix (positions x planes) that is turned.
   *
   *     stride 4     . . . a | b c d e | f g h i | j        .: zeros        plane 0   . b f j
   *                          [ turned            ]                          plane 3   a e i .      */
  void copy_planes(int64_t first_plane, int64_t channel, int64_t channels) const {
    GridMap map[3];
    plane_maps(first_plane, map);
    const int64_t planes = f.axes[2].planes, width = f.grid[2], step = map[2].step;
    const auto real = [&](int64_t plane) {
      return inside({step, map[2].offset + plane}, f.axes[2].source, begin(2), begin(2) + width);
    };
    const int64_t left = real(0).begin, right = larger(real(planes - 1).end, left);
    const bool few = (right - left) * planes <= kFewElements;
    for (int64_t row = 0; row < rows(0) * rows(1); ++row) {
      const int64_t z = row / rows(1), y = row % rows(1), iz = source_at(map, 0, z), iy = source_at(map, 1, y);
      const T *from = source + channel * steps().channel + iz * source_depth() + iy * source_row() + map[2].offset;
      T *out = grid + channel * f.channel_size + first_plane * f.plane_size + (z * f.grid[1] + y) * f.pitch;
      for (int64_t c = 0; c < channels; ++c, from += steps().channel, out += f.channel_size) {
        if (iz == kZeros || iy == kZeros) {
          for (int64_t p = 0; p < planes; ++p) fill_zeros(out + p * f.plane_size, width);
          continue;
        }
        const auto copy_edge = [&](int64_t first, int64_t last) {
          for (int64_t p = 0; p < planes; ++p) {
            for (int64_t x = first; x < last; ++x) {
              const int64_t at = x * step + map[2].offset + p;
              out[p * f.plane_size + x - begin(2)] = at < 0 || at >= f.axes[2].source ? T(0) : from[x * step + p];
            }
          }
        };
        copy_edge(begin(2), left);
        copy_edge(right, begin(2) + width);
        T *const to = out + left - begin(2);
        if (!few) {
          turn_block(right - left, planes, from + left * step, step, to, f.plane_size);
          continue;
        }
        for (int64_t x = 0; x < right - left; ++x) {
          for (int64_t p = 0; p < planes; ++p) to[p * f.plane_size + x] = from[(left + x) * step + p];
        }
      }
    }
  }

  /* Any layout and padding: row by row. */
  void copy_plane(int64_t plane) const {
    GridMap map[3];
    plane_maps(plane, map);
    const Range xs = inside(map[2], f.axes[2].source, begin(2), begin(2) + f.grid[2]);
    const RowMap row = {map[2], begin(2), f.grid[2], f.axes[2].source, problem.given.padding_mode, xs};
    for (int64_t z = 0; z < rows(0); ++z) {
      for (int64_t y = 0; y < rows(1); ++y) {
        T *const out = grid + plane * f.plane_size + (z * f.grid[1] + y) * f.pitch;
        const int64_t iz = source_at(map, 0, z), iy = source_at(map, 1, y);
        const T *const from = iz == kZeros || iy == kZeros ? nullptr : source + iz * source_depth() + iy * source_row();
        if (!steps().rows()) {
          copy_row_last(row, from, all_channels, steps().pixel, f.channel_size, out);
        } else {
          for (int64_t c = 0; c < all_channels; ++c) {
            copy_padded_row(row, from + c * steps().channel, out + c * f.channel_size, copy_rows);
          }
        }
      }
    }
  }

  void run() const {
    if (copies_pixels()) return;
    if (steps().rows() && problem.given.padding_mode == CK_ZEROS) {
      const int64_t together = f.planes > 1 ? clamp(kElementsAtOnce / f.channel_size, 1, all_channels) : all_channels;
      const bool apart = f.axes[2].planes > 2 && f.axes[2].dilation == 1;
      for (int64_t c = 0; c < all_channels; c += together) {
        const int64_t channels = smaller(together, all_channels - c);
        for (int64_t plane = 0; plane < f.planes; plane += apart ? f.axes[2].planes : 1) {
          if (apart) {
            copy_planes(plane, c, channels);
          } else {
            copy_plane(plane, c, channels);
          }
        }
      }
    } else {
      for (int64_t plane = 0; plane < f.planes; ++plane) copy_plane(plane);
    }
  }
};

}  // namespace

template <typename T>
void copy_grid(const Problem &problem, const DirectForm &f, int64_t channels, const DirectBand &band, const T *source,
               T *grid, const TileSet<T> *tiles) {
  const GridCopy<T> copy = {
      problem, f, channels, band, source, grid, tiles ? tiles->copy_rows : tiles_of<T>(kernels_portable).copy_rows};
  copy.run();
}

int64_t source_place(const Problem &problem, const DirectForm &f, const DirectBand &band) {
  const MapSteps &steps = source_steps(problem, f.axes[0].adjoint);
  const int64_t step[3] = {f.depth_size * steps.pixel, f.pitch * steps.pixel, steps.pixel};
  int64_t place = 0;
  for (int a = 0; a < 3; ++a)
    place += (band.first[a] + f.axes[a].span_begin + grid_map(f.axes[a], 0, 0).offset) * step[a];
  return place;
}

ResultPlace result_place(const Problem &problem, const DirectForm &f, const DirectBand &band, const int64_t phase[3]) {
  const MapSteps &steps = result_steps(problem, f.axes[0].adjoint);
  ResultPlace place = {0, {0, 0, 0}};
  int64_t step = steps.pixel;
  for (int a = 2; a >= 0; --a) {
    const GridMap map = result_map(f.axes[a], phase[a], band.residue[a]);
    if (a == 0) step = depth_step(f, steps, f.axes[1].result * f.axes[2].result);
    place.origin += (band.first[a] * map.step + map.offset) * step;
    place.step[a] = map.step * step;
    step *= f.axes[a].result;
  }
  return place;
}

void phase_ranges(const DirectForm &f, const DirectBand &band, const int64_t phase[3], Range ranges[3]) {
  for (int a = 0; a < 3; ++a) {
    const GridMap map = result_map(f.axes[a], phase[a], band.residue[a]);
    ranges[a] = inside(map, f.axes[a].result, band.first[a], band.first[a] + band.count[a]);
    ranges[a].begin -= band.first[a];
    ranges[a].end -= band.first[a];
  }
}

template void copy_grid(const Problem &, const DirectForm &, int64_t, const DirectBand &, const float *, float *,
                        const TileSet<float> *);
template void copy_grid(const Problem &, const DirectForm &, int64_t, const DirectBand &, const double *, double *,
                        const TileSet<double> *);

}  // namespace convkit
