/* Packed weights of the Winograd algorithm: [group][panel][point][source channel, plane, piece][row of the panel], each
 * kernel transformed in float64 and rounded once. */
#include "../gemm/copy.h"
#include "../util/host.h"
#include "winograd.h"

namespace convkit {
namespace {

constexpr int64_t kWidestPanel = int64_t{kMostVectors} * 16, kFilterTaps = int64_t{kMostTaps} * kMostTaps;
constexpr int64_t kRoom = 16384;      /* transformed elements on the stack: all points of one channel at least */
constexpr int64_t kFilters = 128;     /* taps on the stack, of kFilterRows rows */
constexpr int64_t kNoTap = INT64_MIN; /* the window of a tile is longer than a phase or plane */
using Places = int64_t (*)[kFilterTaps];

/* u[point] = sum of matrix[point][tap] * g[tap] along one axis. */
struct FilterMatrix {
  int64_t points, taps;
  double entry[kMostPoints][kMostTaps];

  explicit FilterMatrix(int32_t scheme) : points(kWinogradScheme[scheme].points), taps(kWinogradScheme[scheme].taps) {
    const WinogradPoints &numbers = kWinogradPoints[points];
    double at[kMostPoints] = {}; /* the finite points, in the order of the transforms */
    for (int k = 0; k < numbers.pairs; ++k) {
      at[1 + 2 * k] = numbers.pair[k];
      at[2 + 2 * k] = -numbers.pair[k];
    }
    if (points > 2 + 2 * numbers.pairs) at[points - 2] = numbers.odd;
    for (int64_t p = 0; p + 1 < points; ++p) {
      double power = 1;
      for (int64_t q = 0; q + 1 < points; ++q) power /= q == p ? 1 : at[p] - at[q];
      for (int64_t k = 0; k < taps; ++k, power *= at[p]) entry[p][k] = power;
    }
    for (int64_t k = 0; k < taps; ++k) entry[points - 1][k] = k == taps - 1 ? 1 : 0;
  }
};

/* The tap of the trimmed kernel that element `number` of a window meets in a plane and phase; -1: none. */
int64_t tap_at(const WinogradAxis &axis, int64_t plane, int64_t phase, int64_t number) {
  const DirectAxis &g = axis.geometry;
  const int64_t last = axis.pieces * kWinogradScheme[axis.scheme].taps - 1;
  const int64_t tap = g.adjoint ? phase + (last - number) * g.stride : number * g.planes + plane;
  return tap < g.taps ? tap : -1;
}

template <typename T>
struct Packer {
  const ck_runtime &host;
  const Problem &problem;
  const WinogradForm &f;
  const T *weights;
  const WinogradSet<T> &transforms;
  FilterMatrix y, x;

  /* Where tap number `tap` of a term's window lies in the weights of a row, from its channel on; -1: it is zero. */
  int64_t tap_place(int64_t term, int64_t row, int64_t tap) const {
    int64_t piece[3], plane[3], phase[3], window[3];
    for (int a = 2; a >= 0; --a) piece[a] = term % f.axes[a].pieces, term /= f.axes[a].pieces;
    for (int a = 2; a >= 0; --a) {
      plane[a] = term % f.axes[a].geometry.planes;
      term /= f.axes[a].geometry.planes;
    }
    split_phase(f.store, f.store.phase_inner ? row % f.phases : row / f.rows, phase);
    window[0] = piece[0];
    window[1] = piece[1] * y.taps + tap / x.taps;
    window[2] = piece[2] * x.taps + tap % x.taps;
    int64_t number = 0;
    for (int a = 0; a < 3; ++a) {
      const int64_t at = tap_at(f.axes[a], plane[a], phase[a], window[a]);
      if (at < 0) return -1;
      number = number * problem.given.kernel[a] + f.axes[a].geometry.first_tap + at;
    }
    return number;
  }

