/* Kernels for AVX2 with FMA (16 registers): float32 6x16, float64 6x8. */
#if defined(__x86_64__) || defined(_M_X64)
#include <math.h>
#include <string.h>

#include "kernel_table.h"
#include "unroll.h"
#include "vec_avx2.h"
#include "winograd_points.h"

namespace convkit {
namespace avx2 {
namespace {
#include "kernels.inl.h"
}  // namespace
}  // namespace avx2

constexpr KernelTable kernels_avx2 = avx2::kernel_table<avx2::VecF32, avx2::VecF64, 6, 2, 16, 8, 1, 3, 2>("avx2", true);

}  // namespace convkit
#endif
