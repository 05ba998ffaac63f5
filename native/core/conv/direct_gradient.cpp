/* A unit of work: a block of the gradient over its boxes, or over a part of them.
 *
 *     for each box
 *       copy grid and features                                            direct_gradient_copy.cpp
 *       for each segment and each pair of panels: tiles                   the sums of the block go on
 *     the sums to their places in the gradient                            here
 */
#include "direct_gradient.h"

#include <string.h>

#include "../gemm/move_block.h"
#include "../util/host.h"
#include "direct_geometry.h"
#include "padding_repair.h"

namespace convkit {
namespace {

/* Whole vectors are read past the end of a grid, at most as many as a tile is wide. */
constexpr int64_t kOverread = int64_t{kMostVectors} * 16;

constexpr int64_t kLanesAtOnce = 16;

/* Terms in the padding are left out where they are more than a part of so many; of few sums, for which two
 * tables cost more. */
constexpr int64_t kWorthLeavingOut = 16, kWorthWithFewSums = 4, kFewSums = 8;

template <typename T>
struct Scratch {
  T *grid, *features, *sums;
  int64_t *places, *pixels; /* of the terms, in the grid and in a panel of features */
  Run *runs;

  Scratch(const DirectGradientForm &f, Carver *carver) {
    grid = carver->take<T>(f.box[0] * f.grid[0] * f.grid[1] * f.grid[2] * f.channel_block + kOverread);
    features = carver->take<T>(f.pixels() * f.panels.count * f.panels.step);
    sums = carver->take<T>(f.parts > 1 || f.in_place ? 0 : f.sum_elements());
    places = carver->take<int64_t>(f.pixels());
    pixels = carver->take<int64_t>(f.pixels());
    runs = carver->take<Run>(kChunk);
  }
};

/* Positions of a box, along each axis. */
struct Positions {
  Range axes[3];
  int64_t count() const {
    return (axes[0].end - axes[0].begin) * (axes[1].end - axes[1].begin) * (axes[2].end - axes[2].begin);
  }
};

struct GradientBlock {
  int64_t group, feature, features, channel, channels, first_tap[3], taps[3]; /* channel: within the group */
  int64_t all_taps() const { return taps[0] * taps[1] * taps[2]; }
  int64_t feature_elements() const { return channels * all_taps(); }
  int64_t elements() const { return features * feature_elements(); }
};

/* Lines of the gradient, which have to be read before they are written, are asked for while tiles run: a span of
 * memory after the other. */
template <typename T>
struct Fetcher {
  const T *span;
  int64_t spans, span_step, length, at;

  void fetch(int64_t lines) {
    for (; lines > 0 && spans > 0; --lines) {
      fetch_early(span + at);
      at += static_cast<int64_t>(64 / sizeof(T));
      if (at >= length) at = 0, span += span_step, --spans;
    }
  }
};

template <typename T>
struct DirectGradient {
  const RunContext &context;
  const Problem &problem;
  const DirectGradientForm &f;
  const TileSet<T> &tiles;

  GradientBlock find_block(int64_t number) const {
    GradientBlock b;
    for (int a = 2; a >= 0; --a) {
      b.first_tap[a] = number % f.tap_blocks[a] * f.tap_block[a];
      b.taps[a] = smaller(f.tap_block[a], problem.given.kernel[a] - b.first_tap[a]);
      number /= f.tap_blocks[a];
    }
    b.channel = number % f.channel_blocks * f.channel_block;
    b.channels = smaller(f.channel_block, problem.group_channels - b.channel);
    number /= f.channel_blocks;
    const int64_t feature = number % f.feature_blocks * f.feature_block;
    b.group = number / f.feature_blocks;
    b.features = smaller(f.feature_block, problem.group_features - feature);
    b.feature = b.group * problem.group_features + feature;
    return b;
  }

  GradientBox find_box(int64_t number, const GradientBlock &b) const {
    GradientBox box;
    for (int a = 3; a >= 0; --a) {
      const int64_t extent = a > 0 ? problem.given.features[a - 1] : problem.given.batch;
      box.first[a] = number % f.boxes[a] * f.box[a];
      box.count[a] = smaller(f.box[a], extent - box.first[a]);
      number /= f.boxes[a];
    }
    box.has_terms = true;
    for (int a = 0; a < 3; ++a) {
      bool any = false;
      for (int64_t t = 0; t < b.taps[a]; ++t) {
        any = any || !reached_by(box, a, b.first_tap[a] + t).empty();
      }
      box.has_terms = box.has_terms && any;
    }
    return box;
  }

