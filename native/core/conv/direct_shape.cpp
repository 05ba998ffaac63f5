/* Which tile, in which orientation, over which runs: a small cost model.
 *
 * The unit is the cycle per term of the chain, summed over the tiles of one band. Only ratios matter, and they are much
 * the same on all CPUs, so there is one set of constants. Threads are not asked. */
#include <math.h>

#include "direct_rows.h"

namespace convkit {
namespace {

/* A tile must hide the latency of its multiply-adds: 4 cycles on two ports. */
constexpr double kLeastTile = 8;
/* Vectors that are not aligned cost two loads, of broadcasts two fit into a cycle. */
constexpr double kVectorLoad = 2, kBroadcast = 1;
/* Both operands come from the second-level cache. Weights do so in their order, which the hardware foresees. Pixels
 * jump from plane to plane; but the taps of a channel share their cache lines, which most vectors of them straddle. */
constexpr double kWeightVector = 0.25, kPixelVector = 3, kStraddling = 0.6;
/* Starting and ending a tile, shared by all terms; and each of its results has to be stored. */
constexpr double kTileStart = 20;
/* Per result: copied from the stage in whole vectors, or with rows turned into columns on the way. A tile that writes
 * to the place itself saves both. */
constexpr double kCopied = 0.3, kTurned = 1.2;
/* And per row of positions that is copied, whatever its length. */
constexpr double kCopiedRow = 5;
/* Phases that lie between each other, turned: single elements or pairs at large steps. */
constexpr double kPieces = 3;

/* Leaving out taps of the padding must save this share of the terms to be looked at. */
constexpr double kWorthSkipping = 0.05;
/* Cuts of one axis by bands that are looked at one by one. */
constexpr int64_t kMostBands = 64;

struct TileCost {
  double depth, far;    /* far: of a vector that is not in the first-level cache */
  const int32_t *parts; /* TileSet::parts */

  /* `live`: the share of the terms that are not left out. Those that remain go by two tables. */
  double tile(int64_t rows, int64_t vectors, double live) const {
    const int64_t part = parts[vectors - 1];
    if (part < vectors) return tile(rows, part, live) + tile(rows, vectors - part, live);
    const double products = static_cast<double>(rows * vectors);
    double cost = kVectorLoad * static_cast<double>(vectors) + kBroadcast * static_cast<double>(rows);
    if (live < 1) cost += kBroadcast;
    if (cost < kLeastTile) cost = kLeastTile;
    if (cost < products) cost = products;
    return live * (cost + far * static_cast<double>(vectors)) + (kTileStart + products) / depth;
  }
  /* A row of tiles, `vectors` wide each, over `length` lanes. */
  double strip(int64_t rows, int64_t vectors, int64_t length, int64_t lanes, double live) const {
    const int64_t all = ceil_div(length, lanes), whole = all / vectors, rest = all % vectors;
    return static_cast<double>(whole) * tile(rows, vectors, live) + (rest > 0 ? tile(rows, rest, live) : 0);
  }
};

struct Shape {
  bool pixels_in_lanes, joined, stacked, by_rows;
  int32_t vectors, height;
  int64_t width; /* of a panel */
};

/* Runs of positions along an axis, as many times in a band, with this share of the taps. */
struct Piece {
  double times;
  int64_t count;
  double live;
};
struct Pieces {
  Piece at[2 * kMostLiveTaps];
  int32_t count;

  void add(const Piece &piece) {
    for (int32_t i = 0; i < count; ++i) {
      if (at[i].count != piece.count || at[i].live != piece.live) continue;
      at[i].times += piece.times;
      return;
    }
    at[count++] = piece;
  }
  double live() const {
    double positions = 0, sum = 0;
    for (int32_t i = 0; i < count; ++i) {
      const double here = at[i].times * static_cast<double>(at[i].count);
      positions += here;
      sum += here * at[i].live;
    }
    return sum / positions;
  }
};

/* The pieces of an axis whose dead taps are left out, of the first phase and residue class as an example. False where
 * there are too many. */
bool cut_axis(const DirectForm &f, int axis, Pieces *pieces) {
  const DirectAxis &a = f.axes[axis];
  const PhaseTaps taps = phase_taps(a, 0);
  const int64_t count = a.most_positions(), bands = f.bands[axis], band = f.band[axis];
  if (bands > kMostBands || most_live_runs(f, axis) == 0) return false;
  for (int64_t first = 0; first < count; first += band) {
    LiveTaps runs[kMostLiveTaps];
    const int32_t found = cut_by_live_taps(a, taps, 0, first, smaller(first + band, count), runs);
    for (int32_t i = 0; i < found; ++i) {
      if (pieces->count == 2 * kMostLiveTaps) return false;
      const double live = static_cast<double>(runs[i].taps.end - runs[i].taps.begin) / static_cast<double>(taps.count);
      pieces->add({1 / static_cast<double>(bands), runs[i].end - runs[i].begin, live});
    }
  }
  return true;
}

/* What all shapes of a form have in common. */
struct Work {
  double depth, taps, elements;
  int64_t rows, positions[3], together;
  bool first, phases_along, one_position;
  Pieces whole[3]; /* the axes uncut */
  const int32_t *parts;

