/* Packed weights of the direct algorithm: [group][product][panel][source channel][tap][row of the panel]. */
#include "../gemm/move_block.h"
#include "../util/host.h"
#include "direct.h"

namespace convkit {
namespace {

constexpr int64_t kWidestPanel = int64_t{kMostVectors} * 16;
constexpr int64_t kTurnedAtOnce = 4096; /* elements: the taps of one source channel for the rows of a panel */

template <typename T>
struct Packer {
  const Problem &problem;
  const DirectForm &f;
  const T *weights;

  /* Steps through the weights: from row to row of a product, from one source channel to the next. */
  int64_t row_step() const { return f.axes[0].adjoint ? problem.weights.channel : problem.weights.feature; }
  int64_t channel_step() const { return f.axes[0].adjoint ? problem.weights.feature : problem.weights.channel; }

  int64_t tap_number(int64_t z, int64_t y, int64_t x) const {
    const int64_t *const k = problem.given.kernel;
    return ((f.axes[0].first_tap + z) * k[1] + f.axes[1].first_tap + y) * k[2] + f.axes[2].first_tap + x;
  }

  /* Calls visit(tap of the kernel) for the taps of a product, in the order of its chain. */
  template <typename Visit>
  static void each_tap(const Packer &p, const PhaseTaps t[3], const Visit &visit) {
    for (int64_t z = 0; z < t[0].count; ++z) {
      for (int64_t y = 0; y < t[1].count; ++y) {
        for (int64_t x = 0; x < t[2].count; ++x) {
          visit(p.tap_number(t[0].first + z * t[0].step, t[1].first + y * t[1].step, t[2].first + x * t[2].step));
        }
      }
    }
  }

  /* The rows of a panel from one tap, for all source channels; `taps` is how many lie between two in the panel. */
  void pack_tap(const T *origin, int64_t tap, int64_t first_row, int64_t rows, int64_t taps, T *out) const {
    const T *const source = origin + tap * problem.weights.tap;
    const int64_t out_step = taps * f.panels.step;
    if (!f.joint) {
      return move_block(rows, f.channels, source + first_row * row_step(), row_step(), channel_step(), out, 1,
                        out_step);
    }
    int64_t at[kWidestPanel];
    at[0] = 0;
    bool neighbours = true;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t row = first_row + i;
      int64_t phase[3];
      split_phase(f, f.phase_inner ? row % f.phases : row / f.rows, phase);
      at[i] = (f.phase_inner ? row / f.phases : row % f.rows) * row_step() +
              (tap_number(phase[0], phase[1], phase[2]) - tap_number(0, 0, 0)) * problem.weights.tap;
      neighbours = neighbours && at[i] == at[0] + i;
    }
    for (int64_t c = 0; c < f.channels; ++c) {
      const T *const from = source + c * channel_step();
      T *const to = out + c * out_step;
      if (neighbours) {
        copy_run(from + at[0], rows, to);
      } else {
        for (int64_t i = 0; i < rows; ++i) to[i] = from[at[i]];
      }
    }
  }

  /* Where the taps of a kernel are neighbours in memory, each kernel is read once for all products: its taps become
   * rows. */
  bool turns_kernels() const {
    return !f.joint && f.axes[0].adjoint && (problem.weights.tap == 1 || problem.weights.tap == -1) &&
           problem.taps > 1 && problem.taps * f.panels.width <= kTurnedAtOnce;
  }

  void pack_panel(int64_t group, int64_t panel, T *out) const {
    const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
    const int64_t products = f.joint ? 1 : f.phases, channel_terms = f.panels.count * f.channels * f.panels.step;
    const T *const origin = weights + problem.weights.origin + group * problem.group_features * problem.weights.feature;
    for_each_product(products, [&](const PhaseTaps taps[3], int64_t count, int64_t before) {
      T *const to = out + before * channel_terms + panel * count * f.channels * f.panels.step;
      if (rows < f.panels.step) fill_zeros(to, count * f.channels * f.panels.step);
      if (turns_kernels()) return;
      int64_t term = 0;
      each_tap(*this, taps,
               [&](int64_t tap) { pack_tap(origin, tap, first_row, rows, count, to + term++ * f.panels.step); });
    });
    if (!turns_kernels()) return;
    T turned[kTurnedAtOnce];
    const bool backwards = problem.weights.tap < 0;
    const T *const kernels = backwards ? origin - (problem.taps - 1) : origin;
    for (int64_t c = 0; c < f.channels; ++c) {
      move_block(rows, problem.taps, kernels + first_row * row_step() + c * channel_step(), row_step(), 1, turned, 1,
                 rows);
      for_each_product(products, [&](const PhaseTaps taps[3], int64_t count, int64_t before) {
        T *to = out + before * channel_terms + (panel * f.channels + c) * count * f.panels.step;
        each_tap(*this, taps, [&](int64_t tap) {
          copy_run(turned + (backwards ? problem.taps - 1 - tap : tap) * rows, rows, to);
          to += f.panels.step;
        });
      });
    }
  }

  /* Calls visit(taps, their number, the number of those before) for each product. */
  template <typename Visit>
  void for_each_product(int64_t products, const Visit &visit) const {
    int64_t before = 0;
    for (int64_t r = 0; r < products; ++r) {
      int64_t phase[3];
      split_phase(f, r, phase);
      PhaseTaps taps[3];
      const int64_t count = product_taps(f, phase, taps);
      visit(taps, count, before);
      before += count;
    }
  }
};

}  // namespace

template <typename T>
ck_status pack_direct_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const DirectForm &f = plan.direct;
  const Packer<T> packer = {plan.problem, f, static_cast<const T *>(weights)};
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t panel = unit % f.panels.count, group = unit / f.panels.count;
    packer.pack_panel(group, panel, reinterpret_cast<T *>(packed) + group * f.group_weights);
  };
  const int64_t units = plan.problem.given.groups * f.panels.count;
  return for_each_unit(host, units, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template ck_status pack_direct_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_direct_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);

}  // namespace convkit
