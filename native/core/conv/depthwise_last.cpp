/* Depthwise with channels last: a unit is a part of a row of results (depthwise_last_rows.h).
 *
 * If there are fewer channels than lanes, results that follow each other in memory are merged (without a stride): they
 * have the same taps, and weights and biases that are repeated from pixel to pixel. */
#include "depthwise_last_rows.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int64_t kPackedPart = 1 << 16; /* channels of one tap: a unit of packing */
constexpr int64_t kMostMerged = 16;      /* pixels */
/* Of fewer channels, the ends of a pixel, which are stored as usual, and the fence behind a tile cost too much. */
constexpr int64_t kStreamedChannels = 512;
constexpr int64_t kPartBytes = 64 << 10, kLeastPart = 16; /* of all channels, in the second-level cache; pixels */

template <typename T>
struct Scratch {
  LastTables<T> tables;
  T *bias, *slope; /* of merged pixels */

  Scratch(const Problem &problem, const DepthwiseForm &f, bool adjoint, Carver *carver)
      : tables(problem, f, adjoint, carver),
        bias(carver->take<T>(f.merged > 1 ? f.pitch : 0)),
        slope(carver->take<T>(f.merged > 1 ? f.pitch : 0)) {}
};

/* values[c % channels] for c < count. */
template <typename T>
const T *repeated(const T *values, int64_t channels, int64_t count, T *room) {
  if (!values) return nullptr;
  for (int64_t c = 0; c < count; ++c) room[c] = values[c % channels];
  return room;
}

/* A part of a row of results. */
template <typename T>
void run_unit(const RunContext &context, int64_t unit, int32_t slot) {
  const Problem &problem = context.plan->problem;
  const DepthwiseForm &f = context.plan->depthwise;
  const bool adjoint = context.plan->pass == CK_ADJOINT;
  const int64_t *const size = adjoint ? problem.given.image : problem.given.features;
  const int64_t first = unit % f.bands[2] * f.band[2];
  unit /= f.bands[2];
  const int64_t y = unit % size[1], z = unit / size[1] % size[0], image = unit / size[1] / size[0];

  Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
  const Scratch<T> scratch(problem, f, adjoint, &carver);
  Epilogue<T> epilogue;
  const Epilogue<T> *const finish = make_epilogue(context, 0, &epilogue);
  if (finish && f.merged > 1) {
    const int64_t channels = problem.given.groups;
    epilogue.bias = repeated(epilogue.bias, channels, f.merged * channels, scratch.bias);
    epilogue.slope = repeated(epilogue.slope, channels, f.merged * channels, scratch.slope);
  }
  const Flow<T> flow(context);
  cover_last_row<T>(context, problem, scratch.tables,
                    {z, y, first, first + f.band[2], flow.source + image * flow.in.batch,
                     reinterpret_cast<const T *>(context.weights), flow.result + image * flow.out.batch, finish});
}

/* Positions of a part of a row. */
int64_t choose_part(const Problem &problem, bool adjoint) {
  const ck_problem &p = problem.given;
  const int64_t length = adjoint ? ceil_div(p.image[2], p.stride[2]) : p.features[2];
  const int64_t most = larger(kPartBytes / element_bytes(problem) / problem.features.pixel, kLeastPart);
  return balanced(length, most);
}

/* Fewer channels than lanes: as many pixels as fill vectors best. */
int64_t choose_merged(const Problem &problem, int64_t lanes) {
  const int64_t channels = problem.given.groups;
  if (channels >= lanes || problem.given.stride[2] > 1 || problem.group_features > 1) return 1;
  int64_t best = 1;
  const auto waste = [&](int64_t pixels) { return round_up(pixels * channels, lanes) - pixels * channels; };
  for (int64_t m = 2; m <= kMostMerged; ++m) {
    if (waste(m) * best < waste(best) * m) best = m; /* a pixel's share of it */
  }
  return best;
}

}  // namespace

bool fits_depthwise_last(const Problem &problem, bool adjoint) {
  const int64_t room = kPlanesBytes / element_bytes(problem), multiplier = problem.group_features;
  const int64_t rows = adjoint ? problem.given.kernel[0] * problem.given.kernel[1] : 1;
  const int64_t pixels = last_plane_pixels(problem, adjoint, choose_part(problem, adjoint));
  return pixels <= room && problem.given.groups <= room && rows * multiplier <= room / problem.given.groups / pixels;
}

template <typename T>
void block_depthwise_last(ck_plan *plan) {
  const Problem &problem = plan->problem;
  const ck_problem &p = problem.given;
  const bool adjoint = plan->pass == CK_ADJOINT;
  const int64_t *const result = adjoint ? p.image : p.features;
  DepthwiseForm &f = plan->depthwise;
  const int64_t length = adjoint ? ceil_div(result[2], p.stride[2]) : result[2];
  f.band[2] = choose_part(problem, adjoint);
  f.bands[2] = ceil_div(length, f.band[2]);
  f.merged = choose_merged(problem, tiles_of<T>(*plan->kernels).lanes);
  f.pitch = round_up(f.merged * p.groups, kDepthwiseLanes);
  const bool whole_vectors = p.groups % kDepthwiseLanes == 0 && p.groups >= kStreamedChannels;
  f.streams = whole_vectors && problem.group_features == 1 && streams_result(problem, adjoint);
  plan->blocking.units = p.batch * result[0] * result[1] * f.bands[2];
  plan->weights_bytes = problem.group_features * problem.taps * f.pitch * static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = bytes_of<Scratch<T>>(problem, f, adjoint);
}

/* [feature of a channel][tap][channel], whole vectors; of merged pixels one after the other. */
template <typename T>
ck_status pack_depthwise_last(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const Problem &problem = plan.problem;
  const auto &w = problem.weights;
  const T *const from = static_cast<const T *>(weights) + w.origin;
  const int64_t pitch = plan.depthwise.pitch, parts = ceil_div(pitch, kPackedPart);
  const int64_t channels = problem.given.groups * plan.depthwise.merged;
  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t row = unit / parts, first = unit % parts * kPackedPart;
    const T *const at = from + row % problem.taps * w.tap + row / problem.taps * w.feature;
    T *const to = reinterpret_cast<T *>(packed) + row * pitch;
    for (int64_t c = first; c < smaller(first + kPackedPart, pitch); ++c) {
      to[c] = c < channels ? at[c % problem.given.groups * problem.group_features * w.feature] : T(0);
    }
  };
  return for_each_unit(host, problem.group_features * problem.taps * parts,
                       plan.small || plan.weights_bytes < (1 << 16), pack);
}

template <typename T>
ck_status run_depthwise_last(const RunContext &context) {
  const auto body = [&](int64_t unit, int32_t slot) { run_unit<T>(context, unit, slot); };
  return for_each_unit(*context.host, context.plan->blocking.units, context.plan->small, body);
}

template void block_depthwise_last<float>(ck_plan *);
template void block_depthwise_last<double>(ck_plan *);
template ck_status pack_depthwise_last<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_depthwise_last<double>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status run_depthwise_last<float>(const RunContext &);
template ck_status run_depthwise_last<double>(const RunContext &);

}  // namespace convkit
