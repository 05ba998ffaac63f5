/* Packed weights of the Winograd algorithm, transformed kernels:
 * [group][panel][point][source channel, plane, piece][row of the panel]. */
#include "winograd_weights.h"

#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "../util/host.h"
#include "winograd.h"

namespace convkit {
namespace {

constexpr int64_t kRoom = 16384;  /* transformed elements on the stack: all points of one channel at least */
constexpr int64_t kFilters = 128; /* taps on the stack, of kFilterRows rows */
constexpr int64_t kAhead = 16;    /* channels, whose weights are fetched: no hardware foresees such steps */
static_assert(kFilterTaps == kMostTaps, "the width of the matrices");
constexpr int64_t kNoTap = INT64_MIN; /* the window of a tile is longer than a phase or plane */

/* u[point] = sum of matrix[point][tap] * g[tap] along one axis; of the second of a pair, the factor from the first. */
template <typename T>
void fill_matrix(int32_t scheme, T (*matrix)[kFilterTaps]) {
  const int64_t all = kWinogradScheme[scheme].points, taps = kWinogradScheme[scheme].taps;
  const WinogradPoints &numbers = kWinogradPoints[all];
  double at[kMostPoints] = {}; /* the finite points, in the order of the transforms */
  for (int k = 0; k < numbers.pairs; ++k) {
    at[1 + 2 * k] = numbers.pair[k];
    at[2 + 2 * k] = -numbers.pair[k];
  }
  if (all > 2 + 2 * numbers.pairs) at[all - 2] = numbers.odd;
  double first_of[kMostPoints] = {};
  for (int64_t p = 0; p + 1 < all; ++p) {
    double power = 1;
    for (int64_t q = 0; q + 1 < all; ++q) power /= q == p ? 1 : at[p] - at[q];
    first_of[p] = power;
    for (int64_t k = 0; k < taps; ++k, power *= at[p]) matrix[p][k] = static_cast<T>(power);
  }
  for (int k = 0; k < numbers.pairs; ++k) {
    matrix[2 + 2 * k][0] = static_cast<T>(first_of[2 + 2 * k] / first_of[1 + 2 * k]);
  }
  for (int64_t k = 0; k < taps; ++k) matrix[all - 1][k] = static_cast<T>(k == taps - 1 ? 1 : 0);
}

/* The tap of the trimmed kernel that element `number` of a window meets in a plane and phase; -1: none. */
int64_t tap_at(const WinogradAxis &axis, int64_t plane, int64_t phase, int64_t number) {
  const DirectAxis &g = axis.geometry;
  const int64_t last = axis.pieces * kWinogradScheme[axis.scheme].taps - 1;
  const int64_t tap = g.adjoint ? phase + (last - number) * g.stride : number * g.planes + plane;
  return tap < g.taps ? tap : -1;
}

/* Where tap number `tap` of a term's window lies among the taps of the kernel, for rows of a phase; -1: it is zero. */
int64_t tap_number(const Problem &problem, const WinogradForm &f, int64_t term, int64_t phase_of_row, int64_t tap) {
  const int64_t y_taps = kWinogradScheme[f.axes[1].scheme].taps, x_taps = kWinogradScheme[f.axes[2].scheme].taps;
  int64_t piece[3], plane[3], phase[3], window[3];
  for (int a = 2; a >= 0; --a) piece[a] = term % f.axes[a].pieces, term /= f.axes[a].pieces;
  for (int a = 2; a >= 0; --a) {
    plane[a] = term % f.axes[a].geometry.planes;
    term /= f.axes[a].geometry.planes;
  }
  split_phase(f.store, phase_of_row, phase);
  window[0] = piece[0];
  window[1] = piece[1] * y_taps + tap / x_taps;
  window[2] = piece[2] * x_taps + tap % x_taps;
  int64_t number = 0;
  for (int a = 0; a < 3; ++a) {
    const int64_t at = tap_at(f.axes[a], plane[a], phase[a], window[a]);
    if (at < 0) return -1;
    number = number * problem.given.kernel[a] + f.axes[a].geometry.first_tap + at;
  }
  return number;
}

}  // namespace

template <typename T>
WinogradPacker<T>::WinogradPacker(const ck_plan &plan, const void *weights)
    : problem_(plan.problem),
      f_(plan.winograd),
      weights_(static_cast<const T *>(weights)),
      transforms_(winograd_of<T>(*plan.kernels)),
      taps_(int64_t{kWinogradScheme[f_.axes[1].scheme].taps} * kWinogradScheme[f_.axes[2].scheme].taps) {
  fill_matrix(f_.axes[1].scheme, y_);
  fill_matrix(f_.axes[2].scheme, x_);
}

/* Divisions are many, so rows of one phase share them. */
template <typename T>
void WinogradPacker<T>::list_places(int64_t panel, int64_t term) {
  if (panel == panel_ && term == term_) return;
  panel_ = panel, term_ = term;
  const int64_t row_step = f_.axes[0].geometry.adjoint ? problem_.weights.channel : problem_.weights.feature;
  const int64_t first_row = panel * f_.panels.width, rows = smaller(f_.panels.width, f_.product_rows - first_row);
  /* A row of the same phase lies this many rows before. */
  const int64_t before = f_.store.phase_inner ? f_.phases : 1;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = first_row + r, phase = f_.store.phase_inner ? row % f_.phases : row / f_.rows;
    const int64_t of_row = f_.store.phase_inner ? row / f_.phases : row % f_.rows;
    const bool known = r >= before && (f_.store.phase_inner || of_row > 0);
    for (int64_t tap = 0; tap < taps_; ++tap) {
      if (known) {
        const int64_t place = places_[r - before][tap];
        places_[r][tap] = place == kNoTap ? kNoTap : place + row_step;
      } else {
        const int64_t number = tap_number(problem_, f_, term, phase, tap);
        places_[r][tap] = number < 0 ? kNoTap : of_row * row_step + number * problem_.weights.tap;
      }
    }
  }
}

