/* Kernels for any CPU: float32 4x8, float64 4x4. */
#include <math.h>
#include <string.h>

#include "kernel_table.h"
#include "unroll.h"
#include "vec_portable.h"
#include "winograd_points.h"

namespace convkit {
namespace portable {
namespace {
#include "kernels.inl.h"
}  // namespace
}  // namespace portable

constexpr KernelTable kernels_portable =
    portable::kernel_table<portable::VecF32, portable::VecF64, 4, 2, 16, 8, 1, 0, 0, true>("portable", false);

}  // namespace convkit
