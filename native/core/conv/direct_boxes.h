/* The positions of a product, cut into boxes by which taps reach the source; and the tables that tiles go by.
 *
 * A term whose tap lies in the padding adds +0, so it may as well be left out. Along each axis the positions at which
 * the same taps reach the source are neighbours, and so are those taps. With a dilation as large as the map, most of
 * the terms are gone:
 *
 *     k = 3, dilation 4, padding 4, seven positions     0 1 2 | 3 | 4 5 6
 *     taps that reach the source                         1 2   0 1 2  0 1
 *
 * A box that leaves out taps has a second table, for the weights of those that remain. Where rows are joined or tiles
 * are large, that may cost more than it saves: direct_shape.cpp decides which axes are cut. */
#ifndef CONVKIT_CONV_DIRECT_BOXES_H
#define CONVKIT_CONV_DIRECT_BOXES_H

#include "direct_copy.h"

namespace convkit {

/* A part of the positions, at all of which the same taps reach the source. */
struct DirectBox {
  Range positions[3];
  int64_t taps;          /* terms per channel */
  const int64_t *table;  /* offsets of the grid, for the channels of a table */
  const int64_t *gaps;   /* and of the weights, where some taps are left out; else null */
  const int64_t *planes; /* by rows of the image: offsets of channels and taps along z; else null */
};

/* One product of the line at hand. */
struct DirectProduct {
  int64_t taps;     /* terms per channel */
  int64_t along[3]; /* along each axis */
  int64_t channels; /* of a table */
  int64_t weights;  /* elements before it in the packed weights of the group */
  DirectBox *boxes;
  int64_t box_count;
  int64_t place; /* in-place results: where position 0 is */
};

/* Fills channels, boxes and tables of the product of a phase; there is room for form.boxes and form.tables of them. */
void fill_boxes(const DirectForm &form, const DirectBand &band, const int64_t phase[3], DirectBox *boxes,
                int64_t *tables, DirectProduct *product);

}  // namespace convkit
#endif
