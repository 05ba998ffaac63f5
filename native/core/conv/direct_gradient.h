/* The weight gradient of the direct algorithm: no patches are ever laid out.
 *
 *     gradient[feature][tap, channel] = sum over images and pixels of
 *         features[pixel][feature] * grid[place(pixel) + shift(tap)][channel]
 *
 * The grid is the image, padding included, with its channels last. Then the channels of all taps along x that a pixel
 * reads are neighbours (dilation 1), whatever the stride, and pixels are steps through the grid:
 *
 *     grid, 2 channels     a0 a1 b0 b1 c0 c1 d0 d1 ...       a *segment*: one row of taps, 3 x 2 elements
 *     pixel 0              [-------------]
 *     pixel 1, stride 1          [-------------]
 *
 * The features of a pixel are neighbours too, in panels (gemm/panels.h). So both sides are vectors for each pixel, and
 * the tile of the other passes sums their products over pixels, the grid going by a table of offsets. Either side may
 * be in the lanes: the one that wastes less.
 *
 * A unit of work is a *block* of the gradient: some features, some channels, some taps. Its sums stay in the
 * second-level cache while *boxes* of some hundred pixels pass by; a box is some images, or planes, or rows, or a
 * part of a row. Under each, the grid and the features are copied.
 *
 * One chain of multiply-adds for each element, images outer and pixels inner. Where the gradient is so small that
 * threads could not share it, the boxes are cut into parts, by the shape and the batch alone; their sums are added as a
 * tree. */
#ifndef CONVKIT_CONV_DIRECT_GRADIENT_H
#define CONVKIT_CONV_DIRECT_GRADIENT_H

#include "../gemm/panels.h"
#include "../kernels/kernel_table.h"
#include "problem.h"

namespace convkit {

struct RunContext;

struct DirectGradientForm {
  int64_t tap_block[3], tap_blocks[3]; /* taps of a block along each axis; number of blocks */
  int64_t reach[3];                    /* image pixels from a block's first tap to its last */
  int64_t step[3];                     /* from position to position in the grid: the stride, or less */
  int64_t box[4], boxes[4];            /* images, and positions along each axis */
  int64_t grid[3];                     /* extents of the grid under a box, for each image */
  int64_t channel_block, channel_blocks, feature_block, feature_blocks;
  bool features_in_lanes; /* else channels and taps */
  bool by_panels;         /* one box: the sums of a panel of features are finished before the next is begun */
  bool in_place;          /* one box, and sums that lie as the gradient does: tiles write to it */
  bool padded;            /* some tap reads zeros of the padding */
  bool looks_at_features; /* for numbers that are not finite; else at the sums, where these are fewer */
  int32_t height, vectors;
  Panels panels; /* of the features of a block */
  int64_t parts, part_boxes;

  int64_t taps() const { return tap_block[0] * tap_block[1] * tap_block[2]; }
  int64_t block_elements() const { return feature_block * channel_block * taps(); }
  int64_t sum_elements() const {
    return by_panels ? block_elements() / feature_block * panels.width : block_elements();
  }
  int64_t pixels() const { return box[0] * box[1] * box[2] * box[3]; }
  int64_t all_boxes() const { return boxes[0] * boxes[1] * boxes[2] * boxes[3]; }
  int64_t blocks(const Problem &problem) const {
    return problem.given.groups * feature_blocks * channel_blocks * tap_blocks[0] * tap_blocks[1] * tap_blocks[2];
  }
};

/* Null, or the reason why the pass is left to another algorithm. */
const char *direct_gradient_refuses(const Problem &problem);

/* Only for problems that are not refused. */
template <typename T>
void make_direct_gradient_form(const Problem &problem, const TileSet<T> &tiles, int32_t slots,
                               DirectGradientForm *form);

template <typename T>
int64_t direct_gradient_slot_bytes(const DirectGradientForm &form);

template <typename T>
ck_status run_direct_gradient(const RunContext &context);

/* What one unit reads of one box. */
struct GradientBox {
  int64_t first[4], count[4];
  bool has_terms; /* else the block's taps read nothing but zeros of the padding */
  int64_t pixels() const { return count[0] * count[1] * count[2] * count[3]; }
};

/* grid[image][z][y][x][channel]: `channels` of the image from `source` on, under the taps from first_tap on. */
template <typename T>
void copy_gradient_grid(const Problem &problem, const DirectGradientForm &form, const GradientBox &box,
                        const int64_t first_tap[3], const T *source, int64_t channels, T *grid);

/* out[panel][pixel][feature]: `features` of the features from `source` on. */
template <typename T>
void copy_gradient_features(const Problem &problem, const DirectGradientForm &form, const GradientBox &box,
                            const T *source, int64_t features, T *out);

}  // namespace convkit
#endif
