/* Kernels for any CPU: float32 4x8, float64 4x4. */
#include "kernel_table.h"
#include "unroll.h"
#include "vec_portable.h"
#include "winograd_points.h"

namespace convkit {
namespace portable {
namespace {
#include "activation.inl.h"
#include "moves.inl.h"
#include "tile.inl.h"
// After the tiles, whose tables it shares.
#include "depthwise.inl.h"
#include "fft.inl.h"
#include "winograd.inl.h"
}  // namespace
}  // namespace portable

const KernelTable kernels_portable = {"portable",
                                      0,
                                      portable::tile_set<portable::VecF32, 4, 2, 16>(256),
                                      portable::tile_set<portable::VecF64, 4, 2, 16>(128),
                                      portable::depthwise_set<portable::VecF32, 8, 1>(),
                                      portable::depthwise_set<portable::VecF64, 8, 1>(),
                                      portable::fft_set<portable::VecF32>(),
                                      portable::fft_set<portable::VecF64>(),
                                      portable::winograd_set<portable::VecF32, portable::VecF64>(),
                                      portable::winograd_set<portable::VecF64, portable::VecF64>()};

}  // namespace convkit
