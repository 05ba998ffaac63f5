/* The second half of a unit: products of a panel, transformed back. */
#include "winograd_unit.h"

namespace convkit {
namespace {

/* Position (z, y, 0) of the block in a result that is written in place. */
template <typename T>
T *place(const ResultPlace &at, int64_t z, int64_t y, T *result) {
  return result + at.origin + z * at.step[0] + y * at.step[1];
}

/* Back along y, for all points of x: from M to `half`. */
template <typename T>
WinogradCall<T> column_call(const WinogradUnit<T> &unit, int64_t lanes) {
  const WinogradForm &f = unit.f;
  const int64_t x_points = f.axes[2].points;
  WinogradCall<T> call = {};
  call.in_step = x_points * f.product_step;
  call.count = round_up(lanes, unit.tiles.lanes);
  call.repeat = x_points;
  call.in_repeat = f.product_step;
  call.out = unit.scratch.half;
  call.out_step = x_points * f.lanes_step;
  call.out_repeat = f.lanes_step;
  call.outputs = static_cast<int32_t>(f.axes[1].outputs);
  return call;
}

}  // namespace

/* Results from M, tiles in lanes: row by row. */
template <typename T>
void WinogradUnit<T>::finish_rows(int64_t first_row, int64_t rows, const Epilogue<T> *epilogue, T *result) const {
  const WinogradScratch<T> &s = scratch;
  const WinogradAxis &y = f.axes[1], &x = f.axes[2];
  const int64_t no_phase[3] = {0, 0, 0};
  const ResultPlace at = result_place(problem, f.store, block.band, no_phase);
  const int64_t channel_step = (y.geometry.adjoint ? problem.image : problem.features).channel;
  WinogradCall<T> column = column_call(*this, block.lanes), row = {}, merge = {};
  const int64_t row_step = x.outputs * f.stream_step;
  row.in_step = y.points > 1 ? f.lanes_step : f.product_step;
  row.in_repeat = x.grid();
  row.count = round_up(block.tiles[2], tiles.lanes);
  row.outputs = static_cast<int32_t>(x.outputs);
  row.out_step = merge.in_step = f.stream_step;
  merge.inner = x.inner;
  merge.count = block.band.count[2];
  merge.in = s.streams;
  merge.in_repeat = row_step;
  merge.out_repeat = f.in_place ? at.step[1] : f.store.pitch;
  merge.repeat = block.band.count[1];
  Epilogue<T> of_row;
  for (int64_t i = 0; i < rows; ++i) {
    const T *half = s.products + i * f.lanes_step;
    if (y.points > 1) {
      column.in = half;
      transforms.result[y.scheme](&column);
      half = s.half;
    }
    if (epilogue) {
      of_row = *epilogue;
      if (of_row.bias) of_row.bias += i;
      if (of_row.slope) of_row.slope += i;
      row.epilogue = &of_row;
    }
    for (int64_t z = 0; z < block.tiles[0]; ++z) {
      const T *const plane = half + z * y.grid() * x.grid();
      each_run(y, merge.repeat, [&](int64_t start, int64_t apart, int64_t count, int64_t residue, int64_t place) {
        row.in = plane + residue * column.out_step + place * x.grid();
        row.repeat = count;
        row.out = s.streams + start * row_step;
        row.out_repeat = apart * row_step;
        transforms.result[x.scheme](&row);
      });
      merge.out = f.in_place ? result + at.origin + z * at.step[0] + (first_row + i) * channel_step
                             : s.stage + i * f.store.stage_step + z * f.store.stage_plane;
      transforms.merge[x.scheme](&merge);
    }
  }
}

/* Results from M, channels in lanes: tile by tile. */
template <typename T>
void WinogradUnit<T>::finish_channels(int64_t first_row, int64_t rows, const Epilogue<T> *epilogue, T *result) const {
  const WinogradScratch<T> &s = scratch;
  const WinogradAxis &y = f.axes[1], &x = f.axes[2];
  const int64_t no_phase[3] = {0, 0, 0};
  const ResultPlace at = result_place(problem, f.store, block.band, no_phase);
  const int64_t position_step = f.in_place ? at.step[2] : f.store.stage_step;
  WinogradCall<T> column = column_call(*this, rows), row = {};
  row.in_step = y.points > 1 ? f.lanes_step : f.product_step;
  row.count = rows;
  row.repeat = 1;
  row.out_step = x.inner * position_step;
  row.epilogue = epilogue;
  for (int64_t z = 0; z < block.tiles[0]; ++z) {
    for (int64_t ty = 0; ty < block.tiles[1]; ++ty) {
      const int64_t top = y.positions(ty / y.inner * y.inner) + ty % y.inner;
      for (int64_t tx = 0; tx < block.tiles[2]; ++tx) {
        const int64_t left = x.positions(tx / x.inner * x.inner) + tx % x.inner;
        row.outputs = static_cast<int32_t>(smaller(x.outputs, ceil_div(block.band.count[2] - left, x.inner)));
        const T *half = s.products + ((z * y.grid() + ty) * x.grid() + tx) * f.lanes_step;
        if (y.points > 1) {
          column.in = half;
          transforms.result[y.scheme](&column);
          half = s.half;
        }
        for (int64_t i = 0; i < y.outputs; ++i) {
          const int64_t v = top + i * y.inner;
          if (v >= block.band.count[1]) break;
          row.in = half + i * column.out_step;
          row.out = f.in_place ? place(at, z, v, result) + left * position_step + first_row
                               : s.stage + (z * f.store.stage_plane + v * f.store.pitch + left) * position_step;
          transforms.result[x.scheme](&row);
        }
      }
    }
  }
}

#define CONVKIT_INSTANTIATE(T)                                                                  \
  template void WinogradUnit<T>::finish_rows(int64_t, int64_t, const Epilogue<T> *, T *) const; \
  template void WinogradUnit<T>::finish_channels(int64_t, int64_t, const Epilogue<T> *, T *) const;
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
