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
#include "../gemm/transpose.h"
#include "../gemm/move_block.h"
#include "../util/host.h"
#include "direct.h"

namespace convkit {
namespace {

constexpr int64_t kWidestPanel = int64_t{kMostVectors} * 16;
constexpr int64_t kRun = 128;           /* elements along memory that are turned at once */
constexpr int64_t kFarRows = 16;        /* rows at a time, if they are far from each other */
constexpr int64_t kUnitTerms = 1 << 17; /* elements that make a unit of work */

/* The channels first .. first + channels - 1 of a panel; weights `ahead` channels further are fetched meanwhile.
 * Product r begins before * product_step + skipped * count * step elements behind the first, with `before` the taps of
 * the products before it and `count` its own. */
struct Job {
  int64_t first_row, rows, first, channels;
  int64_t product_step, skipped;
  Range products;
  int64_t ahead;
};

/* Where weights are and go, whatever their type. */
struct Places {
  const Problem &problem;
  const DirectForm &f;

  /* Steps through the weights: from row to row of a product, from one source channel to the next. */
  int64_t row_step() const { return f.axes[0].adjoint ? problem.weights.channel : problem.weights.feature; }
  int64_t channel_step() const { return f.axes[0].adjoint ? problem.weights.feature : problem.weights.channel; }

  int64_t tap_number(int64_t z, int64_t y, int64_t x) const {
    const int64_t *const k = problem.given.kernel;
    return ((f.axes[0].first_tap + z) * k[1] + f.axes[1].first_tap + y) * k[2] + f.axes[2].first_tap + x;
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
  bool find_rows(const Job &job, int64_t at[kWidestPanel]) const;

  Job job(int64_t panel, int64_t first, int64_t channels) const {
    const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
    return {first_row, rows, first, channels, 0, 0, {0, f.joint ? 1 : f.phases}, 1};
  }
};

bool Places::find_rows(const Job &job, int64_t at[kWidestPanel]) const {
  bool neighbours = true;
  for (int64_t i = 0; i < job.rows; ++i) {
    at[i] = row_offset(job.first_row + i);
    neighbours = neighbours && at[i] == at[0] + i;
  }
  return neighbours;
}

/* The terms of a job: the tap of the kernel, the place of its row for the first channel, the step from channel to
 * channel. */
class Terms {
 public:
  int64_t tap = 0, place = 0, step = 0;

  Terms(const Places &places, const Job &job) : places_(places), job_(job), product_(job.products.begin - 1) {}

  CONVKIT_NO_INLINE bool next() {
    place += places_.f.panels.step;
    while (++at_ >= count_) {
      if (product_ >= job_.products.begin) before_ += count_;
      if (++product_ >= job_.products.end) return false;
      int64_t phase[3];
      split_phase(places_.f, product_, phase);
      count_ = product_taps(places_.f, phase, taps_);
      step = count_ * places_.f.panels.step;
      place = before_ * job_.product_step + job_.skipped * step;
      at_ = -1;
    }
    const int64_t x = at_ % taps_[2].count, y = at_ / taps_[2].count % taps_[1].count,
                  z = at_ / taps_[2].count / taps_[1].count;
    tap = places_.tap_number(taps_[0].first + z * taps_[0].step, taps_[1].first + y * taps_[1].step,
                             taps_[2].first + x * taps_[2].step);
    return true;
  }

 private:
  const Places &places_;
  const Job &job_;
  PhaseTaps taps_[3];
  int64_t product_, before_ = 0, at_ = 0, count_ = 0; /* terms before this product, in it, of it */
};

/* A job's weights, the first of the group, and what they are packed into. */
template <typename T>
struct Packer {
  const Places &places;
  const Job &job;
  const T *weights;
  T *out;
  int64_t at[kWidestPanel] = {0}; /* offsets of the rows */

  void pack() {
    const DirectForm &f = places.f;
    const int64_t tap_step = places.problem.weights.tap;
    if (places.find_rows(job, at)) {
      copy_rows();
    } else if (places.channel_step() == 1) {
      turn_channels();
    } else if (!f.joint && (tap_step == 1 || tap_step == -1)) {
      turn_kernels();
    } else {
      gather_rows();
    }
    /* The lane side is read by whole vectors; of the broadcast side, only what is there. */
    if (f.pixels_in_lanes || job.rows == f.panels.step) return;
    for (Terms terms(places, job); terms.next();) {
      T *const rest = out + terms.place + job.rows;
      for (int64_t c = 0; c < job.channels; ++c) fill_zeros(rest + c * terms.step, f.panels.step - job.rows);
    }
  }

  const T *first_channel() const { return weights + job.first * places.channel_step(); }

  /* Rows may be far from each other, where no hardware foresees the next. */
  void copy_rows() const {
    const int64_t step = places.channel_step(), next = job.ahead * step;
    for (Terms terms(places, job); terms.next();) {
      const T *row = first_channel() + at[0] + terms.tap * places.problem.weights.tap;
      for (int64_t c = 0; c < job.channels; ++c, row += step) {
        for (int64_t i = 0; i < job.rows; i += 64 / static_cast<int64_t>(sizeof(T))) fetch_early(row + next + i);
        copy_run(row, job.rows, out + terms.place + c * terms.step);
      }
    }
  }

