/* The one place that chooses an instruction set. */
#ifndef CONVKIT_CPU_DISPATCH_H
#define CONVKIT_CPU_DISPATCH_H

#include "../kernels/kernel_table.h"

namespace convkit {

/* Those that can run here, best first; the last is always "portable". */
int32_t kernel_table_count();
const KernelTable *kernel_table(int32_t index); /* null outside 0 .. count - 1 */

/* By name, or the best for null; null when it does not exist or cannot run here. */
const KernelTable *find_kernel_table(const char *name);

}  // namespace convkit
#endif
