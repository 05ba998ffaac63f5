#include "depthwise_phases.h"

namespace convkit {
namespace {

/* Rows of results share source rows if they lie `spacing` apart: a tile then moves by its stride, of 1 or 2 rows. */
Tiling tiling(const DirectAxis &y, const PhaseTaps &taps) {
  int64_t stride = 1, spacing = 0;
  if (y.adjoint) {
    spacing = -taps.shift_step;
  } else if (y.dilation % y.stride == 0) {
    spacing = y.dilation / y.stride;
  } else if (y.stride == kDepthwiseStrides * y.dilation) {
    spacing = 1;
    stride = kDepthwiseStrides;
  }
  if (spacing <= 0 || taps.count < 2) return {1, 1, 1};
  return {stride, spacing, smaller((taps.count - 1) / stride + 1, kDepthwiseRows)};
}

}  // namespace

void list_row_phases(const DepthwiseForm &f, int a, const DepthwiseBand &band, int64_t source_pitch,
                     int64_t result_pitch, RowPhase *phases) {
  const DirectAxis &axis = f.axes[a];
  const int64_t first = band.first[a];
  for (int64_t r = 0; r < axis.phases; ++r) {
    const PhaseTaps taps = phase_taps(axis, r);
    const DepthwiseRows rows = depthwise_rows(axis, taps);
    const GridMap map = result_map(axis, r, 0);
    const Range range = inside(map, axis.result, first, first + band.count[a]);
    RowPhase &phase = phases[r];
    phase = {};
    phase.count = range.end - range.begin;
    phase.taps = taps.count;
    phase.tap_step = rows.tap_step * source_pitch;
    phase.source = rows.at(range.begin - first, 0) * source_pitch;
    phase.source_step = rows.position_step * source_pitch;
    phase.result = (range.begin * map.step + map.offset) * result_pitch;
    phase.result_step = map.step * result_pitch;
    phase.tiling = tiling(f.axes[1], taps);
  }
}

}  // namespace convkit
