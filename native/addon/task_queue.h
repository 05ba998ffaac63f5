// What waits for a thread of the pool: a list that is linked through its tasks, so that neither enqueueing nor taking a
// task out of the middle (an abort) needs memory or a search.
#ifndef CONVKIT_ADDON_TASK_QUEUE_H
#define CONVKIT_ADDON_TASK_QUEUE_H

#include <cstdint>

namespace convkit {

class Task {
 public:
  // quick: some milliseconds at most. Such a task never waits for one that is not.
  explicit Task(bool quick) : quick_(quick) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;
  virtual void run() = 0;  // on a pool thread; throws nothing
  bool quick() const { return quick_; }

 private:
  friend class TaskQueue;
  const bool quick_;
  bool queued_ = false;
  uint64_t number_ = 0;  // in the order of arrival, over all queues
  Task *before_ = nullptr, *behind_ = nullptr;
};

// First come, first served. The pool's mutex guards it.
class TaskQueue {
 public:
  bool empty() const { return first_ == nullptr; }

  void append(Task* task, uint64_t number) {
    task->number_ = number;
    task->queued_ = true;
    task->before_ = last_;
    task->behind_ = nullptr;
    (last_ == nullptr ? first_ : last_->behind_) = task;
    last_ = task;
  }

  // False when it is not, or no longer, in a queue.
  bool remove(Task* task) {
    if (!task->queued_) return false;
    task->queued_ = false;
    (task->before_ == nullptr ? first_ : task->before_->behind_) = task->behind_;
    (task->behind_ == nullptr ? last_ : task->behind_->before_) = task->before_;
    return true;
  }

  // Null when empty.
  Task* take_first() {
    Task* const task = first_;
    if (task != nullptr) remove(task);
    return task;
  }

  // Whether the first task of this queue came before that of the other.
  bool before(const TaskQueue& other) const {
    return first_ != nullptr && (other.first_ == nullptr || first_->number_ < other.first_->number_);
  }

 private:
  Task *first_ = nullptr, *last_ = nullptr;
};

}  // namespace convkit
#endif
