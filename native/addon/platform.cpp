#include "platform.h"

#include <stddef.h>

#ifdef _WIN32
#include <process.h>
#include <windows.h>
#else
#include <dlfcn.h>

#include <csignal>
#endif

namespace convkit {

namespace {
// Explicit, because musl's default of 128 KiB is too little and glibc's depends on ulimit. The core takes its scratch
// from the runtime, not from the stack.
constexpr size_t kStackBytes = size_t{1} << 20;
}  // namespace

#ifdef _WIN32

// On 64-bit Windows there is one calling convention, so that ThreadMain is what _beginthreadex takes.
bool start_thread(ThreadMain main, void* argument, Thread* thread) {
  *thread = _beginthreadex(nullptr, static_cast<unsigned>(kStackBytes), main, argument,
                           STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr);
  return *thread != 0;
}

void join_thread(Thread thread) {
  const HANDLE handle = reinterpret_cast<HANDLE>(thread);
  WaitForSingleObject(handle, INFINITE);
  CloseHandle(handle);
}

bool is_this_thread(Thread thread) { return GetThreadId(reinterpret_cast<HANDLE>(thread)) == GetCurrentThreadId(); }

Thread this_thread() { return reinterpret_cast<Thread>(GetCurrentThread()); }

void stay_loaded() {
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     reinterpret_cast<LPCWSTR>(&stay_loaded), &self);
}

#else

bool start_thread(ThreadMain main, void* argument, Thread* thread) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals are the host's business: a new thread inherits the mask of this one.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(thread, &attributes, main, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return started;
}

void join_thread(Thread thread) { pthread_join(thread, nullptr); }

bool is_this_thread(Thread thread) { return pthread_equal(thread, pthread_self()) != 0; }

Thread this_thread() { return pthread_self(); }

void stay_loaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

#endif

#ifdef __linux__

void AnotherProcessor::ask_for(Thread sleeping) {
  const int here = sched_getcpu();
  if (here < 0 || pthread_getaffinity_np(sleeping, sizeof(before_), &before_) != 0) return;
  cpu_set_t others = before_;
  if (here < CPU_SETSIZE) CPU_CLR(static_cast<size_t>(here), &others);
  if (CPU_COUNT(&others) == 0) return;
  asked_ = pthread_setaffinity_np(sleeping, sizeof(others), &others) == 0;
}

void AnotherProcessor::let_go() {
  if (asked_) pthread_setaffinity_np(pthread_self(), sizeof(before_), &before_);
  asked_ = false;
}

#else

void AnotherProcessor::ask_for(Thread) {}
void AnotherProcessor::let_go() {}

#endif

}  // namespace convkit
