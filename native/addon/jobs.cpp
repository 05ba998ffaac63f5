#include "jobs.h"

#include <new>
#include <utility>

namespace convkit {

void Job::run() {
  try {
    status_ = cancelled_.load(std::memory_order_relaxed) ? CK_CANCELLED : execute(&cancelled_);
  } catch (const std::bad_alloc&) {
    status_ = CK_OUT_OF_MEMORY;
  }
  owner_->finished(this);
}

bool Jobs::submit(std::unique_ptr<Job>* job) {
  std::unique_ptr<Job>* place = nullptr;
  try {
    const auto [found, inserted] = pending_.try_emplace((*job)->id());
    if (!inserted) return false;
    place = &found->second;
  } catch (const std::bad_alloc&) {
    return false;
  }
  (*job)->owner_ = this;
  {
    const Lock lock(mutex_);
    under_way_++;
  }
  if (!Pool::instance().submit(job->get())) {
    pending_.erase((*job)->id());
    const Lock lock(mutex_);
    under_way_--;
    return false;
  }
  *place = std::move(*job);
  return true;
}

void Jobs::cancel(double id) {
  const auto found = pending_.find(id);
  if (found != pending_.end()) cancel(found->second.get());
}

void Jobs::cancel(Job* job) {
  job->cancelled_ = true;
  if (Pool::instance().withdraw(job)) {
    job->status_ = CK_CANCELLED;
    job->drop();
    finished(job);
  }
}

// The lock is held until the very end: shut_down() may be waiting to take everything away.
void Jobs::finished(Job* job) {
  const Lock lock(mutex_);
  const bool first = finished_ == nullptr;
  job->next_finished_ = finished_;
  finished_ = job;
  under_way_--;
  if (first) notify_(context_);
  settled_.notify_all();
}

std::unique_ptr<Job> Jobs::take_finished() {
  if (taken_ == nullptr) {
    Job* newest;
    {
      const Lock lock(mutex_);
      newest = std::exchange(finished_, nullptr);
    }
    while (newest != nullptr) {
      Job* const older = std::exchange(newest->next_finished_, taken_);
      taken_ = std::exchange(newest, older);
    }
  }
  if (taken_ == nullptr) return nullptr;
  const auto found = pending_.find(std::exchange(taken_, taken_->next_finished_)->id());
  std::unique_ptr<Job> job = std::move(found->second);
  pending_.erase(found);
  return job;
}

void Jobs::shut_down() {
  for (const auto& [id, job] : pending_) cancel(job.get());
  OpenLock lock(mutex_);
  settled_.wait(&lock, [&] { return under_way_ == 0; });
}

}  // namespace convkit
