// How many fused multiply-adds a core can do: what "per cent of the peak" means to `convkit bench` and to bench/.
//
// The multiply-adds run in chains that do not wait for each other: a core finishes one in about four cycles and starts
// up to four in a cycle, so that sixteen chains keep it busy (twelve where there are only sixteen registers, the
// operands included).
//
// Include it in one file, compiled with -ffp-contract=fast: a product and a sum are to become one instruction.
#ifndef CONVKIT_ADDON_FMA_PEAK_H
#define CONVKIT_ADDON_FMA_PEAK_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace convkit {
namespace peak {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Does `steps` steps on every chain and returns a value that depends on all of them, so that none can be left out.
template <typename Scalar>
using Chains = Scalar (*)(std::int64_t steps, Scalar factor, Scalar addend);

#if defined(_MSC_VER) && !defined(__clang__)
// Without vectors in the language: what the compiler makes of the same loop.
template <typename Scalar>
Scalar base(std::int64_t steps, Scalar factor, Scalar addend) {
  Scalar chain[12 * 16 / sizeof(Scalar)] = {};
  for (std::int64_t step = 0; step < steps; step++) {
    for (Scalar& one : chain) one = one * factor + addend;
  }
  Scalar total = 0;
  for (const Scalar one : chain) total += one;
  return total;
}
#else
// A macro rather than a template: the vector type must be lowered inside the function that carries the target
// attribute.
#define CONVKIT_DEFINE_CHAINS(NAME, TARGET, SCALAR, BYTES, CHAINS)                             \
  TARGET inline SCALAR NAME(std::int64_t steps, SCALAR factor, SCALAR addend) {                \
    typedef SCALAR Vector __attribute__((vector_size(BYTES)));                                 \
    const Vector factors = Vector{} + factor;                                                  \
    const Vector addends = Vector{} + addend;                                                  \
    Vector chain[CHAINS];                                                                      \
    CONVKIT_UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = addends * SCALAR(i);            \
    for (std::int64_t step = 0; step < steps; step++) {                                        \
      CONVKIT_UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * factors + addends; \
    }                                                                                          \
    Vector sum = {};                                                                           \
    CONVKIT_UNROLL for (int i = 0; i < CHAINS; i++) sum += chain[i];                           \
    SCALAR total = 0;                                                                          \
    for (unsigned i = 0; i < BYTES / sizeof(SCALAR); i++) total += sum[i];                     \
    return total;                                                                              \
  }

#if defined(__clang__)
#define CONVKIT_UNROLL _Pragma("unroll")
#else
#define CONVKIT_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__x86_64__)
// Some releases of Clang count registers of 512 bits as a feature of their own, which Zig names as absent.
#if defined(__clang__) && __clang_major__ >= 18 && __clang_major__ <= 21
#define CONVKIT_TARGET_AVX512 __attribute__((target("avx512f,evex512,fma")))
#else
#define CONVKIT_TARGET_AVX512 __attribute__((target("avx512f,fma")))
#endif
#define CONVKIT_TARGET_AVX2 __attribute__((target("avx2,fma")))
CONVKIT_DEFINE_CHAINS(avx512, CONVKIT_TARGET_AVX512, float, 64, 16)
CONVKIT_DEFINE_CHAINS(avx512, CONVKIT_TARGET_AVX512, double, 64, 16)
CONVKIT_DEFINE_CHAINS(avx2, CONVKIT_TARGET_AVX2, float, 32, 12)
CONVKIT_DEFINE_CHAINS(avx2, CONVKIT_TARGET_AVX2, double, 32, 12)
#endif
// The compiler's own target: NEON on arm64 (which has fused multiply-adds), SSE2 on x86-64 (a multiplication and an
// addition).
CONVKIT_DEFINE_CHAINS(base, , float, 16, 12)
CONVKIT_DEFINE_CHAINS(base, , double, 16, 12)
#endif

template <typename Scalar>
struct InstructionSet {
  const char* name;  // as in convkit's info().isas
  int bytes, chains;
  Chains<Scalar> run;
};

// Best first; whether the CPU runs one is for the caller to know.
template <typename Scalar>
std::vector<InstructionSet<Scalar>> instruction_sets() {
  return {
#if defined(CONVKIT_TARGET_AVX512)
    {"avx512", 64, 16, avx512}, {"avx2", 32, 12, avx2},
#elif defined(__aarch64__)
    {"neon", 16, 12, base},
#endif
        {"portable", 16, 12, base},
  };
}

// GFLOP/s of this thread, the best of some bursts of about a millisecond: whatever else runs can only make it less.
// A multiply-add counts twice.
template <typename Scalar>
double multiply_adds(const InstructionSet<Scalar>& set) {
  constexpr std::int64_t kSteps = 100000;
  const double flops = 2.0 * kSteps * set.chains * set.bytes / static_cast<double>(sizeof(Scalar));
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    const volatile Scalar result = set.run(kSteps, Scalar(0.999), Scalar(0.001));
    static_cast<void>(result);
    best = std::max(best, flops / seconds_since(start) / 1e9);
  } while (seconds_since(begin) < 0.015);
  return best;
}

}  // namespace peak
}  // namespace convkit
#endif
