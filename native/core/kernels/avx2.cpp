/* Kernels for AVX2 with FMA (16 registers): float32 6x16, float64 6x8. */
#if defined(__x86_64__) || defined(_M_X64)
#include "kernel_table.h"
#include "unroll.h"
#include "vec_avx2.h"
#include "winograd_points.h"

namespace convkit {
namespace avx2 {
namespace {
#include "activation.inl.h"
#include "moves.inl.h"
#include "tile.inl.h"
// After the tiles, whose tables it shares.
#include "depthwise.inl.h"
#include "fft.inl.h"
#include "winograd.inl.h"
}  // namespace
}  // namespace avx2

const KernelTable kernels_avx2 = {"avx2",
                                  1,
                                  avx2::tile_set<avx2::VecF32, 6, 2, 16>(256),
                                  avx2::tile_set<avx2::VecF64, 6, 2, 16>(128),
                                  avx2::depthwise_set<avx2::VecF32, 8, 1>(),
                                  avx2::depthwise_set<avx2::VecF64, 8, 1>(),
                                  avx2::fft_set<avx2::VecF32>(),
                                  avx2::fft_set<avx2::VecF64>(),
                                  avx2::winograd_set<avx2::VecF32, avx2::VecF64>(),
                                  avx2::winograd_set<avx2::VecF64, avx2::VecF64>()};

}  // namespace convkit
#endif
