/* Which tile, in which orientation, over which runs: a small cost model.
 *
 * The unit is the cycle per term of the chain, summed over the tiles of one band. Only ratios matter, and they are much
 * the same on all CPUs, so there is one set of constants. Neither batch nor threads are asked. */
#include "direct_form.h"

namespace convkit {
namespace {

/* A tile must hide the latency of its multiply-adds: 4 cycles on two ports. */
constexpr double kLeastTile = 8;
/* Vectors that are not aligned cost two loads, of broadcasts two fit into a cycle. */
constexpr double kVectorLoad = 2, kBroadcast = 1;
/* Both operands come from the second-level cache. Weights do so in their order, which the hardware foresees. Pixels
 * jump from plane to plane; but the taps of a channel share their cache lines. */
constexpr double kWeightVector = 0.25, kPixelVector = 3;
/* Starting and ending a tile, shared by all terms; and each of its results has to be stored. */
constexpr double kTileStart = 20;
/* Per result: copied from the stage in whole vectors, or with rows turned into columns on the way. A tile that writes
 * to the place itself saves both. */
constexpr double kCopied = 0.3, kTurned = 1.2;
/* Phases that lie between each other, turned: single elements or pairs at large steps. */
constexpr double kPieces = 3;

struct TileCost {
  double depth, far; /* far: of a vector that is not in the first-level cache */

  double tile(int64_t rows, int64_t vectors) const {
    const double products = static_cast<double>(rows * vectors);
    double cost = kVectorLoad * static_cast<double>(vectors) + kBroadcast * static_cast<double>(rows);
    if (cost < kLeastTile) cost = kLeastTile;
    if (cost < products) cost = products;
    return cost + far * static_cast<double>(vectors) + (kTileStart + products) / depth;
  }
  /* A row of tiles, `vectors` wide each, over `length` lanes. */
  double strip(int64_t rows, int64_t vectors, int64_t length, int64_t lanes) const {
    const int64_t all = ceil_div(length, lanes), whole = all / vectors, rest = all % vectors;
    return static_cast<double>(whole) * tile(rows, vectors) + (rest > 0 ? tile(rows, rest) : 0);
  }
};

struct Shape {
  bool pixels_in_lanes, joined;
  int32_t vectors, height;
  int64_t width; /* of a panel */
};

/* What all shapes of a form have in common. */
struct Work {
  double depth, taps, elements;
  int64_t rows, positions[3], together;
  bool first, phases_along;
};

Work describe_work(const Problem &problem, const DirectForm &f) {
  Work w;
  int64_t taps = 1;
  for (int a = 0; a < 3; ++a) {
    const DirectAxis &axis = f.axes[a];
    taps *= axis.taps;
    /* A phase has no more positions than its share of the result. */
    const int64_t share = ceil_div(axis.result, axis.residues * (f.joint ? 1 : axis.phases));
    w.positions[a] = smaller(f.band[a], share);
  }
  w.rows = f.product_rows;
  w.depth = static_cast<double>(larger(taps * f.channels / f.phases, 1));
  w.taps = w.depth / static_cast<double>(f.channels);
  w.elements = static_cast<double>(w.positions[0] * w.positions[1] * w.positions[2] * w.rows);
  w.first = problem.given.layout == CK_CHANNELS_FIRST;
  /* The phases of a result row are best stored together, and in lanes they are neighbours in it. */
  w.together = f.joint && f.phase_inner ? f.axes[2].phases : 1;
  w.phases_along = w.together >= 4;
  return w;
}

double shape_cost(const Work &w, const DirectForm &f, const Shape &s, int64_t lanes) {
  const int64_t runs = w.positions[0] * (s.joined ? 1 : w.positions[1]);
  const int64_t length = s.joined ? (w.positions[1] - 1) * f.pitch + w.positions[2] : w.positions[2];
  double cost;
  bool turned, pieces = false;
  if (s.pixels_in_lanes) {
    const TileCost tiles = {w.depth, w.taps > kPixelVector / kWeightVector ? kWeightVector : kPixelVector / w.taps};
    const int64_t whole = w.rows / s.width, rest = w.rows % s.width;
    cost = static_cast<double>(whole) * tiles.strip(s.width, s.vectors, length, lanes);
    if (rest > 0) cost += tiles.strip(rest, s.vectors, length, lanes);
    turned = !w.first;
  } else {
    const TileCost tiles = {w.depth, kWeightVector};
    const int64_t count = ceil_div(length, s.height), height = ceil_div(length, count);
    cost = static_cast<double>(count) * tiles.strip(height, s.vectors, w.rows, lanes);
    turned = w.first && !w.phases_along;
    pieces = turned && f.axes[2].phases > 1;
  }
  const bool in_place = !turned && !s.joined && f.phases == 1;
  const double store = pieces ? kPieces : turned ? kTurned : in_place ? 0 : kCopied;
  return cost * static_cast<double>(runs) + store * w.elements / w.depth;
}

}  // namespace

template <typename T>
double choose_direct_tile(const Problem &problem, const TileSet<T> &tiles, DirectForm *f) {
  f->product_rows = f->rows * (f->joint ? f->phases : 1);
  const Work w = describe_work(problem, *f);
  double best = -1;
  for (int way = 0; way < 4; ++way) {
    const bool pixels_in_lanes = way < 2, joined = way % 2 == 0;
    for (int32_t v = 1; v <= kMostVectors; ++v) {
      Shape s = {pixels_in_lanes, joined, v, tiles.heights[v - 1], v * tiles.lanes};
      if (v > 1 && (pixels_in_lanes ? w.positions[1] * f->pitch : w.rows) <= s.width - tiles.lanes) break;
      if (pixels_in_lanes) {
        const bool whole = w.together <= s.height;
        s.width = balanced(w.rows, whole ? s.height - s.height % w.together : s.height);
        if (whole) s.width = round_up(s.width, w.together);
        s.height = static_cast<int32_t>(s.width);
      }
      if (v > 1 && !fits_stage(*f, s.width, sizeof(T))) continue;
      const double cost = shape_cost(w, *f, s, tiles.lanes);
      if (best >= 0 && cost >= best) continue;
      best = cost;
      f->pixels_in_lanes = pixels_in_lanes;
      f->joined = joined;
      f->vectors = v;
      f->height = s.height;
      f->panels = lane_panels(w.rows, static_cast<int32_t>(s.width), tiles.lanes);
      if (pixels_in_lanes) {
        f->panels = {ceil_div(w.rows, s.width), s.height, static_cast<int32_t>(round_up(s.width, 4))};
      }
    }
  }
  return best * static_cast<double>(f->joint ? 1 : f->phases);
}

template double choose_direct_tile(const Problem &, const TileSet<float> &, DirectForm *);
template double choose_direct_tile(const Problem &, const TileSet<double> &, DirectForm *);

}  // namespace convkit