  /* Some terms at a time, so that a kernel is read once or nearly so. */
  void gather_rows() const {
    const T *source[kRun];
    T *to[kRun];
    int64_t steps[kRun], count = 0;
    Terms terms(places, job);
    for (bool more = true; more;) {
      more = terms.next();
      if (more) {
        source[count] = first_channel() + terms.tap * places.problem.weights.tap;
        to[count] = out + terms.place, steps[count] = terms.step;
        if (++count < kRun) continue;
      }
      for (int64_t c = 0; c < job.channels; ++c) {
        for (int64_t t = 0; t < count; ++t) {
          const T *const row = source[t] + c * places.channel_step();
          T *const place = to[t] + c * steps[t];
          for (int64_t i = 0; i < job.rows; ++i) place[i] = row[at[i]];
        }
      }
      count = 0;
    }
  }

  void turn_channels() const {
    for (Terms terms(places, job); terms.next();) {
      T *const to = out + terms.place;
      const T *const from = weights + job.first + terms.tap * places.problem.weights.tap;
      if (!places.f.joint) {
        turn_block(job.rows, job.channels, from + at[0], places.row_step(), to, terms.step, kRun);
        continue;
      }
      turn_rows<T>(
          job.rows, job.channels, [&](int64_t i) { return from + at[i]; }, 0,
          [&](int64_t k) { return to + k * terms.step; });
    }
  }

  /* Where kernels follow each other (forward), several are turned at once. Taps that no product has go to a spare row.
   */
  void turn_kernels() const {
    const Problem &problem = places.problem;
    const DirectForm &f = places.f;
    const bool follow = places.channel_step() == problem.taps;
    const int64_t taps = f.axes[0].taps * f.axes[1].taps * f.axes[2].taps, step = taps * f.panels.step;
    if (follow && problem.weights.tap == 1 && f.phases == 1 && taps == problem.taps) { /* a plain matrix */
      return turn_block(job.rows, job.channels * taps, first_channel() + at[0], places.row_step(),
                        out + job.skipped * step, f.panels.step, larger(kRun, job.ahead * taps));
    }
    scatter_kernels(follow);
  }

  void scatter_kernels(bool follow) const {
    const int64_t all = places.problem.taps, channel_step = places.channel_step();
    T spare[kWidestPanel];
    T *first[kRun], *to[kRun];
    int64_t steps[kRun];
    const bool backwards = places.problem.weights.tap < 0;
    for (int64_t window = 0; window < all; window += kRun) {
      const int64_t taps = smaller(kRun, all - window);
      for (int64_t t = 0; t < taps; ++t) first[t] = spare, steps[t] = 0;
      for (Terms terms(places, job); terms.next();) {
        const int64_t t = (backwards ? all - 1 - terms.tap : terms.tap) - window;
        if (t >= 0 && t < taps) first[t] = out + terms.place, steps[t] = terms.step;
      }
      const int64_t together = follow && taps == all ? kRun / taps : 1;
      /* Where a row is long in memory, rows are far from each other: often so that the same few sets of a cache hold
       * the lines of all. */
      const int64_t rows = together > 1 ? kFarRows : job.rows;
      const int64_t ahead = (follow ? together : job.ahead) * channel_step;
      for (int64_t i = 0; i < job.rows; i += rows) {
        for (int64_t c = 0; c < job.channels; c += together) {
          const int64_t channels = smaller(together, job.channels - c);
          for (int64_t n = 0; n < channels; ++n) {
            for (int64_t t = 0; t < taps; ++t) to[n * taps + t] = first[t] + (c + n) * steps[t] + i;
          }
          const T *const from = first_channel() - (backwards ? all - 1 : 0) + c * channel_step + window;
          turn_rows<T>(
              smaller(rows, job.rows - i), channels * taps, [&](int64_t r) { return from + at[i + r]; }, ahead,
              [&](int64_t k) { return to[k]; });
        }
      }
    }
  }
};

template <typename T>
const T *of_group(const Problem &problem, const T *weights, int64_t group) {
  return weights + problem.weights.origin + group * problem.group_features * problem.weights.feature;
}

}  // namespace

template <typename T>
void pack_direct_block(const Problem &problem, const DirectForm &f, const T *weights, int64_t group, int64_t panel,
                       int64_t product, int64_t first, int64_t channels, T *out) {
  const Places places = {problem, f};
  Job job = places.job(panel, first, channels);
  job.products = {product, product + 1};
  job.ahead = channels; /* the block behind this one */
  Packer<T>{places, job, of_group(problem, weights, group), out}.pack();
}

template <typename T>
ck_status pack_direct_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const DirectForm &f = plan.direct;
  const Places places = {plan.problem, f};
  const int64_t channel_elements = larger(f.channel_weights(), 1); /* of a panel */
  const int64_t block = balanced(f.channels, larger(kUnitTerms / channel_elements, 1));
  const int64_t blocks = ceil_div(f.channels, block);
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t part = unit % blocks, panel = unit / blocks % f.panels.count, group = unit / blocks / f.panels.count;
    const int64_t first = part * block, channels = smaller(block, f.channels - first);
    Job job = places.job(panel, first, channels);
    job.product_step = f.panels.count * f.channels * f.panels.step;
    job.skipped = panel * f.channels + first;
    Packer<T>{places, job, of_group(plan.problem, static_cast<const T *>(weights), group),
              reinterpret_cast<T *>(packed) + group * f.group_weights}
        .pack();
  };
  const int64_t units = plan.problem.given.groups * f.panels.count * blocks;
  return for_each_unit(host, units, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template ck_status pack_direct_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_direct_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);
template void pack_direct_block(const Problem &, const DirectForm &, const float *, int64_t, int64_t, int64_t, int64_t,
                                int64_t, float *);
template void pack_direct_block(const Problem &, const DirectForm &, const double *, int64_t, int64_t, int64_t, int64_t,
                                int64_t, double *);

}  // namespace convkit
