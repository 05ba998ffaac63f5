// The one thread pool of the process, shared by every Node environment (main thread and workers).
//
//   tasks     (asynchronous calls)  ->  | first come, first served | -> one pool thread each
//                                       |    quick ones, if no thread is idle     -> the express thread
//   regions   (parallel_for)        ->  the caller works itself; idle pool threads come to help
//
// Tasks go before helping: a helper looks up between two indices and leaves when a task is waiting. One more thread
// than asked for, the express thread, takes nothing but quick tasks, and only while all others are busy: so small calls
// wait neither for one large call nor for as many as there are threads, and the large ones keep their order. Threads
// start when they are first needed, sleep otherwise, and are joined when the last environment detaches. Who has helped
// looks out for more for kLookout before it falls asleep, and who waits for helpers does so as long: a network calls
// one layer after the other, and it takes long to wake up.
#ifndef CONVKIT_ADDON_POOL_H
#define CONVKIT_ADDON_POOL_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutex.h"
#include "platform.h"
#include "task_queue.h"

namespace convkit {

constexpr int32_t kMaxThreads = 1024;

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
  struct Resting;

  template <void (Pool::*loop)()>
  static ThreadResult thread_main(void* pool);
  void thread_loop();
  void express_loop();
  void start_threads(size_t wanted_idle);
  bool start_thread(ThreadMain main, Thread* thread);
  void reap();
  bool express_wanted() const { return !quick_.empty() && idle_ == 0; }
  void call_express();
  void run_first(TaskQueue* queue, OpenLock* lock);
  void rest(bool look_out, OpenLock* lock);
  void call_one(bool elsewhere);
  void call_all();
  Region* region_wanting_help();
  void help(Region* region, OpenLock* lock);

  Mutex lifecycle_;  // attach and detach, joins included; taken before mutex_
  int environments_ = 0;

  Mutex mutex_;  // everything below
  Condition wake_express_;
  TaskQueue quick_, long_;
  uint64_t arrivals_ = 0;
  std::atomic<size_t> queued_{0};  // in both
  Region* regions_ = nullptr;
  std::vector<Thread> running_, retired_;
  Thread express_ = {};
  bool has_express_ = false;
  size_t idle_ = 0;             // those who rest and those just called
  Resting* resting_ = nullptr;  // the last to come is the first to be called
  bool stopping_ = false, sized_ = false;
  std::atomic<int32_t> target_{1};
};

}  // namespace convkit
#endif