  SumSteps steps(const GradientBlock &b) const {
    if (f.in_place) return {problem.weights.feature, problem.weights.tap, problem.weights.channel};
    if (f.features_in_lanes) return {1, b.channels * b.features, b.features};
    return {b.all_taps() * b.channels, b.channels, 1};
  }

  int64_t first_tap(const GradientBlock &b) const {
    const int64_t *const k = problem.given.kernel;
    return (b.first_tap[0] * k[1] + b.first_tap[1]) * k[2] + b.first_tap[2];
  }

  /* Where a block begins in the gradient. */
  T *place(const GradientBlock &b) const {
    const auto &w = problem.weights;
    return static_cast<T *>(context.operands->weight_gradient) + w.origin + b.feature * w.feature +
           b.channel * w.channel + first_tap(b) * w.tap;
  }

  /* The sums of one part of a block that all slots see. */
  T *part_sums(int64_t block, int64_t part) const {
    return reinterpret_cast<T *>(context.shared) + (block * f.parts + part) * f.block_elements();
  }

  void operator()(int64_t unit, int32_t slot) const {
    const int64_t part = unit % f.parts, number = unit / f.parts;
    const GradientBlock b = find_block(number);
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(f, &carver);
    T *const sums = f.in_place ? place(b) : f.parts > 1 ? part_sums(number, part) : scratch.sums;
    const int64_t end = smaller((part + 1) * f.part_boxes, f.all_boxes());
    if (part * f.part_boxes >= end) memset(static_cast<void *>(sums), 0, static_cast<size_t>(b.elements()) * sizeof(T));
    bool finite = true;
    for (int64_t i = part * f.part_boxes; i < end; ++i) {
      if (cancelled(*context.host)) return;
      const GradientBox box = find_box(i, b);
      if (box.has_terms) {
        copy_box(b, box, scratch);
        const int64_t copied = box.pixels() * ceil_div(b.features, f.panels.width) * f.panels.step;
        finite = finite && !(f.looks_at_features && any_non_finite(scratch.features, copied));
      }
      if (f.by_panels) return finish_panels(b, box, finite && f.looks_at_features, scratch);
      add_box(b, box, i > part * f.part_boxes, scratch, scratch.features, sums);
    }
    if (f.parts == 1) finish(b, finite && f.looks_at_features, scratch.runs, sums);
  }

  void finish_panels(GradientBlock b, const GradientBox &box, bool finite, const Scratch<T> &scratch) const {
    const T *features = scratch.features;
    const int64_t end = b.feature + b.features;
    for (; b.feature < end; b.feature += f.panels.width, features += box.pixels() * f.panels.step) {
      b.features = smaller(f.panels.width, end - b.feature);
      add_box(b, box, false, scratch, features, scratch.sums);
      finish(b, finite, scratch.runs, scratch.sums);
    }
  }

  /* The parts of all blocks, added two by two, and written. */
  void join_parts() const {
    Carver carver(context.scratch);
    const Scratch<T> scratch(f, &carver);
    for (int64_t number = 0; number < f.blocks(problem); ++number) {
      const GradientBlock b = find_block(number);
      for (int64_t apart = 1; apart < f.parts; apart *= 2) {
        for (int64_t part = 0; part + apart < f.parts; part += 2 * apart) {
          T *const to = part_sums(number, part);
          const T *const from = part_sums(number, part + apart);
          for (int64_t i = 0; i < b.elements(); ++i) to[i] += from[i];
        }
      }
      finish(b, false, scratch.runs, part_sums(number, 0));
    }
  }

  void copy_box(const GradientBlock &b, const GradientBox &box, const Scratch<T> &scratch) const {
    const ck_operands &o = *context.operands;
    const T *const image =
        static_cast<const T *>(o.image_in) + (b.group * problem.group_channels + b.channel) * problem.image.channel;
    const T *const features = static_cast<const T *>(o.features_in) + b.feature * problem.features.channel;
    copy_gradient_grid(problem, f, box, b.first_tap, image, b.channels, scratch.grid);
    copy_gradient_features(problem, f, box, features, b.features, scratch.features);
  }

