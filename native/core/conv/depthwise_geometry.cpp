#include "depthwise.h"

namespace convkit {

int64_t depthwise_results(const DirectAxis &axis, int64_t positions) {
  return smaller(positions * result_map(axis, 0, 0).step, axis.result);
}

int64_t depthwise_rows_under(const DirectAxis &axis, int64_t count) {
  if (axis.adjoint) return count + axis.span;
  const int64_t reach = (axis.taps - 1) * axis.dilation;
  return (count > 1 ? (count - 1) * axis.stride : 0) + reach + 1;
}

DepthwiseRows depthwise_rows(const DirectAxis &axis, const PhaseTaps &taps) {
  if (axis.adjoint) return {1, taps.shift - axis.span_begin, taps.shift_step};
  return {axis.stride, 0, axis.dilation};
}

int64_t list_columns(const DepthwiseForm &f, int64_t phase, int64_t *columns) {
  const DirectAxis &x = f.axes[2];
  const PhaseTaps taps = phase_taps(x, phase);
  for (int64_t m = 0; m < taps.count; ++m) {
    columns[m] = tap_plane(x, m) * f.plane_pitch + tap_shift(x, taps, m) - x.span_begin;
  }
  return taps.count;
}

DepthwiseBand depthwise_band(const DepthwiseForm &f, int64_t number) {
  DepthwiseBand band;
  for (int a = 2; a >= 0; --a) {
    band.first[a] = number % f.bands[a] * f.band[a];
    band.count[a] = smaller(f.band[a], f.axes[a].count - band.first[a]);
    number /= f.bands[a];
  }
  return band;
}

}  // namespace convkit