  /* Where the taps of a term lie for each row of a panel. */
  void list_places(int64_t term, int64_t first_row, int64_t rows, Places places) const {
    const int64_t row_step = f.axes[0].geometry.adjoint ? problem.weights.channel : problem.weights.feature;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = first_row + r;
      for (int64_t tap = 0; tap < y.taps * x.taps; ++tap) {
        const int64_t number = tap_place(term, row, tap), of_row = f.store.phase_inner ? row / f.phases : row % f.rows;
        places[r][tap] = number < 0 ? kNoTap : of_row * row_step + number * problem.weights.tap;
      }
    }
  }

  /* One term of some source channels, for up to kFilterRows rows: out[point * apart + channel * out_step + row]. */
  void pack_rows(const T *origin, int64_t channels, int64_t channel_step, const int64_t (*places)[kFilterTaps],
                 int64_t rows, T *out, int64_t apart, int64_t out_step) const {
    const int64_t taps = y.taps * x.taps;
    double filters[kFilters][kFilterRows];
    for (int64_t r = 0; r < rows; ++r) { /* a row's kernels are neighbours in most layouts of weights */
      for (int64_t c = 0; c < channels; ++c) {
        const T *const from = origin + c * channel_step;
        for (int64_t tap = 0; tap < taps; ++tap) {
          const int64_t at = places[r][tap];
          filters[c * taps + tap][r] = at == kNoTap ? 0 : static_cast<double>(from[at]);
        }
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t r = rows; r < kFilterRows; ++r) filters[c * taps + tap][r] = 0;
      }
      const WinogradFilterCall<T> call = {
          y.entry, x.entry, y.points, x.points, y.taps, x.taps, filters + c * taps, out + c * out_step, apart, rows};
      transforms.filter(&call);
    }
  }

  /* Transformed kernels go to all points at once, far apart: so they are collected for some channels first. */
  void pack_panel(int64_t group, int64_t panel, T *out) const {
    const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
    const auto &w = problem.weights;
    const int64_t channel_step = f.axes[0].geometry.adjoint ? w.feature : w.channel;
    const T *const origin = weights + w.origin + group * problem.group_features * w.feature;
    const int64_t step = f.panels.step, terms = f.depth / f.channels;
    int64_t places[kWidestPanel][kFilterTaps] = {};
    T room[kRoom] = {}; /* what lies between rows and step stays zero */
    const int64_t most = smaller(kRoom / (f.points * step), kFilters / (y.taps * x.taps));
    const int64_t together = clamp(most, 1, f.channels);
    for (int64_t term = 0; term < terms; ++term) {
      list_places(term, first_row, rows, places);
      for (int64_t c = 0; c < f.channels; c += together) {
        if (cancelled(host)) return;
        const int64_t channels = smaller(together, f.channels - c), apart = together * step;
        for (int64_t r = 0; r < rows; r += kFilterRows) {
          pack_rows(origin + c * channel_step, channels, channel_step, places + r, smaller(kFilterRows, rows - r),
                    room + r, apart, step);
        }
        for (int64_t p = 0; p < f.points; ++p) {
          T *const to = out + (p * f.depth + c * terms + term) * step;
          const T *const from = room + p * apart;
          if (terms == 1) {
            copy_run(from, channels * step, to);
          } else {
            for (int64_t i = 0; i < channels; ++i) copy_run(from + i * step, step, to + i * terms * step);
          }
        }
      }
    }
  }
};

}  // namespace

template <typename T>
ck_status pack_winograd_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const WinogradForm &f = plan.winograd;
  const Packer<T> packer = {host,
                            plan.problem,
                            f,
                            static_cast<const T *>(weights),
                            winograd_of<T>(*plan.kernels),
                            FilterMatrix(f.axes[1].scheme),
                            FilterMatrix(f.axes[2].scheme)};
  const auto pack = [&](int64_t unit, int32_t) {
    packer.pack_panel(unit / f.panels.count, unit % f.panels.count,
                      reinterpret_cast<T *>(packed) + unit * f.points * f.depth * f.panels.step);
  };
  const int64_t units = plan.problem.given.groups * f.panels.count;
  return for_each_unit(host, units, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template ck_status pack_winograd_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_winograd_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);

}  // namespace convkit
