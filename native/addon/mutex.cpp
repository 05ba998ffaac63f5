#include "mutex.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>

#include <exception>
#endif

namespace convkit {

#ifdef _WIN32

namespace {
// Both are a pointer that is null at first.
static_assert(sizeof(SRWLOCK) == sizeof(void*) && sizeof(CONDITION_VARIABLE) == sizeof(void*));
PSRWLOCK lock_of(void** system) { return reinterpret_cast<PSRWLOCK>(system); }
PCONDITION_VARIABLE condition_of(void** system) { return reinterpret_cast<PCONDITION_VARIABLE>(system); }
}  // namespace

void Mutex::lock() { AcquireSRWLockExclusive(lock_of(&system_)); }
void Mutex::unlock() { ReleaseSRWLockExclusive(lock_of(&system_)); }

Condition::Condition() = default;
Condition::~Condition() = default;
void Condition::notify_one() { WakeConditionVariable(condition_of(&system_)); }
void Condition::notify_all() { WakeAllConditionVariable(condition_of(&system_)); }
void Condition::wait(OpenLock* lock) {
  SleepConditionVariableSRW(condition_of(&system_), lock_of(&lock->mutex()->system_), INFINITE, 0);
}
void Condition::wait_for(OpenLock* lock, int64_t milliseconds) {
  SleepConditionVariableSRW(condition_of(&system_), lock_of(&lock->mutex()->system_), static_cast<DWORD>(milliseconds),
                            0);
}

#else

// Neither can fail on a mutex that is used as it should be.
void Mutex::lock() { pthread_mutex_lock(&system_); }
void Mutex::unlock() { pthread_mutex_unlock(&system_); }

// By a clock that nobody sets; on macOS, by the time that is left.
Condition::Condition() {
#ifdef __APPLE__
  pthread_cond_init(&system_, nullptr);
#else
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  if (pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0) std::terminate();  // waits would end at once
  pthread_cond_init(&system_, &attributes);
  pthread_condattr_destroy(&attributes);
#endif
}
Condition::~Condition() { pthread_cond_destroy(&system_); }
void Condition::notify_one() { pthread_cond_signal(&system_); }
void Condition::notify_all() { pthread_cond_broadcast(&system_); }
void Condition::wait(OpenLock* lock) { pthread_cond_wait(&system_, &lock->mutex()->system_); }
void Condition::wait_for(OpenLock* lock, int64_t milliseconds) {
  timespec until = {static_cast<time_t>(milliseconds / 1000), static_cast<long>(milliseconds % 1000 * 1000000)};
#ifdef __APPLE__
  pthread_cond_timedwait_relative_np(&system_, &lock->mutex()->system_, &until);
#else
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  until.tv_sec += now.tv_sec;
  until.tv_nsec += now.tv_nsec;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    ++until.tv_sec;
  }
  pthread_cond_timedwait(&system_, &lock->mutex()->system_, &until);
#endif
}

#endif

}  // namespace convkit
