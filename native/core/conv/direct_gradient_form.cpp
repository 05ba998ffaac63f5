/* How the weight gradient is cut into blocks and boxes, and what fills the lanes. */
#include <math.h>

#include "../util/numbers.h"
#include "direct_gradient.h"

namespace convkit {
namespace {

/* Of one slot; together they stay in 1 MiB of second-level cache. */
constexpr int64_t kGridBytes = 288 << 10;
constexpr int64_t kFeatureBytes = 256 << 10;
constexpr int64_t kSumBytes = 320 << 10;

/* A block is cut down to these before the taps are, and a box of fewer pixels reads and writes sums too often. */
constexpr int64_t kFewFeatures = 32, kFewChannels = 16;
constexpr double kFewPixels = 128;
constexpr int64_t kMostChannels = 256, kMostFeatures = 256;
/* By panels: at least so many lanes, at most so many features at a time. */
constexpr int64_t kFewLanes = 32, kPanelFeatures = 16;
/* Pixels of a box. With one tap, copies serve few multiply-adds, so larger blocks are worth more than longer chains. */
constexpr int64_t kBoxPixels = 512, kBoxPixelsOneTap = 256;

/* Parts: so many at most, of a gradient so small, each of so many multiply-adds. */
constexpr int64_t kMostParts = 8;
constexpr int64_t kPartialBytes = 256 << 10;
constexpr double kPartTerms = 4e6;

/* Units that make up for their differences in size, and what a block is not cut below for their sake. */
constexpr int64_t kUnitsPerSlot = 4;
constexpr int64_t kLeastFeatures = 28, kLeastChannels = 16;

/* Whole vectors are kept whole where that is possible. */
int64_t block_of(int64_t total, int64_t most) {
  return total <= most ? total : smaller(round_up(balanced(total, most), 16), most);
}

/* Elements of the grid for each channel. In floating point first: the product may not fit into integers. */
double positions(const DirectGradientForm &f) {
  double product = static_cast<double>(f.box[0]);
  for (int a = 0; a < 3; ++a) {
    product *= static_cast<double>(f.box[a + 1] - 1) * static_cast<double>(f.step[a]) + static_cast<double>(f.reach[a]);
  }
  return product;
}

/* The largest extent on one axis of the box for which the grid fits, those behind it being whole. */
void grow(int axis, int64_t extent, double most_positions, DirectGradientForm *f) {
  const int64_t most_pixels = f->taps() > 1 ? kBoxPixels : kBoxPixelsOneTap;
  int64_t low = 1, high = clamp(most_pixels / f->pixels(), 1, extent);
  while (low < high) {
    f->box[axis] = (low + high + 1) / 2;
    if (positions(*f) <= most_positions) {
      low = f->box[axis];
    } else {
      high = f->box[axis] - 1;
    }
  }
  f->box[axis] = balanced(extent, low);
  f->boxes[axis] = ceil_div(extent, f->box[axis]);
}

/* Boxes, channels and features for the tap block at hand; false where it is better cut further. */
bool fit_block(const Problem &problem, DirectGradientForm *f) {
  const ck_problem &p = problem.given;
  const int64_t bytes = element_bytes(problem);
  const int64_t few_channels = smaller(problem.group_channels, kFewChannels);
  const int64_t few_features = smaller(problem.group_features, kFewFeatures);
  f->box[0] = f->box[1] = f->box[2] = f->box[3] = 1;
  for (int a = 0; a < 3; ++a) {
    f->reach[a] = (f->tap_block[a] - 1) * p.dilation[a] + 1;
    f->step[a] = smaller(p.stride[a], f->reach[a]);
  }
  const int64_t most_positions = kGridBytes / bytes / few_channels;
  const double most = static_cast<double>(most_positions);
  bool whole = true;
  for (int axis = 3; axis >= 0; --axis) {
    const int64_t extent = axis > 0 ? p.features[axis - 1] : p.batch;
    f->boxes[axis] = extent;
    if (whole && extent > 0) grow(axis, extent, most, f);
    whole = whole && f->boxes[axis] == 1;
  }
  const double pixels = static_cast<double>(problem.feature_pixels) * static_cast<double>(p.batch);
  const double few = pixels < kFewPixels ? pixels : kFewPixels;
  if (f->taps() > 1 && (positions(*f) > most || static_cast<double>(f->pixels()) < few)) return false;
  const int64_t lanes = problem.group_channels * (p.dilation[2] == 1 ? f->tap_block[2] : 1);
  f->by_panels = f->all_boxes() == 1 && p.weight_layout == CK_CHANNELS_FIRST && problem.taps > 1 && lanes >= kFewLanes;
  const int64_t sums = kSumBytes / bytes / f->taps(); /* of all features and channels */
  const int64_t panel = smaller(problem.group_features, kPanelFeatures);
  if (sums < (f->by_panels ? panel : few_features) * few_channels) return false;
  const int64_t fit = kGridBytes / bytes / static_cast<int64_t>(positions(*f));
  f->channel_block = block_of(problem.group_channels, smaller(fit, kMostChannels));
  f->feature_block = block_of(problem.group_features, smaller(kFeatureBytes / bytes / f->pixels(), kMostFeatures));
  if (f->by_panels) {
    f->channel_block = block_of(problem.group_channels, smaller(f->channel_block, sums / panel));
  } else if (f->feature_block * f->channel_block > sums) { /* both sides are cut, the larger one first */
    const int64_t fair = static_cast<int64_t>(sqrt(static_cast<double>(sums)));
    const int64_t features = larger(fair, sums / f->channel_block), channels = larger(fair, sums / f->feature_block);
    f->feature_block = block_of(problem.group_features, smaller(f->feature_block, features));
    f->channel_block =
        block_of(problem.group_channels, smaller(f->channel_block, smaller(channels, sums / f->feature_block)));
  }
  return true;
}

/* The outermost axis of the taps that is not cut down yet; inner ones stay whole, so the taps of a block follow each
 * other. False when there is nothing to cut. */
bool cut_taps(DirectGradientForm *f) {
  for (int64_t &taps : f->tap_block) {
    if (taps == 1) continue;
    taps = ceil_div(taps, 2);
    return true;
  }
  return false;
}

void count_blocks(const Problem &problem, DirectGradientForm *f) {
  for (int a = 0; a < 3; ++a) f->tap_blocks[a] = ceil_div(problem.given.kernel[a], f->tap_block[a]);
  f->channel_blocks = ceil_div(problem.group_channels, f->channel_block);
  f->feature_blocks = ceil_div(problem.group_features, f->feature_block);
}

bool reaches_padding(const ck_problem &p) {
  for (int a = 0; a < 3; ++a) {
    const int64_t last = (p.features[a] - 1) * p.stride[a] + (p.kernel[a] - 1) * p.dilation[a] - p.pad_begin[a];
    if (p.pad_begin[a] > 0 || last >= p.image[a]) return p.padding_mode == CK_ZEROS;
  }
  return false;
}

/* Cycles of a tile for each pixel: multiply-adds, or their latency, or loads (see direct_shape.cpp). */
double tile_cycles(int64_t rows, int64_t vectors) {
  const double products = static_cast<double>(rows * vectors), loads = static_cast<double>(2 * vectors + rows);
  const double least = loads > 8 ? loads : 8;
  return products > least ? products : least;
}

/* All tiles over rows x columns, `vectors` wide. */
double cover(int64_t rows, int64_t height, int64_t columns, int64_t vectors, int64_t lanes) {
  const int64_t tall = balanced(rows, height), whole_rows = rows / tall, rest_rows = rows % tall;
  const int64_t all = ceil_div(columns, lanes), whole = all / vectors, rest = all % vectors;
  const auto strip = [&](int64_t wide) {
    return static_cast<double>(whole_rows) * tile_cycles(tall, wide) +
           (rest_rows > 0 ? tile_cycles(rest_rows, wide) : 0);
  };
  return static_cast<double>(whole) * strip(vectors) + (rest > 0 ? strip(rest) : 0);
}

/* Per sum, on its way to the gradient: copied, turned, or turned in pieces of one kernel each. */
constexpr double kCopied = 0.5, kTurned = 1, kPieces = 2;

double store_cycles(const Problem &problem, bool features_in_lanes) {
  if (problem.given.weight_layout == CK_CHANNELS_LAST) return features_in_lanes ? kCopied : kTurned;
  if (problem.taps == 1) return features_in_lanes ? kTurned : kCopied;
  return features_in_lanes ? kPieces : kTurned;
}

template <typename T>
void choose_tile(const Problem &problem, const TileSet<T> &tiles, DirectGradientForm *f) {
  const int64_t side_by_side = problem.given.dilation[2] == 1 ? f->tap_block[2] : 1;
  const int64_t run = f->channel_block * side_by_side;
  const bool one_box = f->all_boxes() == 1 && (!f->padded || f->looks_at_features);
  const double pixels = static_cast<double>(larger(f->all_boxes(), 1) * f->pixels());
  const int64_t segments = f->taps() / side_by_side;
  double best = -1;
  for (int32_t v = 1; v <= kMostVectors; ++v) {
    for (int way = 0; way < 2; ++way) {
      const bool features_in_lanes = way == 1;
      if (f->by_panels && (features_in_lanes || tiles.heights[v - 1] > kPanelFeatures)) continue;
      const int64_t rows = features_in_lanes ? run : f->feature_block;
      const int64_t columns = features_in_lanes ? f->feature_block : run;
      const double store = store_cycles(problem, features_in_lanes);
      const bool in_place = one_box && store <= kCopied;
      const double moved = in_place ? 0 : store * static_cast<double>(f->block_elements());
      const double cost =
          pixels * static_cast<double>(segments) * cover(rows, tiles.heights[v - 1], columns, v, tiles.lanes) + moved;
      if (best >= 0 && cost >= best) continue;
      best = cost;
      f->features_in_lanes = features_in_lanes;
      f->in_place = in_place;
      f->vectors = v;
      f->height = static_cast<int32_t>(balanced(rows, tiles.heights[v - 1]));
    }
  }
  f->panels = f->features_in_lanes ? lane_panels(f->feature_block, f->vectors * tiles.lanes, tiles.lanes)
                                   : broadcast_panels(f->feature_block, f->height);
}

}  // namespace

const char *direct_gradient_refuses(const Problem &problem) {
  if (problem.group_channels == 1 && problem.group_features == 1) return "nothing is shared between channels";
  return nullptr;
}

template <typename T>
void make_direct_gradient_form(const Problem &problem, const TileSet<T> &tiles, int32_t slots, DirectGradientForm *f) {
  *f = {};
  for (int a = 0; a < 3; ++a) f->tap_block[a] = problem.given.kernel[a];
  while (!fit_block(problem, f)) {
    if (!cut_taps(f)) break;
  }
  for (int a = 0; a < 3; ++a) f->grid[a] = (f->box[a + 1] - 1) * f->step[a] + f->reach[a];
  f->padded = reaches_padding(problem.given);
  count_blocks(problem, f);

  /* Neither slots nor the tile is asked for the number of parts, which the results depend on. */
  const int64_t weights = problem.given.feature_channels * problem.depth, boxes = f->all_boxes();
  const double terms = problem.flops / 2;
  const int64_t by_size = kPartialBytes / element_bytes(problem) / weights;
  const int64_t by_work = terms < kPartTerms * kMostParts ? static_cast<int64_t>(terms / kPartTerms) : kMostParts;
  const int64_t wanted = clamp(smaller(by_size, by_work), 1, larger(smaller(boxes, kMostParts), 1));
  f->part_boxes = larger(ceil_div(boxes, wanted), 1);
  f->parts = larger(ceil_div(boxes, f->part_boxes), 1);

  while (slots > 1 && f->blocks(problem) * f->parts < kUnitsPerSlot * slots) {
    if (f->feature_block >= 2 * kLeastFeatures) {
      f->feature_block = ceil_div(f->feature_block, 2);
    } else if (f->channel_block >= 2 * kLeastChannels) {
      f->channel_block = ceil_div(f->channel_block, 2);
    } else {
      break;
    }
    count_blocks(problem, f);
  }
  const int64_t pixels = problem.given.batch * problem.feature_pixels;
  f->looks_at_features = f->parts == 1 && pixels < f->channel_block * f->taps();
  choose_tile(problem, tiles, f);
}

template void make_direct_gradient_form(const Problem &, const TileSet<float> &, int32_t, DirectGradientForm *);
template void make_direct_gradient_form(const Problem &, const TileSet<double> &, int32_t, DirectGradientForm *);

}  // namespace convkit
