#include "direct_bands.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

constexpr int64_t kLeastWidth = 32; /* of a band, where that is not the whole row */
constexpr int64_t kStageWidth = 16; /* channels that the stage holds at least: MR or one vector */

/* Images are taken together up to this many positions: runs as long as tiles want them, and weights that serve more
 * than the few positions of one image; but a grid that stays small. */
constexpr int64_t kJoinedPositions = 512;
/* Or up to so many bytes of source, for few channels: what a unit costs besides its tiles is shared by more images. */
constexpr int64_t kJoinedBytes = 64 << 10;

/* Zeros at the start and at the end of every row of the grid, whichever the plane; fewer of both. No more than the
 * results of two rows allow, which must not overlap. */
int64_t row_overlap(const DirectAxis &x, int64_t width, bool zeros) {
  if (!zeros) return 0;
  int64_t overlap = width;
  for (int64_t plane = 0; plane < x.planes; ++plane) {
    const Range real = inside(grid_map(x, plane, 0), x.source, x.span_begin, x.span_begin + width);
    overlap = smaller(overlap, smaller(real.begin - x.span_begin, x.span_begin + width - real.end));
  }
  return smaller(overlap, x.span);
}

}  // namespace

void lay_out_band(const Problem &problem, const int64_t band[3], DirectForm *f) {
  for (int a = 0; a < 3; ++a) {
    f->band[a] = band[a];
    f->bands[a] = ceil_div(f->axes[a].most_positions(), band[a]);
    f->grid[a] = band[a] + f->axes[a].span;
  }
  const bool whole_rows = f->bands[2] == 1;
  const int64_t overlap = whole_rows ? row_overlap(f->axes[2], f->grid[2], problem.given.padding_mode == CK_ZEROS) : 0;
  f->pitch = f->grid[2] - overlap;
  /* An odd number of cache lines: planes do not fall onto the same sets. 4 spare elements: channels-last copies go by
   * fours. */
  f->depth_size = f->grid[1] * f->pitch;
  const int64_t lines = ceil_div(f->grid[0] * f->depth_size + overlap + 4, 16);
  f->plane_size = 16 * (lines | 1);
  f->planes = f->axes[0].planes * f->axes[1].planes * f->axes[2].planes;
  f->channel_size = f->planes * f->plane_size;
  f->stage_plane = (band[1] - 1) * f->pitch + band[2];
}

namespace {

/* Of a deep source, the sums of all rows and phases. */
int64_t staged_bytes(const DirectForm &f, int64_t bytes) {
  return f.deep() ? stage_positions(f, false) * f.rows * f.phases * bytes : 0;
}

/* Extents are compared in floating point first: products of spans may not fit into integers. */
bool fits(const Problem &problem, const int64_t band[3], DirectForm *f) {
  double elements = static_cast<double>(f->held);
  for (const DirectAxis &a : f->axes) elements *= static_cast<double>(a.planes);
  for (int a = 0; a < 3; ++a) elements *= static_cast<double>(band[a] + f->axes[a].span);
  const int64_t bytes = element_bytes(problem);
  if (elements * static_cast<double>(bytes) > 4.0 * kGridBytes) return false;
  lay_out_band(problem, band, f);
  const int64_t grid = f->held * f->channel_size * bytes;
  return grid + staged_bytes(*f, bytes) <= kGridBytes && fits_stage(*f, kStageWidth, bytes, false);
}

/* The largest extent of one axis that fits, the axes before it being 1 and those behind it whole. 0: none. */
int64_t largest(const Problem &problem, int axis, int64_t band[3], DirectForm *f) {
  int64_t low = 0, high = band[axis];
  while (low < high) {
    band[axis] = (low + high + 1) / 2;
    if (fits(problem, band, f)) {
      low = band[axis];
    } else {
      high = band[axis] - 1;
    }
  }
  return low;
}

/* Whole planes if they fit, else whole rows, else parts of rows; in equal bands. */
bool cut_bands(const Problem &problem, DirectForm *f) {
  f->line_products = f->joint ? 1 : f->axes[2].phases;
  for (int attempt = 0; attempt < 2; ++attempt) {
    int64_t band[3] = {f->axes[0].most_positions(), f->axes[1].most_positions(), f->axes[2].most_positions()};
    if (f->images) {
      const double map = static_cast<double>(band[1]) * static_cast<double>(band[2]);
      const double bytes = static_cast<double>(f->channels * element_bytes(problem));
      double images = map < kJoinedPositions ? static_cast<double>(kJoinedPositions) / map : 1;
      images = images < kJoinedBytes / bytes / map ? kJoinedBytes / bytes / map : images;
      band[0] = smaller(band[0], static_cast<int64_t>(images));
    }
    const int64_t least_width = smaller(kLeastWidth, band[2]);
    for (int a = 0; a < 3; ++a) {
      const int64_t whole = band[a], most = largest(problem, a, band, f);
      const int64_t least = a == 2 ? least_width : 1;
      /* Rows of a large dilation: a band lower than the reach of the taps would copy mostly rows that it does not use.
       */
      DirectAxis *const axis = f->axes + a;
      const bool sparse =
          attempt == 0 && !f->deep() && a < 2 && axis->dilation > 1 && most < smaller(whole, axis->span);
      if (sparse) {
        split_residues(axis);
        if (axis->residues > 1) break;
      }
      if (most < least) {
        band[a] = 1;
        continue;
      }
      band[a] = balanced(whole, most);
      lay_out_band(problem, band, f);
      return true;
    }
  }
  return false;
}

/* Where the result of an image is one position, its pixels are so many planes, in which images are neighbours: so tiles
 * go over images, and weights are read once for many of them. */
bool take_taps_apart(const Problem &problem, DirectForm *f) {
  const DirectAxis &y = f->axes[1], &x = f->axes[2];
  const int64_t taps = y.taps * x.taps;
  if (!f->images || y.adjoint || y.result * x.result > 1 || taps == 1 || taps > kMostPixelPlanes) return false;
  DirectForm apart = *f;
  split_taps(apart.axes + 1);
  split_taps(apart.axes + 2);
  if (!cut_bands(problem, &apart) || apart.band[0] == 1) return false;
  *f = apart;
  return true;
}

}  // namespace

bool choose_band(const Problem &problem, DirectForm *f) {
  if (!take_taps_apart(problem, f) && !cut_bands(problem, f)) return false;
  if (f->deep()) {
    const int64_t bytes = element_bytes(problem), room = kGridBytes - staged_bytes(*f, bytes);
    const int64_t most = larger(room / (f->channel_size * bytes), f->held);
    f->held = smaller(round_up(balanced(f->channels, most), kLeastHeld / 2), most - most % (kLeastHeld / 2));
  }
  return true;
}

}  // namespace convkit
