/* Kernels for arm64 (32 registers): float32 8x12, float64 8x6. */
#if defined(__aarch64__) || defined(_M_ARM64)
#include <math.h>
#include <string.h>

#include "kernel_table.h"
#include "unroll.h"
#include "vec_neon.h"
#include "winograd_points.h"

namespace convkit {
namespace neon {
namespace {
#include "kernels.inl.h"
}  // namespace
}  // namespace neon

constexpr KernelTable kernels_neon =
    neon::kernel_table<neon::VecF32, neon::VecF64, 8, 3, 32, 16, 1, 3, 2>("neon", true);

}  // namespace convkit
#endif
