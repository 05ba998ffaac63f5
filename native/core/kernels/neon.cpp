/* Kernels for arm64 (32 registers): float32 8x12, float64 8x6. */
#if defined(__aarch64__) || defined(_M_ARM64)
#include "kernel_table.h"
#include "unroll.h"
#include "vec_neon.h"
#include "winograd_points.h"

namespace convkit {
namespace neon {
namespace {
#include "activation.inl.h"
#include "moves.inl.h"
#include "tile.inl.h"
// After the tiles, whose tables it shares.
#include "depthwise.inl.h"
#include "fft.inl.h"
#include "winograd.inl.h"
}  // namespace
}  // namespace neon

const KernelTable kernels_neon = {"neon",
                                  1,
                                  neon::tile_set<neon::VecF32, 8, 3, 32>(256),
                                  neon::tile_set<neon::VecF64, 8, 3, 32>(128),
                                  neon::depthwise_set<neon::VecF32, 16, 1>(),
                                  neon::depthwise_set<neon::VecF64, 16, 1>(),
                                  neon::fft_set<neon::VecF32>(),
                                  neon::fft_set<neon::VecF64>(),
                                  neon::winograd_set<neon::VecF32, neon::VecF64>(),
                                  neon::winograd_set<neon::VecF64, neon::VecF64>()};

}  // namespace convkit
#endif