/* filters[(channel * taps + tap) * kFilterRows + r] of rows first .. first + rows - 1 of the panel; what has no tap and
 * no row is zero. Memory gives rows as neighbours, or taps (whole kernels, forwards or backwards), or channels, or
 * single elements. */
template <typename T>
void WinogradPacker<T>::collect(const T *origin, int64_t channels, int64_t channel_step, int64_t first, int64_t rows,
                                T *filters) const {
  const Places at = places_ + first;
  const int64_t tap_step = problem_.weights.tap;
  const int64_t direction = rows > 0 && taps_ > 1 && at[0][1] < at[0][0] ? -1 : 1;
  const bool steps = rows > 1 && at[0][0] != kNoTap && at[1][0] != kNoTap;
  const int64_t row_step = steps ? at[1][0] - at[0][0] : 0;
  bool rows_follow = true, taps_follow = tap_step == 1 || tap_step == -1, all = true;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t tap = 0; tap < taps_; ++tap) {
      all = all && at[r][tap] != kNoTap;
      rows_follow = rows_follow && all && at[r][tap] == at[0][tap] + r;
      taps_follow = taps_follow && all && at[r][tap] == at[0][0] + r * row_step + direction * tap;
    }
  }
  if (rows < kFilterRows || !all) fill_zeros(filters, channels * taps_ * kFilterRows);
  if (rows <= 0) return;
  if (rows_follow) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t tap = 0; tap < taps_; ++tap, filters += kFilterRows) {
        const T *const from = origin + c * channel_step + at[0][tap];
        fetch_ahead(from + kAhead * channel_step);
        copy_run(from, rows, filters);
      }
    }
    return;
  }
  if (taps_follow) { /* kernels that follow each other are turned at once */
    const int64_t together = direction == 1 && channel_step == taps_ ? channels : 1;
    const int64_t first_tap = direction == 1 ? 0 : taps_ - 1;
    for (int64_t c = 0; c < channels; c += together) {
      const T *const from = origin + c * channel_step;
      T *const to = filters + (c * taps_ + first_tap) * kFilterRows;
      const int64_t ahead = together > 1 ? channels * channel_step : kAhead * channel_step;
      turn_block(rows, together * taps_, from + at[0][first_tap], row_step, to, direction * kFilterRows, ahead);
    }
    return;
  }
  if (channel_step == 1 && all) {
    for (int64_t tap = 0; tap < taps_; ++tap) {
      T *const to = filters + tap * kFilterRows;
      turn_rows<T>(
          rows, channels, [&](int64_t i) { return origin + at[i][tap]; }, channels,
          [&](int64_t c) { return to + c * taps_ * kFilterRows; });
    }
    return;
  }
  int64_t from[kFilterRows * kPlaceTaps];
  int32_t to[kFilterRows * kPlaceTaps];
  int64_t elements = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t tap = 0; tap < taps_; ++tap) {
      if (at[r][tap] == kNoTap) continue;
      from[elements] = at[r][tap];
      to[elements++] = static_cast<int32_t>(tap * kFilterRows + r);
    }
  }
  for (int64_t c = 0; c < channels; ++c, origin += channel_step, filters += taps_ * kFilterRows) {
    for (int64_t i = 0; i < elements; i += kFilterRows) fetch_ahead(origin + from[i] + kAhead * channel_step);
    for (int64_t i = 0; i < elements; ++i) filters[to[i]] = origin[from[i]];
  }
}