  double pixel_vector() const { return taps > kPixelVector / kStraddling ? kStraddling : kPixelVector / taps; }
};

/* What a way to skip leaves out: nothing, taps along depth and height, or those along the width too. */
struct Skips {
  bool axes[3];
  const Pieces *pieces[3];
};

Work describe_work(const Problem &problem, const DirectForm &f, const int32_t *parts) {
  Work w;
  w.parts = parts;
  int64_t taps = 1;
  for (int a = 0; a < 3; ++a) {
    const DirectAxis &axis = f.axes[a];
    taps *= axis.taps;
    /* A phase has no more positions than its share of the result. */
    const int64_t share = ceil_div(axis.result, axis.residues * (f.joint ? 1 : axis.phases));
    w.positions[a] = smaller(f.band[a], share);
    w.whole[a].count = 1;
    w.whole[a].at[0] = {1, w.positions[a], 1};
  }
  w.rows = f.product_rows;
  w.depth = static_cast<double>(larger(taps * f.channels / f.phases, 1));
  w.taps = w.depth / static_cast<double>(f.channels);
  w.elements = static_cast<double>(w.positions[0] * w.positions[1] * w.positions[2] * w.rows);
  w.first = result_steps(problem, f.axes[0].adjoint).rows();
  /* The phases of a result row are best stored together, and in lanes they are neighbours in it. */
  w.together = f.joint && f.phase_inner ? f.axes[2].phases : 1;
  w.phases_along = w.together >= 4;
  w.one_position = is_one_position(problem, f);
  return w;
}

/* All positions of a run, for all rows of the product. */
double run_cost(const Work &w, const Shape &s, int64_t length, int64_t lanes, double live) {
  if (s.pixels_in_lanes) {
    const TileCost tiles = {w.depth, w.pixel_vector(), w.parts};
    const int64_t whole = w.rows / s.width, rest = w.rows % s.width;
    const double cost = static_cast<double>(whole) * tiles.strip(s.width, s.vectors, length, lanes, live);
    return rest > 0 ? cost + tiles.strip(rest, s.vectors, length, lanes, live) : cost;
  }
  const TileCost tiles = {w.depth, kWeightVector, w.parts};
  const int64_t count = ceil_div(length, s.height), height = ceil_div(length, count);
  return static_cast<double>(count) * tiles.strip(height, s.vectors, w.rows, lanes, live);
}

/* The positions of one plane, by rows of the image. Loads are shared by the rows of a tile. */
double plane_cost(const Work &w, const DirectForm &f, const Shape &s, int64_t height, int64_t width, int64_t lanes) {
  const double taps = static_cast<double>(f.axes[1].taps) / static_cast<double>(f.axes[1].phases);
  const int64_t tiles = ceil_div(height, s.height), rows = ceil_div(height, tiles);
  const double far = w.pixel_vector();
  const double shared = (taps + static_cast<double>(rows - 1)) / taps;
  const auto tile = [&](int64_t vectors) {
    const double products = static_cast<double>(rows * vectors), loads = shared * static_cast<double>(vectors);
    double cost = kVectorLoad * loads + kBroadcast * static_cast<double>(rows);
    if (cost < kLeastTile) cost = kLeastTile;
    if (cost < products) cost = products;
    return cost + far * loads + (kTileStart + products) / w.depth;
  };
  const int64_t all = ceil_div(width, lanes), wide = balanced(all, s.vectors), rest = all % wide, full = all / wide;
  const double strip = static_cast<double>(full) * tile(wide) + (rest > 0 ? tile(rest) : 0);
  return static_cast<double>(w.rows * tiles) * strip;
}

double shape_cost(const Work &w, const Skips &skips, const DirectForm &f, const Shape &s, int64_t lanes) {
  const Pieces &zs = *skips.pieces[0], &ys = *skips.pieces[1], &xs = *skips.pieces[2];
  double cost = 0;
  for (int32_t i = 0; i < zs.count * ys.count * xs.count; ++i) {
    const Piece &z = zs.at[i / xs.count / ys.count], &y = ys.at[i / xs.count % ys.count], &x = xs.at[i % xs.count];
    const double runs =
        z.times * y.times * x.times * static_cast<double>((s.stacked ? 1 : z.count) * (s.joined ? 1 : y.count));
    if (s.by_rows) {
      cost += z.times * static_cast<double>(z.count) * plane_cost(w, f, s, y.count, x.count, lanes);
      continue;
    }
    int64_t length = s.joined ? (y.count - 1) * f.pitch + x.count : x.count;
    if (s.stacked) length += (z.count - 1) * f.grid[1] * f.pitch;
    cost += runs * run_cost(w, s, length, lanes, z.live * y.live * x.live);
  }
  const bool ordered = w.one_position && !s.pixels_in_lanes;
  const bool turned = !ordered && s.pixels_in_lanes != w.first && !(w.first && w.phases_along);
  const bool pieces = turned && !s.pixels_in_lanes && f.axes[2].phases > 1;
  const bool in_place = ordered || (!turned && !s.joined && f.phases == 1);
  const double store = pieces ? kPieces : turned ? kTurned : in_place ? 0 : kCopied;
  const double rows = turned || in_place ? 0 : kCopiedRow * w.elements / static_cast<double>(w.positions[2]);
  return cost + (store * w.elements + rows) / w.depth;
}

/* The ways to skip that may be worth it, with the pieces of the axes that are cut. Returns their number. */
int32_t list_skips(const Problem &problem, const DirectForm &f, const Work &w, Pieces cut[3], Skips ways[3]) {
  ways[0] = {{false, false, false}, {&w.whole[0], &w.whole[1], &w.whole[2]}};
  if (problem.given.padding_mode != CK_ZEROS) return 1;
  int32_t count = 1;
  double before = 1;
  for (int last = 1; last <= 2; ++last) {
    Skips &way = ways[count];
    way = ways[count - 1];
    double live = before;
    int64_t boxes = 1;
    for (int a = 0; a <= last; ++a) {
      if (!way.axes[a] && a >= 2 * (last - 1) && f.axes[a].taps > 1) {
        cut[a].count = 0;
        way.axes[a] = cut_axis(f, a, cut + a);
        if (way.axes[a]) way.pieces[a] = cut + a;
        live *= way.pieces[a]->live();
      }
      if (way.axes[a]) boxes *= most_live_runs(f, a);
    }
    if (live > before - kWorthSkipping || !fits_boxes(f, boxes)) continue;
    before = live;
    ++count;
  }
  return count;
}

}  // namespace

template <typename T>
double choose_direct_tile(const Problem &problem, const TileSet<T> &tiles, const bool given[3], DirectForm *f) {
  f->product_rows = f->rows * (f->joint ? f->phases : 1);
  const Work w = describe_work(problem, *f, tiles.parts);
  Pieces cut[3];
  Skips ways[3];
  const int32_t modes = list_skips(problem, *f, w, cut, ways);
  double best = -1;
  for (int way = 0; way < 6 * modes; ++way) {
    const Skips &skips = ways[way / 6];
    const bool *const skip = skips.axes;
    if (given && (skip[0] != given[0] || skip[1] != given[1] || skip[2] != given[2])) continue;
    const bool pixels_in_lanes = way % 6 < 3, joined = way % 3 < 2, stacked = way % 3 == 1;
    if ((joined && skip[2]) || (stacked && (skip[0] || skip[1] || f->band[0] == 1))) continue;
    for (int32_t v = 1; v <= kMostVectors; ++v) {
      Shape s = {pixels_in_lanes, joined, stacked, false, v, tiles.heights[v - 1], v * tiles.lanes};
      const int64_t longest = w.positions[1] * f->pitch * (stacked ? w.positions[0] : 1);
      if (v > 1 && (pixels_in_lanes ? longest : w.rows) <= s.width - tiles.lanes) break;
      if (pixels_in_lanes) {
        const bool whole = w.together <= s.height;
        s.width = balanced(w.rows, whole ? s.height - s.height % w.together : s.height);
        if (whole) s.width = round_up(s.width, w.together);
        s.height = static_cast<int32_t>(s.width);
      }
      if ((v > 1 || stacked) && !fits_stage(*f, s.width, sizeof(T), stacked)) continue;
      const double cost = shape_cost(w, skips, *f, s, tiles.lanes);
      if (best >= 0 && cost >= best) continue;
      best = cost;
      for (int a = 0; a < 3; ++a) f->skips[a] = skip[a];
      f->pixels_in_lanes = pixels_in_lanes;
      f->joined = joined;
      f->stacked = stacked;
      f->vectors = v;
      f->height = s.height;
      f->panels = lane_panels(w.rows, static_cast<int32_t>(s.width), tiles.lanes);
      if (pixels_in_lanes) {
        f->panels = {ceil_div(w.rows, s.width), s.height, static_cast<int32_t>(round_up(s.width, 4))};
      }
    }
  }
  const bool skipped = given && (given[0] || given[1] || given[2]);
  if (!skipped && can_go_by_rows(*f, sizeof(T))) {
    const int32_t height = static_cast<int32_t>(image_rows(phase_taps(f->axes[1], 0).count));
    int32_t v = 1;
    while (v < kMostVectors && tiles.heights[v] >= height) ++v;
    const Shape s = {true, false, false, true, v, height, 1};
    const double cost = shape_cost(w, ways[0], *f, s, tiles.lanes);
    if (best < 0 || cost < best) {
      best = cost;
      f->pixels_in_lanes = f->by_rows = true;
      f->joined = f->stacked = f->skips[0] = f->skips[1] = f->skips[2] = false;
      f->vectors = v;
      f->height = height;
      f->panels = {w.rows, 1, 1};
    }
  }
  if (best < 0) return HUGE_VAL; /* what is given to be skipped is no choice here */
  return best * static_cast<double>(f->joint ? 1 : f->phases);
}

template double choose_direct_tile(const Problem &, const TileSet<float> &, const bool[3], DirectForm *);
template double choose_direct_tile(const Problem &, const TileSet<double> &, const bool[3], DirectForm *);

}  // namespace convkit