  void add_box(const GradientBlock &b, const GradientBox &box, bool continues, const Scratch<T> &scratch,
               const T *features, T *sums) const {
    TileCall<T> call = {};
    call.continues = continues;
    const ck_problem &p = problem.given;
    const SumSteps s = steps(b);
    const bool side_by_side = p.dilation[2] == 1 && s.tap == b.channels * s.channel;
    const int64_t run = side_by_side ? b.channels * b.taps[2] : b.channels;
    const int64_t sum_step = s.tap * (side_by_side ? b.taps[2] : 1);
    Fetcher<T> fetcher = {};
    if (f.by_panels) {
      fetcher = {place(b) + smaller((b.all_taps() - 1) * problem.weights.tap, 0), b.features, problem.weights.feature,
                 b.feature_elements(), 0};
    }
    call.c_step = f.features_in_lanes ? s.channel : s.feature;
    const Positions all = {{{0, box.count[1]}, {0, box.count[2]}, {0, box.count[3]}}};
    /* What is left out does not depend on the slots, which blocks follow: where features are not finite, it shows in
     * the last bits. */
    const int64_t along = problem.group_channels * (p.dilation[2] == 1 ? p.kernel[2] : 1);
    const int64_t worth = smaller(problem.group_features, along) < kFewSums ? kWorthWithFewSums : kWorthLeavingOut;
    Positions listed = {};
    for (int64_t z = 0; z < b.taps[0]; ++z) {
      for (int64_t y = 0; y < b.taps[1]; ++y) {
        for (int64_t x = 0; x < (side_by_side ? 1 : b.taps[2]); ++x, sums += sum_step) {
          Positions reached = {{reached_by(box, 0, b.first_tap[0] + z), reached_by(box, 1, b.first_tap[1] + y),
                                side_by_side ? all.axes[2] : reached_by(box, 2, b.first_tap[2] + x)}};
          if (p.dilation[2] == 1 && !reached.axes[2].empty()) reached.axes[2] = all.axes[2];
          const int64_t count = box.has_terms ? reached.count() : 0;
          if (count == 0 && continues) continue;
          const bool leaves_out = all.count() - count > all.count() / worth;
          const Positions &wanted = leaves_out ? reached : all;
          if (count > 0 && memcmp(&wanted, &listed, sizeof(listed)) != 0) {
            list_terms(box, wanted, b.channels, scratch);
            listed = wanted;
          }
          (f.features_in_lanes ? call.a : call.b) = by_table<T>(scratch.places);
          (f.features_in_lanes ? call.b : call.a) =
              leaves_out ? by_table<T>(scratch.pixels) : by_step<T>(f.panels.step);
          /* Sums without terms are zero. */
          call.depth = call.period = count == 0 ? 0 : box.count[0] * wanted.count();
          const int64_t shift = (z * p.dilation[0] * f.grid[1] + y * p.dilation[1]) * f.grid[2] + x * p.dilation[2];
          const T *const grid = scratch.grid + shift * b.channels;
          if (f.features_in_lanes) {
            run_features(b, run, grid, features, box.pixels() * f.panels.step, sums, &call);
          } else {
            run_grid(b, run, grid, features, box.pixels() * f.panels.step, sums, &call, &fetcher);
          }
        }
      }
    }
  }

  /* The positions of a box along an axis for which a tap reads the image, not the zeros of its padding. */
  Range reached_by(const GradientBox &box, int axis, int64_t tap) const {
    const ck_problem &p = problem.given;
    const int64_t count = box.count[axis + 1], stride = p.stride[axis];
    if (!f.padded) return {0, count};
    const int64_t origin = box.first[axis + 1] * stride + tap * p.dilation[axis] - p.pad_begin[axis];
    return inside({stride, origin}, p.image[axis], 0, count);
  }

  /* The place of each pixel in the grid, and in a panel of features. */
  void list_terms(const GradientBox &box, const Positions &wanted, int64_t channels, const Scratch<T> &scratch) const {
    int64_t *place = scratch.places, *pixel = scratch.pixels;
    const Range &zs = wanted.axes[0], &ys = wanted.axes[1], &xs = wanted.axes[2];
    for (int64_t n = 0; n < box.count[0]; ++n) {
      for (int64_t z = zs.begin; z < zs.end; ++z) {
        for (int64_t y = ys.begin; y < ys.end; ++y) {
          const int64_t row = ((n * f.grid[0] + z * f.step[0]) * f.grid[1] + y * f.step[1]) * f.grid[2];
          const int64_t features = ((n * box.count[1] + z) * box.count[2] + y) * box.count[3];
          for (int64_t x = xs.begin; x < xs.end; ++x) {
            *place++ = (row + x * f.step[2]) * channels;
            *pixel++ = (features + x) * f.panels.step;
          }
        }
      }
    }
  }