template <typename T>
void WinogradPacker<T>::pack(int64_t group, int64_t panel, int64_t first, int64_t channels, T *out, int64_t apart) {
  const auto &w = problem_.weights;
  const int64_t rows = smaller(f_.panels.width, f_.product_rows - panel * f_.panels.width), step = f_.panels.step;
  const int64_t channel_step = f_.axes[0].geometry.adjoint ? w.feature : w.channel;
  const T *const origin = weights_ + w.origin + group * problem_.group_features * w.feature + first * channel_step;
  const int64_t terms = f_.depth / f_.channels, together = kFilters / taps_;
  T filters[kFilters * kFilterRows];
  const auto axis = [&](int a, const T(*matrix)[kFilterTaps]) -> WinogradFilterAxis<T> {
    const WinogradScheme &scheme = kWinogradScheme[f_.axes[a].scheme];
    return {matrix, scheme.points, scheme.taps};
  };
  for (int64_t term = 0; term < terms; ++term) {
    list_places(panel, term);
    for (int64_t c = 0; c < channels; c += together) {
      const int64_t count = smaller(together, channels - c);
      for (int64_t r = 0; r < step; r += kFilterRows) {
        collect(origin + c * channel_step, count, channel_step, r, clamp(rows - r, 0, kFilterRows), filters);
        const WinogradFilterCall<T> call = {axis(1, y_), axis(2, x_),
                                            filters,     out + (c * terms + term) * step + r,
                                            apart,       smaller(kFilterRows, step - r),
                                            count,       terms * step};
        transforms_.filter(&call);
      }
    }
  }
}

/* Transformed kernels go to all points at once, far apart: so they are collected for some channels first. */
template <typename T>
ck_status pack_winograd_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const WinogradForm &f = plan.winograd;
  const int64_t terms_step = f.depth / f.channels * f.panels.step, panel_size = f.points * f.depth * f.panels.step;
  const int64_t together = clamp(kRoom / (f.points * terms_step), 1, f.channels), apart = together * terms_step;
  const auto pack = [&](int64_t unit, int32_t) {
    WinogradPacker<T> packer(plan, weights);
    T room[kRoom] = {};
    T *const out = reinterpret_cast<T *>(packed) + unit * panel_size;
    const int64_t group = unit / f.panels.count, panel = unit % f.panels.count;
    const bool straight = f.points * terms_step > kRoom || together == f.channels;
    for (int64_t c = 0; c < f.channels; c += together) {
      if (cancelled(host)) return;
      const int64_t channels = smaller(together, f.channels - c);
      if (straight) {
        packer.pack(group, panel, c, channels, out + c * terms_step, f.depth * f.panels.step);
        continue;
      }
      packer.pack(group, panel, c, channels, room, apart);
      for (int64_t p = 0; p < f.points; ++p) {
        copy_run(room + p * apart, channels * terms_step, out + p * f.depth * f.panels.step + c * terms_step);
      }
    }
  };
  const int64_t units = plan.problem.given.groups * f.panels.count;
  return for_each_unit(host, units, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template class WinogradPacker<float>;
template class WinogradPacker<double>;
template ck_status pack_winograd_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_winograd_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);

}  // namespace convkit
