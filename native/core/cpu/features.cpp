#include "features.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace convkit {

#if defined(__x86_64__) || defined(_M_X64)
namespace {

struct Registers {
  uint32_t a, b, c, d;
};

#if defined(__x86_64__)
Registers cpuid(uint32_t leaf) {
  Registers r = {0, 0, 0, 0};
  if (!__get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d)) return {0, 0, 0, 0};
  return r;
}

/* Written out, because the intrinsic needs a flag that this file must not have. */
uint64_t enabled_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}
#else
Registers cpuid(uint32_t leaf) {
  int r[4] = {0, 0, 0, 0};
  __cpuid(r, 0);
  if (static_cast<uint32_t>(r[0]) < leaf) return {0, 0, 0, 0};
  __cpuidex(r, static_cast<int>(leaf), 0);
  return {static_cast<uint32_t>(r[0]), static_cast<uint32_t>(r[1]), static_cast<uint32_t>(r[2]),
          static_cast<uint32_t>(r[3])};
}

uint64_t enabled_state() { return _xgetbv(0); }
#endif

bool has(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

}  // namespace

/* A CPU may have AVX while the system does not save its registers, so XCR0 is asked as well as CPUID. */
CpuFeatures detect_features() {
  constexpr uint64_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;                         /* leaf 1, ecx */
  constexpr uint64_t avx2 = 1u << 5, avx512 = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31); /* leaf 7, ebx */
  constexpr uint64_t ymm_state = 0x6, zmm_state = 0xe6;                                          /* XCR0 */
  CpuFeatures features = {false, false};
  if (!has(cpuid(1).c, fma | osxsave | avx)) return features;
  const uint64_t state = enabled_state(), leaf7 = cpuid(7).b;
  features.avx2 = has(leaf7, avx2) && has(state, ymm_state);
  features.avx512 = features.avx2 && has(leaf7, avx512) && has(state, zmm_state);
  return features;
}

#else

CpuFeatures detect_features() { return {false, false}; }

#endif

}  // namespace convkit
