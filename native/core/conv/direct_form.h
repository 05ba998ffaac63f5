/* How the direct algorithm cuts a pass: the part of the plan that it fills.
 *
 * A *product* is one gather with its own taps and packed weights. Its rows are result channels. The forward pass is one
 * product. The adjoint is a product for each phase, or, in the joint form, one product whose rows are (channel, phase)
 * pairs: where dilation is 1 and the stride divides the kernel, all phases read the same window.
 *
 * A *band* is a box of positions. A unit of work copies the source under its band into a *grid*: planes of rows,
 * padding included, from which tiles read with one offset a term. Between two rows, the zeros at the end of one and at
 * the start of the next are stored once ("overlap"):
 *
 *     image   a b c      grid   . . . . .        a run over the joined rows computes a few results that
 *             d e f             . a b c .        belong to no position (x); they are not stored:
 *                               . d e f .
 *     pitch 4, so: . . . . . a b c . d e f . ...       0 1 2 x 0 1 2      */
#ifndef CONVKIT_CONV_DIRECT_FORM_H
#define CONVKIT_CONV_DIRECT_FORM_H

#include "../gemm/panels.h"
#include "../kernels/kernel_table.h"
#include "../util/numbers.h"
#include "direct_geometry.h"

namespace convkit {

/* Weights stay in the second-level cache while the tiles of a band pass by. */
constexpr int64_t kWeightBlock = 128 << 10;
/* Tiles of short vectors have fewer multiply-adds for each element they load, so theirs stay in the first-level cache.
 */
constexpr int64_t kNearBlock = 16 << 10;

/* Of one pixel an image, at most. */
constexpr int64_t kMostPixelPlanes = 256;

struct DirectForm {
  DirectAxis axes[3];
  int64_t channels, rows; /* of one group: channels of the source, channels of the result */
  int64_t phases;         /* of the result */
  int64_t held; /* channels of the source in the grid at a time. Where these are not all, sums are staged meanwhile */

  int64_t band[3], bands[3]; /* positions of a band; bands of one residue class */
  int64_t grid[3];           /* extents of the copy of a plane; grid[2] elements are written per row */
  int64_t planes, pitch, depth_size, plane_size, channel_size; /* steps of the grid, from row to row and so on */

  bool images;          /* depth is one position: positions of that axis are the images of the batch */
  bool joint;           /* phases are rows of one product */
  bool phase_inner;     /* joint rows: channel * phases + phase (pixels are neighbours), else phase * rows + channel */
  bool pixels_in_lanes; /* else channels */
  bool joined;          /* runs go over joined rows; else each row is a run */
  bool stacked;         /* and over all depths of the band, rows of the halo between them included */
  bool by_rows;         /* tiles are of rows of the image (direct_rows.h) */
  bool in_place;        /* tiles write to the result itself */
  bool reads_source; /* tiles read the source itself: it is the grid; or, with channels last, turn the pixels of each */
  bool packs_inside; /* weights given with the call are packed block by block, by the unit that uses them */
  bool skips[3];     /* axes cut into runs of positions with the same taps: the others, in padding, are left out */
  int64_t boxes;     /* of a product, at most: runs of z, y and x */
  int64_t tables;    /* of a product, at most: one, or two for each box where taps are left out */
  int32_t height, vectors;
  int64_t tail_width; /* of the copy of a tile whose vectors would reach past the end of a source read in place */
  Panels panels;      /* of the rows of one product */
  int64_t product_rows;
  int64_t line_products; /* products whose results are interleaved along the width: the phases of that axis, or 1 */
  int64_t table_terms;   /* room of one table of offsets */
  int64_t stage_plane;   /* positions of one depth in the stage */
  int64_t stage_step; /* pixels in lanes: from row to row of the stage; channels in lanes: from position to position */
  int64_t group_weights;            /* packed elements of one group */
  int64_t bundle, bundles;          /* groups of a unit, those whose channels share cache lines; units for all */
  int64_t items, part_items, parts; /* items: lines of products x panels; shared among the units of a band */

  bool deep() const { return held < channels; }
  int64_t lines() const { return joint ? 1 : phases / line_products; }
  int64_t channel_weights() const { return group_weights / channels / panels.count; } /* packed, of a panel */
};

/* Null, or the reason why the pass is left to another algorithm. */
const char *direct_refuses(const Problem &problem, ck_pass pass);

/* Only for passes that are not refused. */
template <typename T>
void make_direct_form(const Problem &problem, ck_pass pass, const TileSet<T> &tiles, int32_t slots, DirectForm *form);

/* What a pass costs by the model of direct_shape.cpp, in multiply-adds of whole vectors for one image; -1: it is
 * refused.
 */
template <typename T>
double direct_cost(const Problem &problem, ck_pass pass, const TileSet<T> &tiles);

/* Fills the tile, its orientation and what is skipped; returns what the products of one band cost. `skips` settles
 * what is skipped; null leaves it to the cost. */
template <typename T>
double choose_direct_tile(const Problem &problem, const TileSet<T> &tiles, const bool skips[3], DirectForm *form);

/* Of the stage of a line of products and a panel. */
int64_t stage_elements(const DirectForm &form);

/* Positions of the stage of a band from its first to its last. */
int64_t stage_positions(const DirectForm &form, bool stacked);

/* Does the stage of a band hold panels of this width? */
bool fits_stage(const DirectForm &form, int64_t width, int64_t element_bytes, bool stacked);

/* From one depth, or image, to the next, in a map of sources or of results. */
int64_t depth_step(const DirectForm &form, const MapSteps &map, int64_t plane_pixels);

/* Runs of positions with the same live taps along an axis, at most, in any phase and residue class. 0: too many. */
int32_t most_live_runs(const DirectForm &form, int axis);

/* Is there room for the tables of a product that is cut into this many boxes? */
bool fits_boxes(const DirectForm &form, int64_t boxes);

/* The result of an image is one position, and the rows of a product are its channels and phases in their own order. */
bool is_one_position(const Problem &problem, const DirectForm &form);

/* Phases are counted with the width innermost. */
void split_phase(const DirectForm &form, int64_t number, int64_t phase[3]);

/* Terms of a product per channel. Phases are ignored in the joint form. */
int64_t product_taps(const DirectForm &form, const int64_t phase[3], PhaseTaps taps[3]);

}  // namespace convkit
#endif
