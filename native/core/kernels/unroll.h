/* CONVKIT_UNROLL before a loop of constant length: the accumulators of a tile must become registers,
 * which takes complete unrolling. CONVKIT_INLINE for the same reason: they must not pass through memory. */
#ifndef CONVKIT_UNROLL_H
#define CONVKIT_UNROLL_H

#if defined(_MSC_VER) && !defined(__clang__)
#define CONVKIT_INLINE __forceinline
#else
#define CONVKIT_INLINE inline __attribute__((always_inline))
#endif

#if defined(__clang__)
#define CONVKIT_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define CONVKIT_UNROLL _Pragma("GCC unroll 16")
#else
#define CONVKIT_UNROLL
#endif

#endif
