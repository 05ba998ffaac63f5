#include "pool.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace convkit {

namespace {

// Longer than what lies between two calls of a network, shorter than anybody notices: about what it costs to fall
// asleep and be woken twice.
constexpr std::chrono::microseconds kLookout(100);

// Whether the condition comes true within kLookout. Where processors are scarce, yielding leaves this one to others.
template <typename Predicate>
bool look_out_for(Predicate holds) {
  const auto end = std::chrono::steady_clock::now() + kLookout;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    for (int i = 0; i < 16; i++) relax();
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

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
  std::atomic<int32_t> helpers{0};        // changes under the pool's lock
  uint64_t taken[kMaxThreads / 64] = {};  // one bit a slot, so that a helper who left can be replaced
  Condition left;
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

// A thread with nothing to do, on its own stack.
struct Pool::Resting {
  const Thread thread = this_thread();
  std::atomic<bool> called{false};  // changes under the pool's lock
  bool asleep = false;
  Condition wake;
  AnotherProcessor processor;
  Resting* link = nullptr;
};

Pool& Pool::instance() {
  static Pool* pool = new Pool;
  return *pool;
}

void Pool::attach() {
  const Lock lifecycle(lifecycle_);
  if (environments_ == 0) {
    const Lock lock(mutex_);
    running_.reserve(kMaxThreads);  // nothing may throw where threads start and retire
    retired_.reserve(kMaxThreads);
  }
  environments_++;
}

void Pool::detach() {
  const Lock lifecycle(lifecycle_);
  if (--environments_ > 0) return;
  std::vector<Thread> running, retired;
  {
    const Lock lock(mutex_);
    stopping_ = true;
    call_all();
    wake_express_.notify_all();
    running.swap(running_);
    retired.swap(retired_);
    if (has_express_) retired.push_back(express_);
    has_express_ = false;
  }
  for (const Thread thread : running) join_thread(thread);
  for (const Thread thread : retired) join_thread(thread);
  const Lock lock(mutex_);
  stopping_ = false;
}

void Pool::set_threads(int32_t threads) {
  const Lock lock(mutex_);
  target_ = threads;
  sized_ = true;
  call_all();  // those too many leave
}

void Pool::default_threads(int32_t threads) {
  const Lock lock(mutex_);
  if (sized_) return;
  target_ = threads;
  sized_ = true;
}

bool Pool::submit(Task* task) {
  const Lock lock(mutex_);
  start_threads(queued_ + 1);
  if (running_.empty()) return false;
  (task->quick() ? quick_ : long_).append(task, arrivals_++);
  queued_++;
  call_one(false);
  call_express();
  return true;
}

bool Pool::withdraw(Task* task) {
  const Lock lock(mutex_);
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
  OpenLock lock(mutex_);
  region.link = regions_;
  regions_ = &region;
  const size_t wanted = static_cast<size_t>(std::min<int64_t>(slots, count)) - 1;
  start_threads(wanted);
  for (size_t i = 0; i < wanted; i++) call_one(true);
  lock.unlock();

  for (int64_t index; (index = region.next.fetch_add(1, std::memory_order_relaxed)) < count;) body(arg, index, 0);

  lock.lock();
  Region** place = &regions_;
  while (*place != &region) place = &(*place)->link;
  *place = region.link;
  if (region.helpers == 0) return;
  lock.unlock();
  look_out_for([&] { return region.helpers.load(std::memory_order_relaxed) == 0; });
  lock.lock();  // the last helper may still hold it
  region.left.wait(&lock, [&] { return region.helpers == 0; });
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

void Pool::run_first(TaskQueue* queue, OpenLock* lock) {
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

void Pool::help(Region* region, OpenLock* lock) {
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

// On another processor than this one, if it has to be woken and the caller goes on working.
void Pool::call_one(bool elsewhere) {
  Resting* const one = resting_;
  if (one == nullptr) return;
  resting_ = one->link;
  one->called = true;
  if (!one->asleep) return;
  if (elsewhere) one->processor.ask_for(one->thread);
  one->wake.notify_one();
}

void Pool::call_all() {
  while (resting_ != nullptr) call_one(false);
}

// Until it is called.
void Pool::rest(bool look_out, OpenLock* lock) {
  Resting self;
  self.link = resting_;
  resting_ = &self;
  idle_++;
  if (look_out) {
    lock->unlock();
    look_out_for([&] { return self.called.load(std::memory_order_relaxed); });
    lock->lock();
  }
  if (!self.called) {
    self.asleep = true;
    self.wake.wait(lock, [&] { return self.called.load(std::memory_order_relaxed); });
    self.processor.let_go();
  }
  idle_--;
}

template <void (Pool::*loop)()>
ThreadResult Pool::thread_main(void* pool) {
  (static_cast<Pool*>(pool)->*loop)();
  return ThreadResult{};
}

void Pool::express_loop() {
  OpenLock lock(mutex_);
  while (!stopping_) {
    if (express_wanted()) {
      run_first(&quick_, &lock);
    } else {
      wake_express_.wait(&lock);
    }
  }
}

void Pool::thread_loop() {
  OpenLock lock(mutex_);
  bool has_helped = false;
  while (!stopping_) {
    if (running_.size() > static_cast<size_t>(threads())) {
      const auto self = std::find_if(running_.begin(), running_.end(), is_this_thread);
      retired_.push_back(*self);
      running_.erase(self);
      return;
    }
    if (queued_ > 0) {
      run_first(quick_.before(long_) ? &quick_ : &long_, &lock);
      has_helped = false;
    } else if (Region* region = region_wanting_help()) {
      help(region, &lock);
      has_helped = true;
    } else {
      rest(has_helped, &lock);
      has_helped = false;
    }
  }
}

}  // namespace convkit
