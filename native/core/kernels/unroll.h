/* CONVKIT_UNROLL before a loop of constant length: the accumulators of a tile must become registers,
 * which takes complete unrolling. */
#ifndef CONVKIT_UNROLL_H
#define CONVKIT_UNROLL_H

#if defined(__clang__)
#define CONVKIT_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define CONVKIT_UNROLL _Pragma("GCC unroll 16")
#else
#define CONVKIT_UNROLL
#endif

#endif
