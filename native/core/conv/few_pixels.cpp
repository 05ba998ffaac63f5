/* Where weights stay, where that pays, and the tiles. */
#include "few_pixels_unit.h"

namespace convkit {
namespace {

constexpr int64_t kLeastFeatures = 8;      /* the tallest tile of dots on any instruction set, which must not decide */
constexpr int64_t kRowsAtOnce = 6;         /* of weights, that are written side by side */
constexpr int64_t kHeavyWeights = 1 << 20; /* bytes: of lighter ones, packing reads the cache */
constexpr int64_t kLongRow = 2048;         /* weights of a feature, of which each slot has a part */
constexpr double kLeastShare = 0.5;        /* of taps that are not in the padding: `direct` leaves out those that are */
constexpr int64_t kFewDots = 4;            /* pixels, forward; with more, and a batch, packing pays */
/* Pixels in all, of a weight gradient: with more, packing costs little. Channels last, several taps leave out the
 * padding. */
constexpr int64_t kFewTerms = 56, kLastTerms = 224, kLastTermsOfOneTap = 16;
constexpr int64_t kFewerTerms = 32; /* of lighter weights, with twice as many features */

/* The tile that takes so many rows, at most `tallest` at a time, with the fewest instructions a vector. */
template <typename T>
void choose_tile(const TileSet<T> &tiles, int64_t rows, int64_t tallest, FewPixelsForm *f) {
  constexpr double kLoad = 2, kTile = 4;
  double least = 0;
  for (int64_t v = 1; v <= kMostVectors; ++v) {
    if (tiles.heights[v - 1] == 0 || tiles.parts[v - 1] != v) continue;
    const int64_t height = balanced(rows, smaller(tiles.heights[v - 1], tallest));
    const double vectors = static_cast<double>(v), sums = static_cast<double>(height) * vectors;
    const double cost = static_cast<double>(ceil_div(rows, height)) * (sums + kLoad * vectors + kTile) / vectors;
    if (least > 0 && cost > least) continue;
    least = cost;
    f->height = height;
    f->width = v * tiles.lanes;
  }
}

/* Of all pairs of a pixel and a tap, the part that is not in the padding. */
double share_of_places(const Problem &p) {
  double share = 1;
  for (int a = 0; a < 3; ++a) {
    const ck_problem &g = p.given;
    int64_t places = 0;
    for (int64_t pixel = 0; pixel < g.features[a]; ++pixel) {
      for (int64_t tap = 0; tap < g.kernel[a]; ++tap) {
        const int64_t at = pixel * g.stride[a] + tap * g.dilation[a] - g.pad_begin[a];
        places += at >= 0 && at < g.image[a];
      }
    }
    share *= static_cast<double>(places) / static_cast<double>(g.features[a] * g.kernel[a]);
  }
  return share;
}

/* The adjoint of an image with channels first, in cycles (measured with AVX-512, on all instruction sets and for both
 * types alike: the choice shows in the last bits). In place: products, weights that are read for each set of images,
 * features that are packed, places that are found, columns that are added up one by one. `direct`: products, weights
 * that are packed, results that are stored, and what each position takes besides. Neither may know the batch; of two
 * images, the choice is right for most. */
constexpr double kImages = 2, kLanes = 16;

double cost_in_place(const Problem &p, double share) {
  const double pixels = static_cast<double>(p.feature_pixels), depth = static_cast<double>(p.depth);
  const double features = static_cast<double>(p.group_features), taps = static_cast<double>(p.taps);
  const double set = static_cast<double>(kMostPixels) / pixels, sets = 1 / (set < kImages ? set : kImages);
  return pixels * depth * (features / kLanes + 2.7 * share) + 3.6 * sets * features * depth / kLanes +
         pixels * (2.8 * features + 7.3 * taps);
}
double cost_of_packing(const Problem &p, double share) {
  const double pixels = static_cast<double>(p.feature_pixels), depth = static_cast<double>(p.depth);
  const double features = static_cast<double>(p.group_features), result = static_cast<double>(p.image_pixels);
  return 1.4 * share * pixels * depth * features / kLanes + 0.94 * features * depth / kImages +
         result * (2.1 * static_cast<double>(p.group_channels) + 52);
}

/* With channels last, features of a weight are neighbours: they are lanes forward, and terms in the adjoint. */
bool is_last(const Problem &p) { return p.given.layout == CK_CHANNELS_LAST; }

bool stays_last(const ck_plan &plan) {
  const Problem &p = plan.problem;
  if (p.weights.feature != 1 || p.weights.tap <= 0 || p.feature_pixels <= 0) return false;
  if (p.group_features % kWholeVectors != 0 || p.group_features > kMostColumns) return false;
  if (plan.pass == CK_FORWARD) {
    return !plan.prepared && p.feature_pixels <= kMostPixels && p.taps <= kMostPatch / p.feature_pixels;
  }
  return plan.pass == CK_WEIGHT_GRADIENT && p.given.batch > 0 && p.given.batch <= kMostDepth / p.feature_pixels;
}

bool stays(const ck_plan &plan) {
  const Problem &p = plan.problem;
  if (is_last(p)) return stays_last(plan);
  if (plan.pass != CK_WEIGHT_GRADIENT && plan.prepared) return false;
  if (p.feature_pixels <= 0 || p.feature_pixels > kMostPixels || p.taps > kMostPatch / p.feature_pixels) return false;
  if (plan.pass == CK_FORWARD) {
    if (!is_f32(p) || plan.kernels->dots.rows == 0 || p.group_features < larger(kLeastFeatures, p.feature_pixels))
      return false;
  } else if (plan.pass == CK_ADJOINT) {
    if (p.image_pixels > p.feature_pixels * p.taps) return false; /* gaps, which may be far larger than the columns */
  } else if (p.given.batch == 0 || p.given.batch > smaller(kMostDepth, kMostPatch / p.taps) / p.feature_pixels) {
    return false;
  }
  return p.weights.tap == 1 && p.weights.channel == p.taps && p.depth % kWholeVectors == 0;
}

}  // namespace

namespace {

/* (How an image is computed must not depend on the batch; of a weight gradient, all images are one product.) */
bool pays(const ck_plan &plan) {
  const Problem &p = plan.problem;
  const bool last = is_last(p), few = p.feature_pixels <= kFewDots;
  const bool heavy = p.group_features * p.depth >= kHeavyWeights / element_bytes(p) && (last || p.depth >= kLongRow);
  const int64_t pixels = p.given.batch * p.feature_pixels;
  if (plan.pass == CK_WEIGHT_GRADIENT && last) {
    return heavy && pixels <= (p.taps > 1 ? kLastTerms : kLastTermsOfOneTap);
  }
  const double share = p.given.padding_mode == CK_ZEROS ? share_of_places(p) : 1;
  if (plan.pass == CK_ADJOINT) {
    return (heavy && share >= kLeastShare) || cost_in_place(p, share) < cost_of_packing(p, share);
  }
  if (plan.pass == CK_FORWARD) return last ? share >= kLeastShare && (heavy || few) : heavy && few;
  return pixels <= smaller(kFewerTerms, p.group_features / 2) || (heavy && share >= kLeastShare && pixels <= kFewTerms);
}

}  // namespace

const char *few_pixels_pay(const ck_plan &plan) {
  return stays(plan) && pays(plan) ? "weights under few pixels are better read, or written, where they lie" : nullptr;
}

template <typename T>
void block_few_pixels(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  FewPixelsForm &f = plan->few_pixels;
  f.taken = stays(*plan);
  if (!f.taken) return;
  plan->packs_inside = true;
  if (plan->pass == CK_FORWARD && !is_last(problem)) return block_few_pixels_forward(plan, slots);
  const bool gradient = plan->pass == CK_WEIGHT_GRADIENT, last = is_last(problem);
  const int64_t table = last ? kMostPixels : kMostPatch / problem.taps;
  const int64_t together = smaller(kMostPixels, table) / problem.feature_pixels;
  f.images = gradient ? problem.given.batch : clamp(together, 1, larger(problem.given.batch, 1));
  const int64_t pixels = f.images * problem.feature_pixels;
  const int64_t weight_rows = last ? problem.group_channels : problem.group_features;
  choose_tile(tiles, gradient ? weight_rows : pixels, gradient ? kRowsAtOnce : tiles.rows, &f);
  return last ? block_few_pixels_last<T>(plan, slots) : block_few_pixels_first<T>(plan, slots);
}

template <typename T>
ck_status run_few_pixels(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  if (is_last(plan.problem)) return run_few_pixels_last<T>(context);
  if (plan.pass == CK_FORWARD) return run_few_pixels_forward(context);
  return run_few_pixels_first<T>(context);
}

template void block_few_pixels<float>(ck_plan *, int32_t);
template void block_few_pixels<double>(ck_plan *, int32_t);
template ck_status run_few_pixels<float>(const RunContext &);
template ck_status run_few_pixels<double>(const RunContext &);

}  // namespace convkit
