/* Packed weights of the direct algorithm: [group][product][panel][source channel][tap][row of the panel].
 *
 * Which of the indices lies along memory decides the way:
 *
 *     rows               [.. channel, tap ..][row]       copies of a panel's width
 *     source channels    [.. tap, row ..][channel]       rows of memory become columns, for each tap
 *     taps               [.. row, channel ..][tap]       rows of memory become columns: a kernel is read once, and each
 *                                                        of its taps goes to its place, whatever the phase
 *     taps, joint form   [.. row, channel ..][tap]       single elements, for a tap tells the row as well as the term
 *
 * Memory is the bound, so every line of it is to be used whole, once. */
#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "../util/host.h"
#include "direct.h"

namespace convkit {
namespace {

constexpr int64_t kWidestPanel = int64_t{kMostVectors} * 16;
constexpr int64_t kRun = 128;           /* elements along memory that are turned at once */
constexpr int64_t kFarRows = 16;        /* rows at a time, if they are far from each other */
constexpr int64_t kUnitTerms = 1 << 17; /* elements that make a unit of work */

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

  /* The channels first .. first + channels - 1 of a panel. Product r begins at out + before * product_step + skipped *
   * count * step, with `before` the taps of the products before it and `count` its own. */
  struct Job {
    const T *origin; /* of the group's weights */
    int64_t first_row, rows, first, channels;
    T *out;
    int64_t product_step, skipped;
  };

  /* Calls visit(tap of the kernel, place of its row for the first channel, as elements behind job.out, step from
   * channel to channel). */
  template <typename Visit>
  void each_term(const Job &job, const Visit &visit) const {
    int64_t before = 0;
    for (int64_t r = 0; r < (f.joint ? 1 : f.phases); ++r) {
      int64_t phase[3];
      split_phase(f, r, phase);
      PhaseTaps t[3];
      const int64_t count = product_taps(f, phase, t), step = count * f.panels.step;
      int64_t place = before * job.product_step + job.skipped * step;
      for (int64_t z = 0; z < t[0].count; ++z) {
        for (int64_t y = 0; y < t[1].count; ++y) {
          for (int64_t x = 0; x < t[2].count; ++x, place += f.panels.step) {
            visit(tap_number(t[0].first + z * t[0].step, t[1].first + y * t[1].step, t[2].first + x * t[2].step), place,
                  step);
          }
        }
      }
      before += count;
    }
  }

  void pack(const Job &job) const {
    int64_t at[kWidestPanel] = {0};
    const int64_t tap_step = problem.weights.tap;
    if (find_rows(job, at)) {
      copy_rows(job, at[0]);
    } else if (channel_step() == 1) {
      turn_channels(job, at);
    } else if (!f.joint && (tap_step == 1 || tap_step == -1)) {
      turn_kernels(job, at);
    } else {
      gather_rows(job, at);
    }
    /* The lane side is read by whole vectors; of the broadcast side, only what is there. */
    if (f.pixels_in_lanes || job.rows == f.panels.step) return;
    each_term(job, [&](int64_t, int64_t place, int64_t step) {
      T *const out = job.out + place;
      for (int64_t c = 0; c < job.channels; ++c) fill_zeros(out + c * step + job.rows, f.panels.step - job.rows);
    });
  }

  /* Of a row of a product, for the first source channel; joint rows are (channel, phase) pairs. */
  int64_t row_offset(int64_t row) const {
    if (!f.joint) return row * row_step();
    int64_t phase[3];
    split_phase(f, f.phase_inner ? row % f.phases : row / f.rows, phase);
    const int64_t tap = tap_number(phase[0], phase[1], phase[2]) - tap_number(0, 0, 0);
    return (f.phase_inner ? row / f.phases : row % f.rows) * row_step() + tap * problem.weights.tap;
  }

  /* True when the rows are neighbours. */
  bool find_rows(const Job &job, int64_t at[kWidestPanel]) const {
    bool neighbours = true;
    for (int64_t i = 0; i < job.rows; ++i) {
      at[i] = row_offset(job.first_row + i);
      neighbours = neighbours && at[i] == at[0] + i;
    }
    return neighbours;
  }

  void copy_rows(const Job &job, int64_t at) const {
    const T *const from = job.origin + job.first * channel_step() + at;
    each_term(job, [&](int64_t tap, int64_t at_out, int64_t step) {
      T *const out = job.out + at_out;
      const T *row = from + tap * problem.weights.tap;
      for (int64_t c = 0; c < job.channels; ++c, row += channel_step()) {
        copy_run(row, job.rows, out + c * step);
      }
    });
  }

  /* Some terms at a time, so that a kernel is read once or nearly so. */
  void gather_rows(const Job &job, const int64_t at[kWidestPanel]) const {
    const T *const from = job.origin + job.first * channel_step();
    const T *source[kRun];
    T *places[kRun];
    int64_t steps[kRun], terms = 0;
    const auto gather = [&] {
      for (int64_t c = 0; c < job.channels; ++c) {
        for (int64_t t = 0; t < terms; ++t) {
          const T *const row = source[t] + c * channel_step();
          T *const out = places[t] + c * steps[t];
          for (int64_t i = 0; i < job.rows; ++i) out[i] = row[at[i]];
        }
      }
      terms = 0;
    };
    each_term(job, [&](int64_t tap, int64_t at_out, int64_t step) {
      T *const out = job.out + at_out;
      source[terms] = from + tap * problem.weights.tap, places[terms] = out, steps[terms] = step;
      if (++terms == kRun) gather();
    });
    gather();
  }

