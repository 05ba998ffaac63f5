#include "direct_geometry.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

/* Beyond these the loops over taps and phases would cost more than they save. */
constexpr int64_t kMostAxisTaps = 1 << 14;
constexpr int64_t kMostPhases = 1 << 13;
/* Sums and products of a few shifts and extents must stay exact; nothing near it fits into a band. */
constexpr int64_t kFarthestShift = INT64_C(1) << 32;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/* Does any feature reach a pixel of the image through tap j? */
bool reaches(const ck_problem &p, int a, int64_t j) {
  const int64_t shift = j * p.dilation[a] - p.pad_begin[a];
  const int64_t o = larger(ceil_div(-shift, p.stride[a]), 0);
  return o < p.features[a] && o * p.stride[a] + shift < p.image[a];
}

/* Taps that only ever read padding are left out at both ends. */
void trim(const ck_problem &p, int a, DirectAxis *axis) {
  int64_t begin = 0, end = p.kernel[a];
  if (p.padding_mode == CK_ZEROS) {
    while (begin + 1 < end && !reaches(p, a, begin)) ++begin;
    while (begin + 1 < end && !reaches(p, a, end - 1)) --end;
  }
  axis->first_tap = begin;
  axis->taps = end - begin;
  axis->pad = p.pad_begin[a] - begin * p.dilation[a];
}

void find_span(DirectAxis *axis) {
  int64_t least = INT64_MAX, greatest = INT64_MIN;
  for (int64_t r = 0; r < axis->phases; ++r) {
    const PhaseTaps taps = phase_taps(*axis, r);
    for (int64_t m = 0; m < taps.count; ++m) {
      const int64_t shift = tap_shift(*axis, taps, m);
      least = smaller(least, shift);
      greatest = larger(greatest, shift);
    }
  }
  axis->span_begin = least;
  axis->span = greatest - least;
}

const char *make_axis(const ck_problem &p, ck_pass pass, int a, DirectAxis *axis) {
  if (p.kernel[a] > kMostAxisTaps) return "the kernel is too long";
  trim(p, a, axis);
  axis->adjoint = pass == CK_ADJOINT;
  axis->stride = p.stride[a];
  axis->dilation = p.dilation[a];
  /* With one tap there is no dilation. One feature has no stride: forward, 1 needs no planes; adjoint, the length of
   * the kernel makes each pixel a phase with its one tap, and no product with padding is left. */
  if (axis->taps == 1) axis->dilation = 1;
  if (p.features[a] == 1) {
    if (!axis->adjoint) axis->stride = 1;
    if (axis->adjoint && axis->dilation == 1) axis->stride = axis->taps;
  }
  const int64_t s = axis->stride, d = axis->dilation;
  axis->source = axis->adjoint ? p.features[a] : p.image[a];
  axis->result = axis->adjoint ? p.image[a] : p.features[a];
  axis->phases = axis->adjoint ? s : 1;
  if (axis->phases > kMostPhases) return "the stride makes too many phases";
  axis->planes = axis->adjoint ? 1 : smaller(axis->taps, s / greatest_divisor(s, d));
  axis->first = axis->adjoint ? floor_div(axis->pad, s) : 0;
  axis->count = axis->adjoint ? floor_div(axis->result - 1 + axis->pad, s) - axis->first + 1 : axis->result;
  axis->residues = 1;
  find_span(axis);
  if (axis->span > kFarthestShift) return "the taps reach too far apart";
  return nullptr;
}

}  // namespace

const char *direct_axes(const Problem &problem, ck_pass pass, DirectAxis axes[3]) {
  for (int a = 0; a < 3; ++a) {
    if (const char *const reason = make_axis(problem.given, pass, a, axes + a)) return reason;
  }
  return nullptr;
}

void split_residues(DirectAxis *axis) {
  if (axis->stride != 1 || axis->dilation > axis->count) return;
  axis->residues = axis->dilation;
  find_span(axis);
}

void split_taps(DirectAxis *axis) {
  axis->stride = axis->taps * axis->dilation;
  axis->planes = axis->taps;
  find_span(axis);
}

