#include "jobs.h"

#include <algorithm>
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
  const double id = (*job)->id();
  const auto [place, inserted] = pending_.try_emplace(id);
  if (!inserted) return false;
  (*job)->owner_ = this;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    under_way_++;
  }
  if (!Pool::instance().submit(job->get())) {
    pending_.erase(place);
    const std::lock_guard<std::mutex> lock(mutex_);
    under_way_--;
    return false;
  }
  place->second = std::move(*job);
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
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool first = finished_ == nullptr;
  job->next_finished_ = finished_;
  finished_ = job;
  under_way_--;
  if (first) notify_(context_);
  settled_.notify_all();
}

std::vector<std::unique_ptr<Job>> Jobs::take_finished() {
  Job* newest;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    newest = std::exchange(finished_, nullptr);
  }
  std::vector<std::unique_ptr<Job>> taken;
  for (; newest != nullptr; newest = newest->next_finished_) {
    const auto found = pending_.find(newest->id());
    taken.push_back(std::move(found->second));
    pending_.erase(found);
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

std::vector<std::unique_ptr<Job>> Jobs::shut_down() {
  for (const auto& [id, job] : pending_) cancel(job.get());
  {
    std::unique_lock<std::mutex> lock(mutex_);
    settled_.wait(lock, [&] { return under_way_ == 0; });
  }
  return take_finished();
}

}  // namespace convkit
