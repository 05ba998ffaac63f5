// What the addon asks of the operating system and processor beside the C++ library and mutex.h: threads whose stack has
// a known size (std::thread takes none), to stay loaded, and to idle for an instant.
#ifndef CONVKIT_ADDON_PLATFORM_H
#define CONVKIT_ADDON_PLATFORM_H

#ifdef _WIN32
#include <stdint.h>
#else
#include <pthread.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace convkit {

#ifdef _WIN32
using Thread = uintptr_t;       // a HANDLE
using ThreadResult = unsigned;  // of no meaning
#else
using Thread = pthread_t;
using ThreadResult = void*;
#endif
using ThreadMain = ThreadResult (*)(void*);

// All signals are blocked in the thread. False: none could be started. To be joined.
bool start_thread(ThreadMain main, void* argument, Thread* thread);
void join_thread(Thread thread);
bool is_this_thread(Thread thread);
Thread this_thread();

// Has a sleeping thread wake up on another processor than that of the caller, who goes on working there. Linux puts the
// woken there itself where it takes the other processors for busy, which it does with those of a virtual machine that
// have been halted; one of the two then waits for the other's time slice to end, ten milliseconds, beside an idle
// processor. Does nothing on other systems, and where the thread may run nowhere else.
class AnotherProcessor {
 public:
  void ask_for(Thread sleeping);
  void let_go();  // by that thread, once it is awake: it may move again

 private:
#ifdef __linux__
  cpu_set_t before_;
  bool asked_ = false;
#endif
};

// For some ten nanoseconds in a loop that looks at memory: the processor does not fill its queues with such looks.
inline void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

// Node closes the library when the last worker that loaded it ends. Pool threads have been joined by then; this keeps
// the code of their last instructions in place all the same, and the pool for the next worker.
void stay_loaded();

}  // namespace convkit
#endif
