/* CONVKIT_UNROLL before a loop of constant length: the accumulators of a tile must become registers,
 * which takes complete unrolling. CONVKIT_INLINE for the same reason: they must not pass through memory. */
#ifndef CONVKIT_UNROLL_H
#define CONVKIT_UNROLL_H

#if defined(_MSC_VER) && !defined(__clang__)
#define CONVKIT_INLINE __forceinline
#define CONVKIT_NO_INLINE __declspec(noinline)
#else
#define CONVKIT_INLINE inline __attribute__((always_inline))
#define CONVKIT_NO_INLINE __attribute__((noinline))
#endif

#if defined(__clang__)
#define CONVKIT_UNROLL _Pragma("clang loop unroll(full)")
#define CONVKIT_VECTORIZE _Pragma("clang loop vectorize(enable)")
#elif defined(__GNUC__)
#define CONVKIT_UNROLL _Pragma("GCC unroll 16")
#define CONVKIT_VECTORIZE _Pragma("GCC ivdep")
#else
#define CONVKIT_UNROLL
#define CONVKIT_VECTORIZE
#endif

#endif
