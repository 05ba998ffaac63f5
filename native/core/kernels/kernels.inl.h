/* All kernels, in the order in which they build upon each other. Included by kernels/<isa>.cpp, after the operations on
 * its vectors, inside namespace convkit::<isa>: so each instruction set has functions of its own.
 *
 * Those between CONVKIT_SMALL_BEGIN and CONVKIT_SMALL_END are compiled for size where the binary is to be small. The
 * others have loops of a few turns, where the test at the top that this makes of the one at the end took up to 1.2
 * times as long. */
#include "activation.inl.h"
#include "moves.inl.h"

CONVKIT_SMALL_BEGIN
#include "tile.inl.h"
#include "dots.inl.h"
CONVKIT_SMALL_END

#include "streams.inl.h"
#include "depthwise_copy.inl.h"
#include "depthwise_gradient.inl.h"
#include "winograd_streams.inl.h"

CONVKIT_SMALL_BEGIN
#include "depthwise_line.inl.h"
#include "depthwise_last.inl.h"
#include "fft_butterfly.inl.h"
#include "fft.inl.h"
#include "winograd_filter.inl.h"
#include "winograd.inl.h"
CONVKIT_SMALL_END

#include "depthwise.inl.h"

/* ROWS x COLUMNS vectors are the tile for large problems, REGISTERS those of the instruction set; of depthwise tiles
 * SUMS are sums, and their gradient takes up to TAPS_X taps of several rows at a time; DOT_ROWS x DOT_COLUMNS rows are
 * multiplied where they lie, or none. FEW, for a set that only old
 * CPUs run: few shapes have code of their own, the others are put together from them. */
template <class F32, class F64, int ROWS, int COLUMNS, int REGISTERS, int SUMS, int TAPS_X, int DOT_ROWS,
          int DOT_COLUMNS, bool FEW = false>
constexpr KernelTable kernel_table(const char *name, bool fused) {
  return {name,
          fused,
          tile_set<F32, FEW, ROWS, COLUMNS, REGISTERS>(256),
          tile_set<F64, FEW, ROWS, COLUMNS, REGISTERS>(128),
          dot_set<F32, DOT_ROWS, DOT_COLUMNS>(),
          depthwise_set<F32, FEW, SUMS, TAPS_X>(),
          depthwise_set<F64, FEW, SUMS, TAPS_X>(),
          fft_set<F32>(),
          fft_set<F64>(),
          winograd_set<F32>(),
          winograd_set<F64>()};
}
