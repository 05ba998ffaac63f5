/* Packed weights of the Winograd algorithm: [group][panel][point][source channel, plane, piece][row of the panel], each
 * kernel transformed in float64 and rounded once. */
#include "../gemm/copy.h"
#include "../util/host.h"
#include "winograd.h"

namespace convkit {
namespace {

constexpr int kMostTaps = 4;     /* of a scheme */
constexpr int64_t kTogether = 16; /* rows transformed at a time */

/* u[point] = sum of matrix[point][tap] * g[tap] along one axis. */
struct FilterMatrix {
  int64_t points, taps;
  double entry[kMostPoints][kMostTaps];

  explicit FilterMatrix(int32_t scheme) {
    taps = kWinogradScheme[scheme].taps;
    points = kWinogradScheme[scheme].outputs + taps - 1;
    double at[kMostPoints] = {};
    if (points == 4) list<4>(at);
    if (points == 5) list<5>(at);
    if (points == 6) list<6>(at);
    if (points == 7) list<7>(at);
    for (int64_t p = 0; p + 1 < points; ++p) {
      double power = 1;
      for (int64_t q = 0; q + 1 < points; ++q) power /= q == p ? 1 : at[p] - at[q];
      for (int64_t k = 0; k < taps; ++k, power *= at[p]) entry[p][k] = power;
    }
    for (int64_t k = 0; k < taps; ++k) entry[points - 1][k] = k == taps - 1 ? 1 : 0;
  }
  /* The finite points, in the order of the transforms. */
  template <int POINTS>
  static void list(double *at) {
    using P = WinogradPoints<POINTS>;
    for (int k = 0; k < P::pairs; ++k) {
      at[1 + 2 * k] = P::pair[k];
      at[2 + 2 * k] = -P::pair[k];
    }
    if (POINTS % 2 == 1) at[POINTS - 2] = P::odd;
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
  const Problem &problem;
  const WinogradForm &f;
  const T *weights;
  FilterMatrix y, x;

  /* One sub-kernel of up to kTogether rows: g[tap y][tap x][row] to out[point][row], points `apart`. */
  void transform(const double (*g)[kTogether], int64_t rows, T *out, int64_t apart) const {
    double half[kMostPoints * kMostTaps][kTogether];
    for (int64_t p = 0; p < y.points; ++p) {
      for (int64_t j = 0; j < x.taps; ++j) {
        double *const sum = half[p * x.taps + j];
        for (int64_t r = 0; r < kTogether; ++r) sum[r] = 0;
        for (int64_t i = 0; i < y.taps; ++i) {
          const double entry = y.entry[p][i], *const from = g[i * x.taps + j];
          if (entry == 0) continue; /* 0 times infinity is not a term */
          for (int64_t r = 0; r < kTogether; ++r) sum[r] += entry * from[r];
        }
      }
    }
    for (int64_t p = 0; p < y.points; ++p) {
      for (int64_t q = 0; q < x.points; ++q, out += apart) {
        double sum[kTogether] = {};
        for (int64_t j = 0; j < x.taps; ++j) {
          const double entry = x.entry[q][j], *const from = half[p * x.taps + j];
          if (entry == 0) continue;
          for (int64_t r = 0; r < kTogether; ++r) sum[r] += entry * from[r];
        }
        for (int64_t r = 0; r < rows; ++r) out[r] = static_cast<T>(sum[r]);
      }
    }
  }

  /* One piece of one plane of a source channel, for some rows of a panel. */
  void pack_piece(const T *channel, int64_t first_row, int64_t rows, const int64_t plane[3], const int64_t piece[3],
                  T *out) const {
    const int64_t *const k = problem.given.kernel;
    const int64_t row_step = f.axes[0].geometry.adjoint ? problem.weights.channel : problem.weights.feature;
    double g[kMostTaps * kMostTaps][kTogether] = {};
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = first_row + r;
      int64_t phase[3];
      split_phase(f.store, f.store.phase_inner ? row % f.phases : row / f.rows, phase);
      const T *const from = channel + (f.store.phase_inner ? row / f.phases : row % f.rows) * row_step;
      const int64_t z = tap_at(f.axes[0], plane[0], phase[0], piece[0]);
      for (int64_t i = 0; z >= 0 && i < y.taps; ++i) {
        const int64_t v = tap_at(f.axes[1], plane[1], phase[1], piece[1] * y.taps + i);
        for (int64_t j = 0; v >= 0 && j < x.taps; ++j) {
          const int64_t h = tap_at(f.axes[2], plane[2], phase[2], piece[2] * x.taps + j);
          if (h < 0) continue;
          const int64_t tap = ((f.axes[0].geometry.first_tap + z) * k[1] + f.axes[1].geometry.first_tap + v) * k[2] +
                              f.axes[2].geometry.first_tap + h;
          g[i * x.taps + j][r] = static_cast<double>(from[tap * problem.weights.tap]);
        }
      }
    }
    transform(g, rows, out, f.depth * f.panels.step);
  }

  void pack_panel(int64_t group, int64_t panel, T *out) const {
    const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
    const auto &w = problem.weights;
    const int64_t channel_step = f.axes[0].geometry.adjoint ? w.feature : w.channel;
    const T *const origin = weights + w.origin + group * problem.group_features * w.feature;
    if (rows < f.panels.step) fill_zeros(out, f.points * f.depth * f.panels.step);
    const int64_t pieces = f.axes[0].pieces * f.axes[1].pieces * f.axes[2].pieces;
    for (int64_t k = 0; k < f.depth; ++k) {
      int64_t piece[3], plane[3], rest = k;
      for (int a = 2; a >= 0; --a) piece[a] = rest % f.axes[a].pieces, rest /= f.axes[a].pieces;
      for (int a = 2; a >= 0; --a) plane[a] = rest % f.axes[a].geometry.planes, rest /= f.axes[a].geometry.planes;
      const T *const channel = origin + k / (pieces * f.planes) * channel_step;
      for (int64_t r = 0; r < rows; r += kTogether) {
        pack_piece(channel, first_row + r, smaller(kTogether, rows - r), plane, piece, out + k * f.panels.step + r);
      }
    }
  }
};

}  // namespace

template <typename T>
ck_status pack_winograd_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const WinogradForm &f = plan.winograd;
  const Packer<T> packer = {plan.problem, f, static_cast<const T *>(weights), FilterMatrix(f.axes[1].scheme),
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
