// The one thread pool of the process, shared by every Node environment (main thread and workers).
//
//   tasks     (asynchronous calls)  ->  | first come, first served | -> one pool thread each
//   regions   (parallel_for)        ->  the caller works itself; idle pool threads come to help
//
// Tasks go before helping: a helper looks up between two indices and leaves when a task is waiting, so one large
// call never holds back the small ones behind it while there is more than one thread. Threads start when they are first
// needed, sleep on a condition variable otherwise, and are joined when the last environment detaches.
#ifndef CONVKIT_ADDON_POOL_H
#define CONVKIT_ADDON_POOL_H

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "platform.h"

namespace convkit {

constexpr int32_t kMaxThreads = 1024;

class Task {
 public:
  virtual ~Task() = default;
  virtual void run() = 0;  // on a pool thread; throws nothing

 private:
  friend class Pool;
  Task* behind_ = nullptr;  // in the queue: linked, so that enqueueing needs no memory
};

class Pool {
 public:
  using Body = void (*)(void* arg, int64_t index, int32_t slot);

  // Never destroyed: at process exit a thread may still be asleep in it.
  static Pool& instance();

  void attach();  // one more environment
  void detach();  // the last one joins all threads; it must have no tasks left

  int32_t threads() const { return target_.load(std::memory_order_relaxed); }
  void set_threads(int32_t threads);      // 1 .. kMaxThreads; takes effect as threads become idle
  void default_threads(int32_t threads);  // as set_threads, unless the size has been set before

  bool submit(Task* task);    // false: not one thread could be started
  bool withdraw(Task* task);  // true: it was still queued, and will not run

  // Runs body(arg, 0 .. count - 1, slot) with slot < slots, the calling thread among them with slot 0.
  void parallel_for(int32_t slots, int64_t count, Body body, void* arg);

 private:
  struct Region;

  static ThreadResult thread_main(void* pool);
  void thread_loop();
  void start_threads(size_t wanted_idle);
  bool start_one();
  void reap();
  Task* take_task(Task** link);
  Region* region_wanting_help();
  void help(Region* region, std::unique_lock<std::mutex>* lock);

  std::mutex lifecycle_;  // attach and detach, joins included; taken before mutex_
  int environments_ = 0;

  std::mutex mutex_;  // everything below
  std::condition_variable wake_;
  Task* first_task_ = nullptr;
  Task** last_link_ = &first_task_;
  std::atomic<size_t> queued_{0};
  Region* regions_ = nullptr;
  std::vector<Thread> running_, retired_;
  size_t idle_ = 0;
  bool stopping_ = false, sized_ = false;
  std::atomic<int32_t> target_{1};
};

}  // namespace convkit
#endif