  /* Channels and taps of a segment in the lanes. */
  void run_grid(const GradientBlock &b, int64_t run, const T *grid, const T *features, int64_t panel_step, T *sums,
                TileCall<T> *call, Fetcher<T> *fetcher) const {
    const int64_t widest = f.vectors * tiles.lanes;
    for (int64_t i = 0; i < run; i += widest) {
      const int64_t columns = smaller(widest, run - i), vectors = ceil_div(columns, tiles.lanes);
      call->b.at = grid + i;
      call->columns = static_cast<int32_t>(columns);
      for (int64_t first = 0; first < b.features; first += f.panels.width) {
        const int64_t rows = smaller(f.panels.width, b.features - first);
        call->a.at = features + first / f.panels.width * panel_step;
        call->c = sums + first * call->c_step + i;
        fetcher->fetch(rows * vectors);
        tiles.tiles[(rows - 1) * kMostVectors + vectors - 1](call);
      }
    }
  }

  /* Features in the lanes. */
  void run_features(const GradientBlock &b, int64_t run, const T *grid, const T *features, int64_t panel_step, T *sums,
                    TileCall<T> *call) const {
    for (int64_t first = 0; first < b.features; first += f.panels.width) {
      const int64_t columns = smaller(f.panels.width, b.features - first), vectors = ceil_div(columns, tiles.lanes);
      call->b.at = features + first / f.panels.width * panel_step;
      call->columns = static_cast<int32_t>(columns);
      for (int64_t i = 0; i < run; i += f.height) {
        call->a.at = grid + i;
        call->c = sums + i * call->c_step + first;
        tiles.tiles[(smaller(f.height, run - i) - 1) * kMostVectors + vectors - 1](call);
      }
    }
  }

  /* The sums of a block to the gradient, if they are not there already: the two directions that have neighbours on
   * either side are moved together. */
  void finish(const GradientBlock &b, bool finite, Run *runs, T *sums) const {
    const auto &w = problem.weights;
    const SumSteps s = steps(b);
    const int64_t taps = b.all_taps();
    if (f.padded && !finite && (f.in_place || any_nan(sums, b.elements()))) {
      repair_padding(context, b.feature, b.features, {b.channel, b.channels, first_tap(b), taps}, s, runs, sums);
    }
    if (f.in_place) return;
    T *out = place(b);
    struct Direction {
      int64_t count, in, out;
    };
    Direction feature = {b.features, s.feature, w.feature}, channel = {b.channels, s.channel, w.channel};
    Direction tap = {taps, s.tap, w.tap};
    if (w.tap < 0) { /* a flipped kernel, read backwards on both sides */
      sums += (taps - 1) * s.tap;
      out += (taps - 1) * w.tap;
      tap = {taps, -s.tap, -w.tap};
    }
    /* The loop goes over what is left when the lanes and the direction along the weights are taken. */
    const bool along_taps = tap.out == 1 && taps > 1;
    const Direction &lanes = f.features_in_lanes ? feature : channel;
    const Direction &other = along_taps ? tap : f.features_in_lanes ? channel : feature;
    const Direction &loop = !along_taps ? tap : f.features_in_lanes ? channel : feature;
    /* Where each lane has a place of its own, some at a time, so that lines of the gradient are met again soon. */
    const int64_t lanes_at_once = along_taps && f.features_in_lanes ? kLanesAtOnce : lanes.count;
    for (int64_t lane = 0; lane < lanes.count; lane += lanes_at_once) {
      const int64_t count = smaller(lanes_at_once, lanes.count - lane);
      for (int64_t i = 0; i < loop.count; ++i) {
        T *const to = out + lane * lanes.out + i * loop.out;
        move_block(other.count, count, sums + lane * lanes.in + i * loop.in, other.in, lanes.in, to, other.out,
                   lanes.out);
      }
    }
  }
};

}  // namespace

template <typename T>
int64_t direct_gradient_slot_bytes(const DirectGradientForm &form) {
  Carver measure(nullptr);
  Scratch<T>(form, &measure);
  return measure.used();
}

template <typename T>
ck_status run_direct_gradient(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const DirectGradient<T> gradient = {context, plan.problem, plan.direct_gradient, tiles_of<T>(*plan.kernels)};
  const ck_status status = for_each_unit(*context.host, plan.blocking.units, plan.small, gradient);
  if (status == CK_OK && plan.direct_gradient.parts > 1) gradient.join_parts();
  return status;
}

template int64_t direct_gradient_slot_bytes<float>(const DirectGradientForm &);
template int64_t direct_gradient_slot_bytes<double>(const DirectGradientForm &);
template ck_status run_direct_gradient<float>(const RunContext &);
template ck_status run_direct_gradient<double>(const RunContext &);

}  // namespace convkit
