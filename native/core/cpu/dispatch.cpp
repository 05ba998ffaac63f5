#include "dispatch.h"

#include <string.h>

#include "features.h"

namespace convkit {

/* Here, and in no kernel file: kernel_table.h says why. */
alignas(32) const int32_t kLaneNumbers32[8] = {0, 1, 2, 3, 4, 5, 6, 7};
alignas(32) const int64_t kLaneNumbers64[4] = {0, 1, 2, 3};
namespace {

struct Available {
  const KernelTable *tables[4];
  int32_t count = 0;

  /* In the order of preference. A new instruction set is one line here. */
  Available() {
#if defined(CONVKIT_PORTABLE)
#elif defined(__x86_64__) || defined(_M_X64)
    const CpuFeatures cpu = detect_features();
    if (cpu.avx512) add(kernels_avx512);
    if (cpu.avx2) add(kernels_avx2);
#elif defined(__aarch64__) || defined(_M_ARM64)
    add(kernels_neon);
#endif
    add(kernels_portable);
  }
  void add(const KernelTable &table) { tables[count++] = &table; }
};

/* Filled when the library is loaded, before any thread can ask. */
const Available available;

}  // namespace

int32_t kernel_table_count() { return available.count; }

const KernelTable *kernel_table(int32_t index) {
  return index >= 0 && index < available.count ? available.tables[index] : nullptr;
}

const KernelTable *find_kernel_table(const char *name) {
  if (!name) return available.tables[0];
  for (int32_t i = 0; i < available.count; ++i) {
    if (strcmp(available.tables[i]->name, name) == 0) return available.tables[i];
  }
  return nullptr;
}

}  // namespace convkit
