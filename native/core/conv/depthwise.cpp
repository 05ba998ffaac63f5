#include "depthwise.h"

#include "../util/text.h"
#include "depthwise_last.h"
#include "plan.h"

namespace convkit {
namespace {

/* The band of a unit should leave room in the first-level cache for what is written; several kernel planes (3-D) are
 * shared in the second-level cache. No band is larger than the scratch promised for a slot allows. */
constexpr int64_t kBandBytes = 24 << 10, kDeepBandBytes = 192 << 10, kMostBandBytes = 640 << 10;
constexpr int64_t kWidestBand = 512, kWidestLine = 2048; /* positions along x; of a band of few rows */
/* A line of more than kLongLine positions is read in place but for its ends, if these are short. */
constexpr int64_t kLongLine = 1024, kLineBand = 16384, kLongestEdge = 256;
constexpr int64_t kLeastWork = 200000; /* multiply-adds of a unit, below which several channels share one */
/* The phases of a row, or with channels last the features of a channel, are interleaved by shuffles up to here; the
 * direct algorithm can have them in lanes. */
constexpr int64_t kMostRowPhases = 4;
/* A weight gradient has a vector of sums for each tap. */
constexpr int64_t kMostGradientTaps = 2048;
/* Short rows leave lanes empty, and each channel and each row costs time of its own: turning channels into lanes and
 * back costs as much for this many elements. A stride beyond two takes rows apart, or puts them together. */
constexpr int64_t kChannelMoves = 400, kRowMoves = 24, kApartChannelMoves = 1000, kApartRowMoves = 400;
/* A block of channels of a map must stay in the cache, and not fall onto the same of its sets. With channels last, it
 * is pixels that may do so; of larger maps, copying takes as long. */
constexpr int64_t kBlockMapBytes = 16 << 10, kSetBytes = 4 << 10, kCrowdedMapBytes = 2 << 10, kCrowdedBytes = 2 << 10;
/* With so few channels in lanes, turning them into planes (as direct does) pays once there are some taps. */
constexpr int64_t kFewChannels = 8, kFewChannelTaps = 32;
constexpr int64_t kMostPlanes = 4, kPlaneTaps = 4, kPlaneResults = 256 << 10; /* bytes of a band */
constexpr int64_t kPackedChannels = 64;                                       /* in one unit of packing */
/* More of them do better in lanes of their own. */
constexpr int64_t kMostSources = 16;
/* Tables of taps, and kernels that are gone through for each row. */
constexpr int64_t kMostLastTaps = 2048;
/* Far beyond what fits; keeps the arithmetic below exact. */
constexpr int64_t kMostRows = INT64_C(1) << 31;

int64_t pitch_of(const DirectAxis &axis, int64_t count) { return round_up(count + axis.span, 16); }

/* The positions at either end of a long line (in 1-D) that need a copy: taps in the padding, or whole vectors that
 * would read beyond the source. 0: not a long line. */
int64_t edge_of(const DepthwiseForm &f) {
  const DirectAxis &x = f.axes[2];
  const GridMap map = grid_map(x, 0, 0);
  const bool one_row = depthwise_rows_under(f.axes[0], 1) == 1 && depthwise_rows_under(f.axes[1], 1) == 1;
  const bool line =
      one_row && f.pixel == 1 && f.axes[0].count == 1 && f.axes[1].count == 1 && x.planes == 1 && map.step == 1;
  if (!line || x.count <= kLongLine) return 0;
  const int64_t begin = x.span_begin + map.offset;
  const int64_t left = -begin, right = begin + x.count + depthwise_reach(x) + kDepthwiseLanes - x.source;
  const int64_t edge = larger(larger(left, right), 1);
  return edge <= kLongestEdge ? edge : 0;
}

/* Fills band and grid, or says why no band fits. */
const char *choose_band(int64_t element, DepthwiseForm *f) {
  const DirectAxis &x = f->axes[2];
  const int64_t heights[2] = {depthwise_rows_under(f->axes[0], 1), depthwise_rows_under(f->axes[1], 1)};
  if (heights[0] >= kMostRows || heights[1] >= kMostRows) return "the rows of taps reach too far apart";
  if (f->sources > kMostSources) return "too many features add up in a channel";
  const int64_t line = kBandBytes / element / x.planes / heights[0] / heights[1] / f->sources;
  /* Planes of few channels wait in the cache until they are put together. */
  const int64_t planes = f->pixel > 1 ? kPlaneResults / element / f->pixel : INT64_MAX;
  const int64_t thick = depthwise_results(f->axes[0], 1) * depthwise_results(f->axes[1], 1) * depthwise_results(x, 1);
  if (planes / thick < kDepthwiseLanes) return "the results of a few positions do not fit into the cache";
  const int64_t wide = f->edge > 0 ? kLineBand : clamp(line, kWidestBand, kWidestLine);
  const int64_t widest = smaller(wide, planes / thick);
  f->band[2] = balanced(x.count, widest);
  f->bands[2] = ceil_div(x.count, f->band[2]);
  const bool too_wide = x.span > (kMostBandBytes >> 2) || x.planes > kDepthwisePhases;
  if (too_wide) return "the taps of a row reach too far apart";
  f->plane_pitch = pitch_of(x, f->edge > 0 ? f->edge : f->band[2]);
  f->pitch = f->plane_pitch * x.planes;
  const int64_t row = f->pitch * element;

  f->band[0] = f->band[1] = 1;
  for (int a = 1; a >= 0; --a) {
    const DirectAxis &axis = f->axes[a];
    const int64_t least = heights[a], other = f->sources * (a == 1 ? heights[0] : f->grid[1]);
    if (least * other > kMostBandBytes / row) return "the source under one row of results does not fit into the cache";
    /* As long as the budget allows, but not so short that most of it would be read for the next band again. */
    const int64_t budget = (axis.taps > 1 && f->axes[0].taps > 1 ? kDeepBandBytes : kBandBytes) / (row * other);
    const int64_t room = kMostBandBytes / (row * other);
    const int64_t wanted = larger(budget, 3 * least);
    const int64_t rows = smaller(wanted, room);
    const int64_t step = axis.adjoint ? 1 : axis.stride;
    const int64_t others = depthwise_results(f->axes[1 - a], f->band[1 - a]) * depthwise_results(x, f->band[2]);
    const int64_t fitting = planes / others / depthwise_results(axis, 1);
    const int64_t most = clamp(smaller((rows - least) / step + 1, fitting), 1, axis.count);
    f->band[a] = balanced(axis.count, most);
    f->bands[a] = ceil_div(axis.count, f->band[a]);
    f->grid[a] = depthwise_rows_under(axis, f->band[a]);
  }
  return nullptr;
}

bool is_last(const Problem &problem) { return problem.given.layout == CK_CHANNELS_LAST; }

const char *prepare(const Problem &problem, ck_pass pass, DepthwiseForm *f) {
  const ck_pass geometry = pass == CK_WEIGHT_GRADIENT ? CK_FORWARD : pass;
  if (const char *const reason = direct_axes(problem, geometry, f->axes)) return reason;
  for (const DirectAxis &axis : f->axes) {
    if (axis.phases > kDepthwisePhases) return "the stride makes too many phases";
    if (axis.phases > kMostRowPhases && &axis == f->axes + 2) return "many phases along a row are better joint";
  }
  f->pixel = is_last(problem) ? problem.given.groups : 1;
  f->multiplier = pass == CK_ADJOINT ? 1 : problem.group_features;
  f->sources = pass == CK_ADJOINT ? problem.group_features : 1;
  f->edge = pass == CK_WEIGHT_GRADIENT ? 0 : edge_of(*f);
  f->streams = pass != CK_WEIGHT_GRADIENT && f->pixel == 1 && streams_result(problem, pass == CK_ADJOINT);
  return choose_band(element_bytes(problem), f);
}

/* Maps whose channels are moved to maps of their own, block by block: short rows with channels first, which leave lanes
 * empty, and crowded pixels with channels last. */
bool takes_blocks(const Problem &problem, ck_pass pass) {
  const ck_problem &p = problem.given;
  if (pass == CK_WEIGHT_GRADIENT && (p.padding_mode != CK_ZEROS || reaches_far(p))) return false;
  if (problem.group_features > 1 || p.groups < kDepthwiseLanes || problem.taps > kMostLastTaps) return false;
  const int64_t element = element_bytes(problem), image = problem.image_pixels, features = problem.feature_pixels;
  const bool last = is_last(problem);
  if (larger(image, features) * element > (last ? kCrowdedMapBytes : kBlockMapBytes)) return false;
  if (last) return p.groups * element % kCrowdedBytes == 0 && p.kernel[2] > 1;
  if (image * element % kSetBytes == 0 || features * element % kSetBytes == 0) return false;
  const int64_t image_rows = p.image[0] * p.image[1], feature_rows = p.features[0] * p.features[1];
  const int64_t rows = pass == CK_FORWARD   ? feature_rows
                       : pass == CK_ADJOINT ? image_rows
                                            : larger(image_rows, feature_rows);
  const bool apart = p.stride[2] > 2 && image + features <= kApartChannelMoves + rows * kApartRowMoves;
  return apart || image + features <= kChannelMoves + rows * kRowMoves;
}

/* Channels last, but so few that each is better computed as a plane of its own: where pixels cannot be merged into full
 * vectors, or taps outweigh taking the channels apart (not in a single row, which has next to nothing to begin). */
bool is_planar(const Problem &problem, ck_pass pass) {
  const ck_problem &p = problem.given;
  if (!is_last(problem) || pass == CK_WEIGHT_GRADIENT) return false;
  if (p.groups > kMostPlanes || problem.group_features > 1) return false;
  const bool zipped = pass == CK_ADJOINT && p.stride[2] > 1, plain = p.stride[2] == 1;
  const bool pays = plain && p.kernel[0] * p.kernel[1] > 1 && problem.taps >= kPlaneTaps * p.groups;
  DepthwiseForm form;
  return (zipped || pays) && !prepare(problem, pass, &form);
}

/* Channels fill the lanes: as they lie, or in maps of their own. */
bool in_lanes(const ck_plan &plan) {
  return (is_last(plan.problem) && !plan.depthwise.planar) || plan.depthwise.blocks;
}

const char *refuses_last(const Problem &problem, ck_pass pass) {
  if (is_planar(problem, pass)) return nullptr;
  if (problem.group_features > 1) {
    if (problem.given.groups < kFewChannels) return "several features of few channels, channels last";
    const bool many =
        pass == CK_WEIGHT_GRADIENT ? problem.group_features > kMostSources : problem.group_features > kMostRowPhases;
    if (many) return "many features of a channel, channels last";
    if (problem.taps * problem.group_features > kMostLastTaps) return "the kernel has too many taps";
    const bool fits = pass == CK_WEIGHT_GRADIENT ? fits_depthwise_last_gradient(problem)
                                                 : fits_depthwise_last(problem, pass == CK_ADJOINT);
    if (!fits) return "the features under a part of a row do not fit into the cache";
  }
  const bool few = problem.given.groups < kFewChannels && problem.taps > kFewChannelTaps;
  if (pass != CK_WEIGHT_GRADIENT && few) return "with few channels and many taps, pixels fill the lanes better";
  if (problem.taps > kMostLastTaps) return "the kernel has too many taps";
  if (pass == CK_WEIGHT_GRADIENT && problem.given.padding_mode != CK_ZEROS) {
    return "the weight gradient of this padding mode, channels last";
  }
  if (pass == CK_WEIGHT_GRADIENT && reaches_far(problem.given)) return "the taps of a row reach too far apart";
  return nullptr;
}

const char *refuses(const Problem &problem, ck_pass pass) {
  if (problem.group_channels != 1) return "features read several channels";
  if (problem.given.groups == 1 && problem.group_features > 1) return "one channel";
  if (pass == CK_ADJOINT && problem.given.padding_mode != CK_ZEROS) return "the adjoint of this padding mode";
  if (is_last(problem)) return refuses_last(problem, pass);
  if (takes_blocks(problem, pass)) return nullptr; /* refuses nothing else */
  if (pass == CK_WEIGHT_GRADIENT && problem.taps > kMostGradientTaps) return "the kernel has too many taps";
  DepthwiseForm form;
  return prepare(problem, pass, &form);
}

int64_t used_taps(const DepthwiseForm &f) { return f.axes[0].taps * f.axes[1].taps * f.axes[2].taps; }

/* Cuts the channels into blocks, `parts` units of work each: enough work for a unit, enough units for all slots. */
void block_channels(const Problem &problem, int64_t channels, int64_t parts, int32_t slots, DepthwiseForm *f) {
  const double work = problem.flops / 2 / static_cast<double>(channels * parts);
  /* An empty batch is no work at all. */
  const int64_t together = work > 1 ? static_cast<int64_t>(static_cast<double>(kLeastWork) / work) + 1 : kLeastWork;
  const int64_t share = ceil_div(channels * parts, 4 * static_cast<int64_t>(slots));
  f->channel_block = balanced(channels, clamp(smaller(together, share), 1, channels));
  f->channel_blocks = ceil_div(channels, f->channel_block);
}

template <typename T>
void block(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  DepthwiseForm &f = plan->depthwise;
  f.planar = is_planar(problem, plan->pass);
  f.blocks = !f.planar && takes_blocks(problem, plan->pass);
  if (in_lanes(*plan)) {
    if (plan->pass == CK_WEIGHT_GRADIENT) return block_depthwise_last_gradient<T>(plan, slots);
    return f.blocks ? block_depthwise_blocks<T>(plan, slots) : block_depthwise_last<T>(plan);
  }
  prepare(problem, plan->pass, &f);
  Blocking &b = plan->blocking;
  const int64_t groups = problem.given.groups;
  if (plan->pass == CK_WEIGHT_GRADIENT) {
    block_channels(problem, problem.given.feature_channels, 1, slots, &f);
    b.units = f.channel_blocks;
    b.slot_bytes = depthwise_gradient_scratch<T>(problem, f);
    return;
  }
  f.group_weights = problem.group_features * used_taps(f);
  plan->weights_bytes = groups * f.group_weights * static_cast<int64_t>(sizeof(T));
  const int64_t parts = problem.given.batch * f.bands[0] * f.bands[1] * f.bands[2];
  block_channels(problem, groups, larger(parts, 1), slots, &f);
  if (f.planar) f.channel_block = groups, f.channel_blocks = 1; /* a pixel has all of them */
  b.units = f.channel_blocks * parts;
  b.slot_bytes = depthwise_rows_scratch<T>(f);
}

/* [image channel][phase z, y, x][taps of the phase], in the order of the chains: forward, the features of a channel lie
 * outside of its (only) phase; in the adjoint, where they add up, within. */
template <typename T>
ck_status pack(const ck_plan &plan, const ck_runtime &host, const void *given, char *packed) {
  const Problem &problem = plan.problem;
  const DepthwiseForm &f = plan.depthwise;
  if (in_lanes(plan)) return pack_depthwise_last<T>(plan, host, given, packed);
  const auto &w = problem.weights;
  const int64_t *const k = problem.given.kernel;
  const auto pack_phase = [&](const PhaseTaps t[3], const T *from, T *out) {
    for (int64_t z = 0; z < t[0].count; ++z) {
      for (int64_t y = 0; y < t[1].count; ++y) {
        const int64_t tap_z = f.axes[0].first_tap + t[0].first + z * t[0].step;
        const int64_t tap_y = f.axes[1].first_tap + t[1].first + y * t[1].step;
        const int64_t row = (tap_z * k[1] + tap_y) * k[2] + f.axes[2].first_tap + t[2].first;
        for (int64_t x = 0; x < t[2].count; ++x) *out++ = from[(row + x * t[2].step) * w.tap];
      }
    }
    return out;
  };
  const int64_t group_features = problem.group_features, groups = problem.given.groups;
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t first = unit * kPackedChannels, last = smaller(first + kPackedChannels, groups);
    T *out = reinterpret_cast<T *>(packed);
    for (int64_t rz = 0; rz < f.axes[0].phases; ++rz) {
      for (int64_t ry = 0; ry < f.axes[1].phases; ++ry) {
        for (int64_t rx = 0; rx < f.axes[2].phases; ++rx) {
          const PhaseTaps t[3] = {phase_taps(f.axes[0], rz), phase_taps(f.axes[1], ry), phase_taps(f.axes[2], rx)};
          for (int64_t c = first; c < last; ++c) {
            const T *const from = static_cast<const T *>(given) + w.origin + c * group_features * w.feature;
            T *to = out + c * f.group_weights;
            for (int64_t m = 0; m < group_features; ++m) to = pack_phase(t, from + m * w.feature, to);
          }
          out += group_features * t[0].count * t[1].count * t[2].count;
        }
      }
    }
  };
  const bool serial = plan.small || plan.weights_bytes < (1 << 16);
  return for_each_unit(host, ceil_div(groups, kPackedChannels), serial, pack);
}

template <typename T>
ck_status run(const RunContext &context) {
  const bool lanes = in_lanes(*context.plan), blocks = context.plan->depthwise.blocks;
  if (context.plan->pass == CK_WEIGHT_GRADIENT) {
    return lanes ? run_depthwise_last_gradient<T>(context) : run_depthwise_gradient<T>(context);
  }
  if (!lanes) return run_depthwise_rows<T>(context);
  return blocks ? run_depthwise_blocks<T>(context) : run_depthwise_last<T>(context);
}

void describe(const ck_plan &plan, Text *id, Text *key) {
  const DepthwiseForm &f = plan.depthwise;
  if (is_last(plan.problem) && !f.planar) {
    id->add(f.blocks ? "/channels/blocks" : "/channels");
    key->add("/").add(f.merged);
    return;
  }
  if (f.blocks) {
    id->add("/turned");
    key->add("/turned");
    return;
  }
  id->add(f.planar ? "/planes/" : "/").add(f.band[0]).add("x").add(f.band[1]).add("x").add(f.band[2]);
  for (const DirectAxis &a : f.axes) {
    key->add("/").add(a.first_tap).add("+").add(a.taps);
    if (a.adjoint) key->add("s").add(a.stride).add("d").add(a.dilation % a.stride);
  }
}

template <typename T>
constexpr TypedAlgorithm typed = {nullptr, block<T>, pack<T>, run<T>};

}  // namespace

const Algorithm depthwise_algorithm = {"depthwise", refuses, describe, typed<float>, typed<double>};

}  // namespace convkit
