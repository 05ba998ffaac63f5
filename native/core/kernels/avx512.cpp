/* Kernels for AVX-512 (32 registers): float32 14x32, float64 14x16. */
#if defined(__x86_64__) || defined(_M_X64)
#include "kernel_table.h"
#include "unroll.h"
#include "vec_avx512.h"
#include "winograd_points.h"

namespace convkit {
namespace avx512 {
namespace {
#include "activation.inl.h"
#include "moves.inl.h"
#include "tile.inl.h"
// After the tiles, whose tables it shares.
#include "depthwise.inl.h"
#include "fft.inl.h"
#include "winograd.inl.h"
}  // namespace
}  // namespace avx512

const KernelTable kernels_avx512 = {"avx512",
                                    1,
                                    avx512::tile_set<avx512::VecF32, 14, 2, 32>(256),
                                    avx512::tile_set<avx512::VecF64, 14, 2, 32>(128),
                                    avx512::depthwise_set<avx512::VecF32, 16, 3>(),
                                    avx512::depthwise_set<avx512::VecF64, 16, 3>(),
                                    avx512::fft_set<avx512::VecF32>(),
                                    avx512::fft_set<avx512::VecF64>(),
                                    avx512::winograd_set<avx512::VecF32, avx512::VecF64>(),
                                    avx512::winograd_set<avx512::VecF64, avx512::VecF64>()};

}  // namespace convkit
#endif
