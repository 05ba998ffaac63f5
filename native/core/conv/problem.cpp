#include "problem.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

constexpr int64_t kMostElements = INT64_C(1) << 32; /* of one operand; promised by the public contract */
/* Of any coordinate on the padded image. o * stride + j * dilation - pad then stays within 2^62. */
constexpr int64_t kMostDistance = INT64_C(1) << 60;

constexpr int64_t kSmallestMap = 64; /* pixels */

bool in_range(int32_t value, int32_t last) { return value >= 0 && value <= last; }

/* (count - 1) * step <= kMostDistance */
bool distance_fits(int64_t count, int64_t step) {
  int64_t distance = count - 1;
  return multiply_within(&distance, step, kMostDistance);
}

bool product_fits(int64_t a, int64_t b, const int64_t extents[3]) {
  int64_t product = 1;
  return multiply_within(&product, a, kMostElements) && multiply_within(&product, b, kMostElements) &&
         multiply_within(&product, extents[0], kMostElements) && multiply_within(&product, extents[1], kMostElements) &&
         multiply_within(&product, extents[2], kMostElements);
}

const char *find_fault(const ck_problem &p) {
  if (!in_range(p.image_type, CK_FLOAT64)) return "the type must be float32 or float64";
  if (p.weight_type != p.image_type || p.accumulator_type != p.image_type || p.feature_type != p.image_type) {
    return "image, weights, accumulator and features must have one type";
  }
  if (!in_range(p.layout, CK_CHANNELS_LAST) || !in_range(p.weight_layout, CK_CHANNELS_LAST)) return "unknown layout";
  if (!in_range(p.padding_mode, CK_CIRCULAR)) return "unknown padding mode";
  if (p.batch < 0) return "the batch must not be negative";
  if (p.groups < 1 || p.image_channels < 1 || p.feature_channels < 1) return "channels and groups must be at least 1";
  if (p.image_channels % p.groups != 0 || p.feature_channels % p.groups != 0) {
    return "groups must divide both channel counts";
  }
  for (int axis = 0; axis < 3; ++axis) {
    if (p.image[axis] < 1 || p.kernel[axis] < 1 || p.features[axis] < 1) return "every extent must be at least 1";
    if (p.stride[axis] < 1 || p.dilation[axis] < 1) return "stride and dilation must be at least 1";
    if (p.pad_begin[axis] < 0) return "padding must not be negative";
    if (p.pad_begin[axis] > kMostDistance || !distance_fits(p.features[axis], p.stride[axis]) ||
        !distance_fits(p.kernel[axis], p.dilation[axis])) {
      return "padding, stride or dilation reaches too far";
    }
  }
  const int64_t images = larger(p.batch, 1); /* one image must fit even if none is given */
  if (!product_fits(images, p.image_channels, p.image)) return "the image has more than 2^32 elements";
  if (!product_fits(images, p.feature_channels, p.features)) return "the features have more than 2^32 elements";
  if (!product_fits(p.feature_channels, p.image_channels / p.groups, p.kernel)) {
    return "the weights have more than 2^32 elements";
  }
  return nullptr;
}

MapSteps map_steps(int32_t layout, int64_t channels, int64_t pixels) {
  if (layout == CK_CHANNELS_FIRST) return {channels * pixels, pixels, 1};
  return {channels * pixels, 1, channels};
}

/* Along such an axis each feature is made of the one pixel at its place. */
bool is_pointwise(const ck_problem &p, int axis) {
  return p.kernel[axis] == 1 && p.stride[axis] == 1 && p.pad_begin[axis] == 0 && p.image[axis] == p.features[axis];
}

}  // namespace

const char *check_problem(const ck_problem &given, Problem *problem) {
  if (const char *fault = find_fault(given)) return fault;
  Problem &p = *problem;
  p.given = given;
  /* With one channel and one feature, both layouts are the same memory. */
  if (given.image_channels == 1 && given.feature_channels == 1) p.given.layout = CK_CHANNELS_FIRST;
  /* Pointwise axes that are neighbours are one: results of a line are stored where they belong, those of many rows are
   * copied. Of the smallest maps, whose tiles are chosen better by rows, only depth and height. */
  for (int axis = 0; axis < 2; ++axis) {
    if (!is_pointwise(p.given, axis) || !is_pointwise(p.given, axis + 1)) continue;
    const int64_t together = p.given.image[axis] * p.given.image[axis + 1];
    if (axis == 1 && together <= kSmallestMap) continue;
    p.given.image[axis + 1] = p.given.features[axis + 1] = together;
    p.given.image[axis] = p.given.features[axis] = 1;
  }
  p.taps = given.kernel[0] * given.kernel[1] * given.kernel[2];
  p.group_channels = given.image_channels / given.groups;
  p.group_features = given.feature_channels / given.groups;
  p.depth = p.group_channels * p.taps;
  p.image_pixels = given.image[0] * given.image[1] * given.image[2];
  p.feature_pixels = given.features[0] * given.features[1] * given.features[2];
  p.image = map_steps(p.given.layout, given.image_channels, p.image_pixels);
  p.features = map_steps(p.given.layout, given.feature_channels, p.feature_pixels);
  if (given.weight_layout == CK_CHANNELS_FIRST) {
    p.weights = {0, p.depth, p.taps, 1};
  } else {
    p.weights = {0, 1, given.feature_channels, p.group_channels * given.feature_channels};
  }
  if (given.flip_kernel) {
    p.weights.origin = (p.taps - 1) * p.weights.tap;
    p.weights.tap = -p.weights.tap;
  }
  p.flops = 2.0 * static_cast<double>(given.batch) * static_cast<double>(given.feature_channels) *
            static_cast<double>(p.feature_pixels) * static_cast<double>(p.depth);
  return nullptr;
}

}  // namespace convkit
