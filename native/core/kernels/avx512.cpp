/* Kernels for AVX-512 (32 registers): float32 14x32, float64 14x16. */
#if defined(__x86_64__) || defined(_M_X64)
#include <math.h>
#include <string.h>

#include "kernel_table.h"
#include "unroll.h"
#include "vec_avx512.h"
#include "winograd_points.h"

namespace convkit {
namespace avx512 {
namespace {
#include "kernels.inl.h"
}  // namespace
}  // namespace avx512

constexpr KernelTable kernels_avx512 =
    avx512::kernel_table<avx512::VecF32, avx512::VecF64, 14, 2, 32, 16, 3, 6, 4>("avx512", true);

}  // namespace convkit
#endif
