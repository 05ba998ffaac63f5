/* The floating-point environment of a thread: rounding to nearest, denormals kept, no traps, while a FloatEnvironment
 * lives; afterwards exactly what it was (on x86 flags included, which share a register with it).
 *
 * A library of somebody else's that was linked with -ffast-math may have switched denormals off in the calling
 * thread, and threads inherit that from the one that starts them. Results would then depend on who computes. */
#ifndef CONVKIT_CPU_FLOAT_ENVIRONMENT_H
#define CONVKIT_CPU_FLOAT_ENVIRONMENT_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64) || defined(__SSE2__)
#include <xmmintrin.h>
#define CONVKIT_MXCSR 1
#elif defined(__aarch64__) && !defined(_MSC_VER)
#define CONVKIT_FPCR 1
#endif

namespace convkit {

class FloatEnvironment {
 public:
  FloatEnvironment() : before_(get()) {
    if ((before_ & ~kFlags) != kDefault) set(kDefault);
  }
  ~FloatEnvironment() {
    if (get() != before_) set(before_);
  }
  FloatEnvironment(const FloatEnvironment &) = delete;
  FloatEnvironment &operator=(const FloatEnvironment &) = delete;

 private:
#if defined(CONVKIT_MXCSR)
  using State = uint32_t;
  static constexpr State kDefault = 0x1f80, kFlags = 0x3f; /* all exceptions masked; which were raised */
  static State get() { return _mm_getcsr(); }
  static void set(State state) { _mm_setcsr(state); }
#elif defined(CONVKIT_FPCR)
  using State = uint64_t;
  static constexpr State kDefault = 0, kFlags = 0;
  static State get() {
    State state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return state;
  }
  static void set(State state) { __asm__ volatile("msr fpcr, %0" : : "r"(state) : "memory"); }
#else /* WebAssembly has no such thing */
  using State = uint32_t;
  static constexpr State kDefault = 0, kFlags = 0;
  static State get() { return kDefault; }
  static void set(State /*state*/) {}
#endif
  State before_;
};

}  // namespace convkit
#endif
