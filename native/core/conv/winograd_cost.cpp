#include "winograd_cost.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

/* One term of a tile: at least (chains that hide the latency of multiply-adds), for each vector of lanes, for each row.
 * The beginning of a tile. */
constexpr double kLeastTile = 8, kVectorLoad = 2, kBroadcast = 1, kTileStart = 20;
/* A vector of an operand that comes from the second-level cache, from the third, from memory. The last two are foreseen
 * and mostly overlap with the products. */
constexpr double kHidden = 0.25;
constexpr double kNear = 0.25, kFar = 5, kFarther = 8;
/* What leaves room in a second-level cache of 1 MiB, and in a third-level cache that others use too. */
constexpr double kNearBytes = 800 << 10, kFarBytes = 24 << 20;
/* The factor of a last resort: results that take more than kMostWinogradData on their way. */
constexpr double kTooLarge = 16;
/* Transforms: a vector through one of them, with its share of arithmetic; splitting or merging tiles, per element of
 * a row in vectors; copying a row of the source; a call. */
constexpr double kTransformed = 3, kSplit = 4, kCopied = 4, kCall = 12;
/* Staged results on their way, per vector. */
constexpr double kStaged = 6, kTurned = 20;
/* To transform and pack one element of U, where each run does: into the second-level cache, or to memory; or of a
 * kernel with long strides, whose taps lie in cache lines of their own, one by one. */
constexpr double kPackedNear = 1.25, kPackedFar = 2, kPackedApart = 10;

struct Cost {
  const WinogradForm &f;
  int64_t lanes, bytes; /* of an element */

  double vectors(int64_t count) const { return static_cast<double>(ceil_div(count, lanes)); }
  double number(int64_t x) const { return static_cast<double>(x); }

  /* One term of a tile of `width` vectors, with its share of what the tile begins and ends with. */
  double tile(int64_t rows, int64_t width) const {
    const int64_t part = f.tile_parts[width - 1];
    if (part < width) return tile(rows, part) + tile(rows, width - part);
    const double products = number(rows * width);
    double cost = kVectorLoad * number(width) + kBroadcast * number(rows);
    if (cost < kLeastTile) cost = kLeastTile;
    if (cost < products) cost = products;
    return cost + kNear * number(width) + (kTileStart + 2 * products) / number(f.depth);
  }
  /* `count` rows or lanes in tiles of at most `most`. */
  template <typename One>
  double cut(int64_t count, int64_t most, const One &one) const {
    const int64_t rest = count % most;
    return number(count / most) * one(most) + (rest > 0 ? one(rest) : 0);
  }
  /* V to M. */
  double products() const {
    const int64_t width = f.block_lanes();
    const auto strip = [&](int64_t rows, int64_t across) {
      return cut(ceil_div(across, lanes), f.vectors, [&](int64_t v) { return tile(rows, v); });
    };
    const double cost =
        f.tiles_in_lanes
            ? cut(f.product_rows, f.panels.width, [&](int64_t rows) { return strip(rows, width); })
            : cut(width, balanced(width, f.height), [&](int64_t rows) { return strip(rows, f.product_rows); });
    return cost * number(f.depth * f.points);
  }
  /* Products, or the operands on their way to them. */
  double products_or_memory() const {
    const double transformed = number(f.points * f.data_step * bytes);
    const double weights = number(f.points * f.depth * f.panels.count * f.panels.step * bytes);
    double far = 0;
    if (transformed + work() > kNearBytes) far += transformed * number(f.panels.count + 1) * kFar;
    if (transformed + work() + weights > kNearBytes) far += weights * (weights > kFarBytes ? kFarther : kFar);
    const double memory = far / number(lanes * bytes), compute = products();
    return compute > memory ? compute + kHidden * memory : memory + kHidden * compute;
  }
  /* Bytes of a panel's results before they are at their place. */
  double work() const {
    const double positions = number(f.copy.grid[0]) * number(f.store.stage_plane);
    const double stage = f.in_place ? 0 : positions * number(f.panels.width);
    return (number(f.points * f.product_step) + stage) * number(bytes);
  }
  /* The source to V. */
  double data() const {
    const WinogradAxis &y = f.axes[1], &x = f.axes[2];
    const double rows = number(y.positions(y.block) + y.geometry.span);
    double cost = rows * (2 * kCall + kCopied * vectors(f.copy.grid[2]) +
                          vectors(x.grid()) * (kTransformed * number(x.points) + kSplit * number(x.outputs)));
    if (y.points > 1)
      cost += number(x.points) * (kCall + vectors(y.grid() * x.grid()) * kTransformed * number(y.points));
    return cost * number(f.channels * f.planes * f.axes[0].grid());
  }
  /* M to results. */
  double results() const {
    const WinogradAxis &z = f.axes[0], &y = f.axes[1], &x = f.axes[2];
    const int64_t tiles = z.block * y.block * x.block, width = f.block_lanes();
    const double outputs = number(tiles * y.outputs * x.outputs) * number(f.product_rows) / number(lanes);
    double cost;
    if (f.tiles_in_lanes) {
      cost = y.points > 1 ? number(x.points) * vectors(width) * kTransformed * number(y.points) : 0;
      cost += number(z.block * y.block * y.outputs) *
              (kCall + vectors(x.block) * (kTransformed * number(x.points) + kSplit * number(x.outputs)));
      cost *= number(f.product_rows);
    } else {
      cost = number(tiles) * vectors(f.product_rows) * kTransformed *
             number(x.points * (y.points > 1 ? y.points : 0) + y.outputs * x.points);
      cost += number(tiles) * number(f.panels.count) * 3 * kCall;
    }
    if (!f.in_place) cost += outputs * (f.tiles_in_lanes == f.store.phase_inner ? kStaged : kTurned);
    if (work() > kNearBytes / 2) cost += 2 * kFar * number(f.panels.count) * work() / number(lanes * bytes);
    return cost;
  }
};

}  // namespace

double winograd_cost(const WinogradForm &form, int64_t lanes, int64_t element_bytes) {
  const Cost cost = {form, lanes, element_bytes};
  const double all = cost.products_or_memory() + cost.data() + cost.results();
  return cost.work() > static_cast<double>(kMostWinogradData) ? kTooLarge * all : all;
}

double winograd_packing_cost(const Problem &problem, const WinogradForm &form) {
  const double weights = static_cast<double>(problem.given.groups * form.points * form.depth * form.product_rows);
  const double bytes = static_cast<double>(element_bytes(problem));
  const bool apart = static_cast<double>(form.axes[2].geometry.planes) * bytes >= 64;
  const bool near = form.one_block() || weights * bytes <= kNearBytes;
  return weights * (apart ? kPackedApart : near ? kPackedNear : kPackedFar);
}

}  // namespace convkit