  void turn_channels(const Job &job, const int64_t at[kWidestPanel]) const {
    const T *const from = job.origin + job.first;
    each_term(job, [&](int64_t tap, int64_t at_out, int64_t step) {
      T *const out = job.out + at_out;
      const T *const first = from + tap * problem.weights.tap;
      if (!f.joint) return turn_block(job.rows, job.channels, first + at[0], row_step(), out, step, kRun);
      turn_rows<T>(
          job.rows, job.channels, [&](int64_t i) { return first + at[i]; }, 0,
          [&](int64_t k) { return out + k * step; });
    });
  }

  /* Where kernels follow each other (forward), several are turned at once. Taps that no product has go to a spare row.
   */
  void turn_kernels(const Job &job, const int64_t at[kWidestPanel]) const {
    const bool follow = channel_step() == problem.taps;
    const int64_t taps = f.axes[0].taps * f.axes[1].taps * f.axes[2].taps, step = taps * f.panels.step;
    if (follow && problem.weights.tap == 1 && f.phases == 1 && taps == problem.taps) { /* a plain matrix */
      const T *const from = job.origin + job.first * taps + at[0];
      return turn_block(job.rows, job.channels * taps, from, row_step(), job.out + job.skipped * step, f.panels.step,
                        kRun);
    }
    scatter_kernels(job, at, follow);
  }

  void scatter_kernels(const Job &job, const int64_t at[kWidestPanel], bool follow) const {
    T spare[kWidestPanel];
    T *first[kRun], *places[kRun];
    int64_t steps[kRun];
    const bool backwards = problem.weights.tap < 0;
    const T *const kernels = job.origin + job.first * channel_step() - (backwards ? problem.taps - 1 : 0);
    for (int64_t window = 0; window < problem.taps; window += kRun) {
      const int64_t taps = smaller(kRun, problem.taps - window);
      for (int64_t t = 0; t < taps; ++t) first[t] = spare, steps[t] = 0;
      each_term(job, [&](int64_t tap, int64_t at_out, int64_t step) {
        T *const out = job.out + at_out;
        const int64_t t = (backwards ? problem.taps - 1 - tap : tap) - window;
        if (t >= 0 && t < taps) first[t] = out, steps[t] = step;
      });
      const int64_t together = follow && taps == problem.taps ? kRun / taps : 1;
      /* Where a row is long in memory, rows are far from each other: often so that the same few sets of a cache hold
       * the lines of all. */
      const int64_t rows = together > 1 ? kFarRows : job.rows;
      for (int64_t i = 0; i < job.rows; i += rows) {
        for (int64_t c = 0; c < job.channels; c += together) {
          const int64_t channels = smaller(together, job.channels - c);
          for (int64_t n = 0; n < channels; ++n) {
            for (int64_t t = 0; t < taps; ++t) places[n * taps + t] = first[t] + (c + n) * steps[t] + i;
          }
          const T *const from = kernels + c * channel_step() + window;
          turn_rows<T>(
              smaller(rows, job.rows - i), channels * taps, [&](int64_t r) { return from + at[i + r]; },
              together * channel_step(), [&](int64_t k) { return places[k]; });
        }
      }
    }
  }

  Job job(int64_t group, int64_t panel, int64_t first, int64_t channels, T *out) const {
    const T *const origin = weights + problem.weights.origin + group * problem.group_features * problem.weights.feature;
    const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
    return {origin, first_row, rows, first, channels, out, 0, 0};
  }
};

}  // namespace

template <typename T>
void pack_direct_block(const Problem &problem, const DirectForm &f, const T *weights, int64_t group, int64_t panel,
                       int64_t first, int64_t channels, T *out) {
  const Packer<T> packer = {problem, f, weights};
  packer.pack(packer.job(group, panel, first, channels, out));
}

template <typename T>
const T *find_direct_block(const Problem &problem, const DirectForm &f, const T *weights, int64_t group, int64_t panel,
                           int64_t first, int64_t *step) {
  const Packer<T> packer = {problem, f, weights};
  const auto job = packer.job(group, panel, first, 1, nullptr);
  int64_t at[kWidestPanel] = {0};
  if (job.rows < f.panels.width || !packer.find_rows(job, at)) return nullptr;
  *step = packer.channel_step();
  const T *place = nullptr;
  packer.each_term(job, [&](int64_t tap, int64_t, int64_t) {
    place = job.origin + first * *step + at[0] + tap * problem.weights.tap;
  });
  return place;
}

template <typename T>
ck_status pack_direct_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const DirectForm &f = plan.direct;
  const Packer<T> packer = {plan.problem, f, static_cast<const T *>(weights)};
  const int64_t channel_elements = larger(f.group_weights / f.channels / f.panels.count, 1); /* of a panel */
  const int64_t block = balanced(f.channels, larger(kUnitTerms / channel_elements, 1));
  const int64_t blocks = ceil_div(f.channels, block);
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t part = unit % blocks, panel = unit / blocks % f.panels.count, group = unit / blocks / f.panels.count;
    const int64_t first = part * block, channels = smaller(block, f.channels - first);
    T *const out = reinterpret_cast<T *>(packed) + group * f.group_weights;
    auto job = packer.job(group, panel, first, channels, out);
    job.product_step = f.panels.count * f.channels * f.panels.step;
    job.skipped = panel * f.channels + first;
    packer.pack(job);
  };
  const int64_t units = plan.problem.given.groups * f.panels.count * blocks;
  return for_each_unit(host, units, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template ck_status pack_direct_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_direct_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);
#define CONVKIT_INSTANTIATE(T)                                                                                        \
  template void pack_direct_block(const Problem &, const DirectForm &, const T *, int64_t, int64_t, int64_t, int64_t, \
                                  T *);                                                                               \
  template const T *find_direct_block(const Problem &, const DirectForm &, const T *, int64_t, int64_t, int64_t,      \
                                      int64_t *);
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