PhaseTaps phase_taps(const DirectAxis &axis, int64_t phase) {
  if (!axis.adjoint) return {0, 1, axis.taps, 0, 0};
  const int64_t s = axis.stride, d = axis.dilation;
  if (axis.residues > 1) return {0, 1, axis.taps, 0, -1};
  const int64_t common = greatest_divisor(s, d), step = s / common;
  const int64_t end = smaller(step, axis.taps);
  int64_t j0 = d == 1 ? phase : 0;
  while (j0 < end && j0 * d % s != phase) ++j0;
  if (j0 >= end) return {0, step, 0, 0, 0};
  return {j0, step, ceil_div(axis.taps - j0, step), (phase - j0 * d) / s, -(d / common)};
}

int64_t tap_plane(const DirectAxis &axis, int64_t tap) { return tap % axis.planes; }

int64_t tap_shift(const DirectAxis &axis, const PhaseTaps &taps, int64_t number) {
  if (axis.adjoint) return taps.shift + number * taps.shift_step;
  return axis.residues > 1 ? number : number * axis.dilation / axis.stride;
}

GridMap grid_map(const DirectAxis &axis, int64_t plane, int64_t residue) {
  if (axis.adjoint) return {axis.residues, axis.first + residue};
  if (axis.residues > 1) return {axis.residues, residue - axis.pad};
  return {axis.stride, plane * axis.dilation % axis.stride - axis.pad};
}

GridMap result_map(const DirectAxis &axis, int64_t phase, int64_t residue) {
  if (!axis.adjoint) return {axis.residues, residue};
  return {axis.residues * axis.stride, (axis.first + residue) * axis.stride + phase - axis.pad};
}

Range inside(const GridMap &map, int64_t extent, int64_t begin, int64_t end) {
  const int64_t first = clamp(ceil_div(-map.offset, map.step), begin, end);
  return {first, clamp(ceil_div(extent - map.offset, map.step), first, end)};
}

namespace {

/* The positions of a residue class from which a tap reads the source. */
Range tap_reach(const DirectAxis &axis, const PhaseTaps &taps, int64_t residue, int64_t number, int64_t begin,
                int64_t end) {
  GridMap map = grid_map(axis, tap_plane(axis, number), residue);
  map.offset += tap_shift(axis, taps, number) * map.step;
  return inside(map, axis.source, begin, end);
}

}  // namespace

int32_t cut_by_live_taps(const DirectAxis &axis, const PhaseTaps &taps, int64_t residue, int64_t begin, int64_t end,
                         LiveTaps runs[kMostLiveTaps]) {
  /* The first and the last tap are the first to leave the source. */
  const Range least = tap_reach(axis, taps, residue, 0, begin, end);
  const Range most = tap_reach(axis, taps, residue, larger(taps.count - 1, 0), begin, end);
  if (taps.count == 0 || (least.begin == begin && least.end == end && most.begin == begin && most.end == end)) {
    runs[0] = {begin, end, {0, taps.count}};
    return 1;
  }
  /* Where a tap begins or ceases to reach the source, a run ends: the ends in ascending order. */
  int64_t ends[kMostLiveTaps + 1] = {end};
  int32_t count = 1;
  const auto cut = [&](int64_t at) {
    int32_t i = 0;
    while (i < count && ends[i] < at) ++i;
    if (at <= begin || i == count || ends[i] == at || count > kMostLiveTaps) return;
    for (int32_t j = count++; j > i; --j) ends[j] = ends[j - 1];
    ends[i] = at;
  };
  for (int64_t m = 0; m < taps.count && count <= kMostLiveTaps; ++m) {
    const Range reach = tap_reach(axis, taps, residue, m, begin, end);
    if (reach.empty()) continue;
    cut(reach.begin);
    cut(reach.end);
  }
  if (count > kMostLiveTaps) return 0;
  for (int32_t i = 0; i < count; ++i) {
    runs[i] = {i > 0 ? ends[i - 1] : begin, ends[i], {taps.count, 0}};
    for (int64_t m = 0; m < taps.count; ++m) {
      const Range reach = tap_reach(axis, taps, residue, m, begin, end);
      if (reach.begin > runs[i].begin || reach.end < runs[i].end) continue;
      runs[i].taps.begin = smaller(runs[i].taps.begin, m);
      runs[i].taps.end = m + 1;
    }
    if (runs[i].taps.empty()) runs[i].taps = {0, 0};
  }
  return count;
}

}  // namespace convkit
