/* im2col while packing: patches of the image go straight into the form that a tile reads. The column
 * matrix of a layer never exists; one block of it does (KC terms x 256 pixels).
 *
 * A patch element is (channel, tap) of the image under one feature pixel. The three forms differ in
 * what is a row and what is a term of the product:
 *
 *   forward, pixels in lanes      out[(channel, tap)][pixel]               terms outer, a row buffer
 *   forward, channels in lanes    out[panel][(channel, tap)][pixel]        panels of MR pixels
 *   weight gradient               out[pixel][(tap, channel)]               pixels are the terms
 *
 * Forward terms are numbered channel * taps + tap: the order of each sum. */
#ifndef CONVKIT_GEMM_PACK_PATCHES_H
#define CONVKIT_GEMM_PACK_PATCHES_H

#include "../conv/taps.h"
#include "panels.h"

namespace convkit {

/* Working memory of a packer, one per slot. */
struct PatchIndex {
  Run runs[kChunk];
  int64_t sources[kChunk];
};

/* `image` points to the first channel of one group of one image; pixels first .. first + count - 1 of
 * the features are packed, count <= kChunk. Terms first_term .. first_term + terms - 1. */
template <typename T>
void pack_patch_rows(const Problem &problem, const T *image, int64_t first, int64_t count, int64_t first_term,
                     int64_t terms, int64_t pitch, PatchIndex *index, T *out);

template <typename T>
void pack_patch_panels(const Problem &problem, const T *image, int64_t first, int64_t count, int64_t first_term,
                       int64_t terms, const Panels &panels, int64_t panel_step, PatchIndex *index, T *out);

/* A part of the (tap, channel) rows of the column matrix; channels are those of one group. */
struct ColumnBlock {
  int64_t first_channel, channels, first_tap, taps;
  int64_t rows() const { return channels * taps; }
};

/* out[pixel * pitch + tap * block.channels + channel], and zeros up to a whole vector. */
template <typename T>
void pack_patch_columns(const Problem &problem, const T *image, int64_t first, int64_t count, const ColumnBlock &block,
                        int64_t pitch, PatchIndex *index, T *out);

}  // namespace convkit
#endif
