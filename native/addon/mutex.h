// The system's own mutex and condition variable. Those of C++ behave the same, but libc++'s bring futures, the texts of
// all errors and the whole of std::string into the binary, for exceptions that end the process anyway. Used with
// std::lock_guard and std::unique_lock.
#ifndef CONVKIT_ADDON_MUTEX_H
#define CONVKIT_ADDON_MUTEX_H

#include <stdint.h>

#include <mutex>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace convkit {

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock();
  void unlock();

 private:
  friend class Condition;
#ifdef _WIN32
  void* system_ = nullptr;  // an SRWLOCK
#else
  pthread_mutex_t system_ = PTHREAD_MUTEX_INITIALIZER;
#endif
};

using Lock = std::lock_guard<Mutex>;
using OpenLock = std::unique_lock<Mutex>;  // may be left for a while

class Condition {
 public:
  Condition();
  ~Condition();
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  void notify_one();
  void notify_all();
  // May return before anybody has notified it.
  void wait(OpenLock* lock);
  template <typename Predicate>
  void wait(OpenLock* lock, Predicate holds) {
    while (!holds()) wait(lock);
  }
  void wait_for(OpenLock* lock, int64_t milliseconds);

 private:
#ifdef _WIN32
  void* system_ = nullptr;  // a CONDITION_VARIABLE
#else
  pthread_cond_t system_;
#endif
};

}  // namespace convkit
#endif
