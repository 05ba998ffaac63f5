// Asynchronous calls of one environment.
//
//   JavaScript thread            pool thread              JavaScript thread
//   submit ------> queue ------> execute ---> finished ---> take_finished (after notify)
//                    |              |
//                  cancel: out    cancel: the flag, which the core asks for between tiles
//
// A job comes with its place in the backlog and keeps it to the end of this line. The queue is the pool's, shared by
// all environments and never one of libuv's. What is here knows nothing of Node.
#ifndef CONVKIT_ADDON_JOBS_H
#define CONVKIT_ADDON_JOBS_H

#include <atomic>
#include <map>
#include <memory>
#include <utility>

#include "../core/convkit.h"
#include "backlog.h"
#include "mutex.h"
#include "pool.h"

namespace convkit {

class Jobs;

class Job : public Task {
 public:
  Job(double id, Backlog::Place place) : Task(place.quick()), id_(id), place_(std::move(place)) {}
  double id() const { return id_; }
  ck_status status() const { return status_; }
  void run() final;

 protected:
  // On a pool thread: computes, and lets go of operands. Touches no JavaScript value.
  virtual ck_status execute(const std::atomic<bool>* cancelled) = 0;
  // On the JavaScript thread, in place of execute(): lets go of operands.
  virtual void drop() = 0;

 private:
  friend class Jobs;
  const double id_;  // chosen by the caller, unique among the pending ones
  const Backlog::Place place_;
  std::atomic<bool> cancelled_{false};
  ck_status status_ = CK_OK;
  Jobs* owner_ = nullptr;
  Job* next_finished_ = nullptr;
};

// All members but finished() belong to the environment's JavaScript thread.
class Jobs {
 public:
  // notify is called on any thread when there is something to take; it must not call back.
  Jobs(void (*notify)(void* context), void* context) : notify_(notify), context_(context) {}

  // False when no thread or no memory can be had, or the id is taken: the job then stays with the caller.
  bool submit(std::unique_ptr<Job>* job);
  void cancel(double id);
  size_t pending() const { return pending_.size(); }

  // One that is finished, in the order of their ends; null when there is none now. Needs no memory.
  std::unique_ptr<Job> take_finished();

  // Cancels everything and waits for what is running: all that was pending is finished. Nothing is submitted
  // afterwards.
  void shut_down();

 private:
  friend class Job;
  void finished(Job* job);
  void cancel(Job* job);

  void (*const notify_)(void* context);
  void* const context_;
  std::map<double, std::unique_ptr<Job>> pending_;  // a hash table would bring a list of primes
  Job* taken_ = nullptr;                            // from finished_, the oldest first

  Mutex mutex_;  // the rest
  Condition settled_;
  size_t under_way_ = 0;     // submitted and not yet finished
  Job* finished_ = nullptr;  // the newest first
};

}  // namespace convkit
#endif
