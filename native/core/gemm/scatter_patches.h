/* col2im: adds a block of columns back onto the image, the transpose of packing patches.
 *
 * The order of additions to one image element is: chunks of pixels, in each chunk taps, in each tap pixels. It is the
 * same for each layout, instruction set and number of threads. */
#ifndef CONVKIT_GEMM_SCATTER_PATCHES_H
#define CONVKIT_GEMM_SCATTER_PATCHES_H

#include "../kernels/kernel_table.h"
#include "pack_patches.h"

namespace convkit {

/* Channels first: columns[(tap * block.channels + channel) * pitch + pixel].
 * Channels last:  columns[pixel * pitch + tap * block.channels + channel].
 * Only image elements begin .. end - 1 of a channel are added to. */
template <typename T>
void scatter_patches(const Problem &problem, const T *columns, int64_t pitch, int64_t first, int64_t count,
                     const ColumnBlock &block, const TileSet<T> &tiles, int64_t begin, int64_t end, PatchIndex *index,
                     T *image);

}  // namespace convkit
#endif
