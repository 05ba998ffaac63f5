// What the addon asks of the operating system beside the C++ library: threads whose stack has a known size (std::thread
// takes none), and to stay loaded.
#ifndef CONVKIT_ADDON_PLATFORM_H
#define CONVKIT_ADDON_PLATFORM_H

#ifdef _WIN32
#include <stdint.h>
#else
#include <pthread.h>
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

// Node closes the library when the last worker that loaded it ends. Pool threads have been joined by then; this keeps
// the code of their last instructions in place all the same, and the pool for the next worker.
void stay_loaded();

}  // namespace convkit
#endif
