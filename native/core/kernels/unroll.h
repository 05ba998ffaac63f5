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

/* x is ready before anything is read that follows. Nothing at run time, but Clang, which is short of registers as it
 * is, would read a whole column before it multiplies, and make one of what two branches do to x. */
#if defined(__clang__) && defined(__x86_64__)
#define CONVKIT_HOLD(x) __asm__ volatile("" : "+v"(x)::"memory")
#elif defined(__clang__) && defined(__aarch64__)
#define CONVKIT_HOLD(x) __asm__ volatile("" : "+w"(x)::"memory")
#else
#define CONVKIT_HOLD(x) static_cast<void>(0)
#endif

/* x has been loaded into a register; else GCC loads it again for each use, as a memory operand. */
#if defined(__GNUC__) && defined(__x86_64__)
#define CONVKIT_LOADED(x) __asm__("" : "+v"(x))
#elif defined(__GNUC__) && defined(__aarch64__)
#define CONVKIT_LOADED(x) __asm__("" : "+w"(x))
#else
#define CONVKIT_LOADED(x) static_cast<void>(0)
#endif

/* A pointer that moves along by steps: else Clang keeps a product of the step for each place. */
#if defined(__GNUC__)
#define CONVKIT_STEPS(pointer) __asm__("" : "+r"(pointer))
#else
#define CONVKIT_STEPS(pointer) static_cast<void>(0)
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

/* Around functions that are compiled for size in the published binaries, see kernels.inl.h. */
#if defined(CONVKIT_SMALL) && defined(__clang__)
#define CONVKIT_SMALL_BEGIN _Pragma("clang attribute push(__attribute__((minsize)), apply_to = function)")
#define CONVKIT_SMALL_END _Pragma("clang attribute pop")
#else
#define CONVKIT_SMALL_BEGIN
#define CONVKIT_SMALL_END
#endif

#endif
