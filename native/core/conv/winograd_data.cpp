/* The first half of a unit: the source under a block, transformed. */
#include "../gemm/copy.h"
#include "winograd_unit.h"

namespace convkit {
namespace {

/* Rows of one plane of the source under a block, channels first with padding of zeros: padded one by one, in the
 * first-level cache. */
template <typename T>
struct SourceRows {
  GridMap map[3];
  int64_t begin[3], extent[3]; /* of the block; of the source */
  Range real;
  int64_t width;
  void (*pad_row)(T *out, int64_t left, const T *source, int64_t step, int64_t count, int64_t width);

  void pad(int64_t z, int64_t y, const T *channel, T *out) const {
    const int64_t iz = (begin[0] + z) * map[0].step + map[0].offset;
    const int64_t iy = (begin[1] + y) * map[1].step + map[1].offset;
    const bool inside = iz >= 0 && iz < extent[0] && iy >= 0 && iy < extent[1] && !real.empty();
    const int64_t left = inside ? real.begin - begin[2] : 0, count = inside ? real.end - real.begin : 0;
    const int64_t first = count > 0 ? real.begin * map[2].step + map[2].offset : 0;
    const T *const from = count > 0 ? channel + (iz * extent[1] + iy) * extent[2] + first : channel;
    pad_row(out, left, from, map[2].step, count, width);
  }
};

template <typename T>
void find_rows(const WinogradUnit<T> &unit, const DirectBand &band, int64_t plane, SourceRows<T> *rows) {
  const WinogradForm &f = unit.f;
  int64_t index[3] = {0, 0, 0};
  for (int a = 2; a >= 0; --a) {
    const DirectAxis &axis = f.axes[a].geometry;
    index[a] = plane % axis.planes;
    plane /= axis.planes;
    rows->map[a] = grid_map(axis, index[a], 0);
    rows->begin[a] = band.first[a] + axis.span_begin;
    rows->extent[a] = axis.source;
  }
  rows->width = f.copy.grid[2];
  rows->real = inside(rows->map[2], rows->extent[2], rows->begin[2], rows->begin[2] + rows->width);
  rows->pad_row = winograd_of<T>(*unit.context.plan->kernels).pad_row;
}

}  // namespace

/* Along y, the elements of a tile are rows of a `line`, which holds row (b * m + i) * inner + r at residue i, place
 * b * inner + r: so that elements are neighbours in it whenever tiles are. */
template <typename T>
void WinogradUnit<T>::transform_source(const T *source, int64_t channel_step, const Range &channels) const {
  const WinogradScratch<T> &s = scratch;
  const WinogradAxis &y = f.axes[1], &x = f.axes[2];
  DirectForm copy = f.copy;
  DirectBand band = block.band;
  int64_t extent[3];
  for (int a = 0; a < 3; ++a) {
    band.count[a] = f.axes[a].positions(block.tiles[a]);
    extent[a] = band.count[a] + f.axes[a].geometry.span;
  }
  int64_t offsets[kMostPoints], row_offsets[kMostPoints];
  for (int64_t u = 0; u < y.points; ++u) {
    offsets[u] = u % y.outputs * f.line + u / y.outputs * y.inner * x.grid();
  }
  for (int64_t u = 0; u < x.points; ++u) row_offsets[u] = u % x.outputs * f.stream_step + u / x.outputs * x.inner;
  SourceRows<T> rows = {};
  const int64_t row_step = x.outputs * f.stream_step;
  WinogradCall<T> split = {}, row = {}, column = {};
  split.count = block.tiles[2] + x.halo + (x.points - 1) / x.outputs * x.inner;
  split.inner = x.inner;
  split.repeat = extent[1];
  split.in_repeat = copy.pitch;
  split.out = s.streams;
  split.out_step = f.stream_step;
  split.out_repeat = row_step;
  row.count = block.tiles[2] + x.halo;
  row.offsets = row_offsets;
  row.out_repeat = x.grid();
  column.in = s.line;
  column.offsets = offsets;
  column.count = (block.tiles[1] + y.halo) * x.grid();
  column.repeat = x.points;
  column.in_repeat = f.line_step;
  const auto transform = [&](const T *lines, T *data, int64_t data_step) {
    int64_t line_step = copy.pitch;
    if (x.outputs > 1) {
      split.in = lines;
      transforms.split[x.scheme](&split);
      lines = s.streams;
      line_step = row_step;
    }
    each_run(y, extent[1], [&](int64_t start, int64_t apart, int64_t count, int64_t residue, int64_t place) {
      row.in = lines + start * line_step;
      row.in_repeat = apart * line_step;
      row.repeat = count;
      row.out = (y.points > 1 ? s.line : data) + residue * f.line + place * x.grid();
      row.out_step = y.points > 1 ? f.line_step : data_step;
      transforms.data[x.scheme](&row);
    });
    if (y.points == 1) return;
    column.out = data;
    column.out_step = x.points * data_step;
    column.out_repeat = data_step;
    transforms.data[y.scheme](&column);
  };
  copy.axes[0].span = 0;
  const int64_t depth_step = y.grid() * x.grid();
  int64_t plane = -1; /* whose rows were found */
  /* What is written past the end of the last channel must not meet what another thread writes. */
  const bool has_edge = channels.end < f.channels;
  for (int64_t first = channels.begin; first < channels.end; first += f.chunk) {
    if (cancelled(*context.host)) return;
    copy.channels = smaller(f.chunk, channels.end - first);
    T *const data = s.data + first * f.planes * f.tile_step;
    const T *const from = source + first * channel_step;
    for (int64_t z = 0; z < extent[0]; ++z) {
      band.first[0] = block.band.first[0] + z, band.count[0] = 1;
      if (!f.by_row) copy_grid(problem, copy, copy.channels, band, from, s.grid);
      for (int64_t c = 0; c < copy.channels * f.planes; ++c) {
        const bool is_edge = has_edge && first + c / f.planes == channels.end - 1;
        T *const to = (is_edge ? s.edge + c % f.planes * f.tile_step : data + c * f.tile_step) + z * depth_step;
        const int64_t to_step = is_edge ? f.edge_step : f.data_step;
        if (!f.by_row) {
          transform(s.grid + c * copy.plane_size, to, to_step);
          continue;
        }
        if (c % f.planes != plane) find_rows(*this, block.band, plane = c % f.planes, &rows);
        for (int64_t v = 0; v < extent[1]; ++v) {
          rows.pad(z, v, from + c / f.planes * channel_step, s.grid + v * copy.pitch);
        }
        transform(s.grid, to, to_step);
      }
    }
  }
  T *const edge = s.data + (channels.end - 1) * f.planes * f.tile_step;
  for (int64_t p = 0; has_edge && p < f.points; ++p) {
    copy_run(s.edge + p * f.edge_step, f.planes * f.tile_step, edge + p * f.data_step);
  }
}

#define CONVKIT_INSTANTIATE(T) template void WinogradUnit<T>::transform_source(const T *, int64_t, const Range &) const;
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
