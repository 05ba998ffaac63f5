#include "pool.h"

#include <algorithm>

namespace convkit {

// One parallel_for under way. It lives on its caller's stack: the caller unlinks it and waits for the
// last helper before it returns.
struct Pool::Region {
  Region(int32_t region_slots, int64_t region_count, Body region_body, void* region_arg)
      : slots(region_slots), count(region_count), body(region_body), arg(region_arg) {
    taken[0] = 1;  // the caller's
  }

  const int32_t slots;
  const int64_t count;
  const Body body;
  void* const arg;
  std::atomic<int64_t> next{0};
  int32_t helpers = 0;
  uint64_t taken[kMaxThreads / 64] = {};  // one bit a slot, so that a helper who left can be replaced
  std::condition_variable left;
  Region* link = nullptr;

  bool wants_help() const { return helpers + 1 < slots && next.load(std::memory_order_relaxed) < count; }

  int32_t take_slot() {
    for (size_t word = 0;; word++) {
      for (int32_t bit = 0; bit < 64; bit++) {
        const uint64_t mask = uint64_t{1} << bit;
        if ((taken[word] & mask) == 0) {
          taken[word] |= mask;
          return static_cast<int32_t>(word) * 64 + bit;
        }
      }
    }
  }
  void give_slot(int32_t slot) { taken[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }
};

Pool& Pool::instance() {
  static Pool* pool = new Pool;
  return *pool;
}

void Pool::attach() {
  const std::lock_guard<std::mutex> lifecycle(lifecycle_);
  if (environments_ == 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    running_.reserve(kMaxThreads);  // nothing may throw where threads start and retire
    retired_.reserve(kMaxThreads);
  }
  environments_++;
}

void Pool::detach() {
  const std::lock_guard<std::mutex> lifecycle(lifecycle_);
  if (--environments_ > 0) return;
  std::vector<Thread> running, retired;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
    wake_express_.notify_all();
    running.swap(running_);
    retired.swap(retired_);
    if (has_express_) retired.push_back(express_);
    has_express_ = false;
  }
  for (const Thread thread : running) join_thread(thread);
  for (const Thread thread : retired) join_thread(thread);
  const std::lock_guard<std::mutex> lock(mutex_);
  stopping_ = false;
}

void Pool::set_threads(int32_t threads) {
  const std::lock_guard<std::mutex> lock(mutex_);
  target_ = threads;
  sized_ = true;
  wake_.notify_all();  // those too many leave
}

void Pool::default_threads(int32_t threads) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sized_) return;
  target_ = threads;
  sized_ = true;
}

bool Pool::submit(Task* task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  start_threads(queued_ + 1);
  if (running_.empty()) return false;
  (task->quick() ? quick_ : long_).append(task, arrivals_++);
  queued_++;
  wake_.notify_one();
  call_express();
  return true;
}

bool Pool::withdraw(Task* task) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool removed = (task->quick() ? quick_ : long_).remove(task);
  if (removed) queued_--;
  return removed;
}

void Pool::parallel_for(int32_t slots, int64_t count, Body body, void* arg) {
  if (slots <= 1 || count <= 1) {
    for (int64_t index = 0; index < count; index++) body(arg, index, 0);
    return;
  }
  Region region(slots, count, body, arg);
  std::unique_lock<std::mutex> lock(mutex_);
  region.link = regions_;
  regions_ = &region;
  const size_t wanted = static_cast<size_t>(std::min<int64_t>(slots, count)) - 1;
  start_threads(wanted);
  for (size_t i = 0; i < std::min(wanted, idle_); i++) wake_.notify_one();
  lock.unlock();

  for (int64_t index; (index = region.next.fetch_add(1, std::memory_order_relaxed)) < count;) body(arg, index, 0);

  lock.lock();
  Region** place = &regions_;
  while (*place != &region) place = &(*place)->link;
  *place = region.link;
  region.left.wait(lock, [&] { return region.helpers == 0; });
}

// The functions below are called with mutex_ held.

void Pool::start_threads(size_t wanted_idle) {
  const size_t target = static_cast<size_t>(threads());
  for (size_t idle = idle_; idle < wanted_idle && running_.size() < target; idle++) {
    Thread thread;
    if (!start_thread(thread_main<&Pool::thread_loop>, &thread)) return;
    running_.push_back(thread);
  }
}

// Without it (no thread can be had), quick tasks wait like all others.
void Pool::call_express() {
  if (!express_wanted()) return;
  if (!has_express_) has_express_ = start_thread(thread_main<&Pool::express_loop>, &express_);
  wake_express_.notify_one();
}

bool Pool::start_thread(ThreadMain main, Thread* thread) {
  reap();
  return convkit::start_thread(main, this, thread);
}

void Pool::run_first(TaskQueue* queue, std::unique_lock<std::mutex>* lock) {
  Task* const task = queue->take_first();
  queued_--;
  call_express();  // this thread may have been the last idle one
  lock->unlock();
  task->run();
  lock->lock();
}

// Those in retired_ have let go of mutex_ for good and are about to end.
void Pool::reap() {
  for (const Thread thread : retired_) join_thread(thread);
  retired_.clear();
}

Pool::Region* Pool::region_wanting_help() {
  Region* region = regions_;
  while (region != nullptr && !region->wants_help()) region = region->link;
  return region;
}

void Pool::help(Region* region, std::unique_lock<std::mutex>* lock) {
  const int32_t slot = region->take_slot();
  region->helpers++;
  lock->unlock();
  for (int64_t index; (index = region->next.fetch_add(1, std::memory_order_relaxed)) < region->count;) {
    region->body(region->arg, index, slot);
    if (queued_.load(std::memory_order_relaxed) > 0) break;
  }
  lock->lock();
  region->give_slot(slot);
  if (--region->helpers == 0) region->left.notify_one();
}

template <void (Pool::*loop)()>
ThreadResult Pool::thread_main(void* pool) {
  (static_cast<Pool*>(pool)->*loop)();
  return ThreadResult{};
}

void Pool::express_loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (express_wanted()) {
      run_first(&quick_, &lock);
    } else {
      wake_express_.wait(lock);
    }
  }
}

void Pool::thread_loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (running_.size() > static_cast<size_t>(threads())) {
      const auto self = std::find_if(running_.begin(), running_.end(), is_this_thread);
      retired_.push_back(*self);
      running_.erase(self);
      return;
    }
    if (queued_ > 0) {
      run_first(quick_.before(long_) ? &quick_ : &long_, &lock);
    } else if (Region* region = region_wanting_help()) {
      help(region, &lock);
    } else {
      idle_++;
      wake_.wait(lock);
      idle_--;
    }
  }
}

}  // namespace convkit
