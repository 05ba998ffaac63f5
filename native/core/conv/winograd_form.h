/* How the Winograd algorithm cuts a pass: the part of the plan that it fills.
 *
 * Both passes are the stride-1 gather of direct_geometry.h over planes of the source, the adjoint with strides in its
 * joint form. Two axes, y and x, may be transformed (kernels/winograd_points.h); the depth never is. Along an axis,
 * F(m, r) takes m results of r taps at a time, a *tile*:
 *
 *     F(4, 3)    source  0 1 2 3 4 5 6 7 8 9 ...        tiles are m apart and overlap by r - 1
 *                tile 0  o o o o o o
 *                tile 1          o o o o o o
 *
 * - Taps beyond r are cut into *pieces*. With m = r, piece number c of a tile reads what piece 0 of tile t + c does, so
 *   all pieces share one transform and only lengthen the chain. An axis that is left alone is F(1, 1) with a piece for
 *   each tap.
 * - A dilation D takes the elements of a tile D apart: tile b * D + r has elements (b * m + i) * D + r. Neighbouring
 *   tiles are still neighbours, now in runs of D.
 * - Missing taps (phases and planes with fewer than the longest) are zeros in the packed weights.
 *
 * A unit of work takes a *block* (a box of tiles) of one group of one image:
 *
 *     d = source under the block           direct_copy.cpp, some channels at a time
 *     V[point][channel, plane][tile] = B d                                           kernels/winograd.inl.h
 *     for each panel of rows
 *       M[point][row][tile] = chain over (channel, plane, piece) of U V              tiles, one product a point
 *       result = A M, epilogue                                                       kernels/winograd.inl.h
 *
 * A few blocks more, if threads then end together. Where there are too few blocks for all, the panels of each are cut
 * into parts; and either every part has a V of its own, or blocks are taken one after the other, and the threads share
 * each: first the channels of V, then the parts of the panels. */
#ifndef CONVKIT_CONV_WINOGRAD_FORM_H
#define CONVKIT_CONV_WINOGRAD_FORM_H

#include "../kernels/winograd_points.h"
#include "../util/numbers.h"
#include "direct_form.h"

namespace convkit {

/* Room for so many elements in an odd number of pieces of 16: points and channels that far apart do not fall onto the
 * same sets of a cache. */
inline int64_t odd_lines(int64_t elements) { return 16 * (ceil_div(elements, 16) | 1); }

struct WinogradAxis {
  DirectAxis geometry;
  int64_t taps; /* of a plane and phase, the most of any */
  int64_t inner;
  int32_t scheme;
  int64_t outputs, points, pieces, piece_step; /* of the scheme; tiles from piece to piece */
  int64_t tiles, block, blocks;                /* block: the most tiles of one */
  int64_t halo;                                /* tiles behind a block, for its pieces */
  int64_t grid() const { return block + halo; }
  /* Of a block; the first blocks are the larger ones. */
  Range tiles_of(int64_t number) const {
    const int64_t units = ceil_div(tiles, inner), each = units / blocks, more = units % blocks;
    const int64_t begin = number * each + smaller(number, more), end = begin + each + (number < more ? 1 : 0);
    return {begin * inner, smaller(end * inner, tiles)};
  }
  int64_t positions(int64_t count) const {
    return outputs == 1 ? count : (count + inner - 1) / inner * outputs * inner;
  }
};

struct WinogradForm {
  WinogradAxis axes[3];
  DirectForm copy, store; /* what copy_grid and store_stage need to know */
  int64_t channels, rows, planes, phases;
  int64_t product_rows, points, depth;
  int64_t tile_step, data_step; /* V: from channel to channel, from point to point */
  int64_t edge_step;            /* from point to point of one channel of it by itself */
  bool tiles_in_lanes, in_place;
  int32_t height, vectors;
  const int32_t *tile_parts; /* TileSet::parts */
  Panels panels;
  int64_t lanes_step, product_step; /* M: from row to row (tiles in lanes) or tile to tile; from point to point */
  bool by_row;                      /* the source is read row by row; else copied, with its padding: */
  int64_t chunk;                    /* channels at a time */
  int64_t line, line_step;          /* rows transformed along x: of one residue of m; of one point along x */
  int64_t stream_step;              /* a row of tiles is split into `outputs` streams; from one to the next */
  bool shared;                      /* V is that of all slots */
  int64_t parts, part_panels;       /* the panels of a block are cut into parts */
  int64_t packed_channels; /* whose weights, given with the call, are packed at a time where they are used; 0: before */

  /* From point to point of their transformed weights. */
  int64_t packed_step() const {
    return packed_channels > 0 ? odd_lines(packed_channels * (depth / channels) * panels.step) : 0;
  }
  /* Of an image and a group. */
  bool one_block() const { return axes[0].blocks * axes[1].blocks * axes[2].blocks == 1; }
  /* Tiles side by side in V under a box of tiles, with those that lie between its rows; and under a whole block. */
  int64_t box_lanes(const int64_t tiles[3]) const {
    return ((tiles[0] - 1) * axes[1].grid() + tiles[1] - 1) * axes[2].grid() + tiles[2];
  }
  int64_t block_lanes() const {
    const int64_t tiles[3] = {axes[0].block, axes[1].block, axes[2].block};
    return box_lanes(tiles);
  }
};

/* May these schemes be nested, y around x? The error of what remains is measured in native/test/winograd_test.cpp. */
bool winograd_is_accurate(int32_t y, int32_t x);

/* Null, or why the pass has no such form. */
const char *winograd_refuses(const Problem &problem, ck_pass pass);

/* Only for passes that are not refused. Returns what it costs, in cycles of one image; where each run packs the
 * weights, with that. */
template <typename T>
double make_winograd_form(const Problem &problem, ck_pass pass, const TileSet<T> &tiles, bool packs,
                          WinogradForm *form);

/* Blocks of all images and groups. */
int64_t winograd_blocks(const Problem &problem, const WinogradForm &form);

/* Settles how the slots share the blocks, or each block. */
void share_winograd(const Problem &problem, int32_t slots, WinogradForm *form);

}  // namespace convkit
#endif
