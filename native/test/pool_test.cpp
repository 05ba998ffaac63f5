/* The addon's thread pool, queue of jobs and backlog, which know nothing of Node, under many environments at once:
 * test_pool. What it CHECKs is counted; most of it is for the sanitizers to see. */
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "../addon/backlog.h"
#include "../addon/jobs.h"
#include "../addon/mutex.h"
#include "../addon/pool.h"
#include "harness.h"
#include "problems.h"

namespace {

using convkit::Backlog;
using convkit::Job;
using convkit::Jobs;
using convkit::Pool;

constexpr int kIndices = 2000;

/* A job that works in parallel on memory of its own, as a call of the core does. */
class Sum : public Job {
 public:
  Sum(double id, Backlog::Place place, int rounds) : Job(id, std::move(place)), rounds_(rounds) {}
  bool complete() const { return !beyond_ && sum_ == int64_t{rounds_} * kIndices * (kIndices - 1) / 2; }

 protected:
  ck_status execute(const std::atomic<bool>* cancelled) override {
    for (int round = 0; round < rounds_; ++round) {
      if (cancelled->load(std::memory_order_relaxed)) return CK_CANCELLED;
      Pool::instance().parallel_for(
          3, kIndices,
          [](void* sum, int64_t index, int32_t slot) {
            auto* const self = static_cast<Sum*>(sum);
            if (slot < 0 || slot >= 3) return self->beyond_.store(true, std::memory_order_relaxed);
            if (index % 16 == 0) std::this_thread::yield();     /* so that others come to help */
            self->partial_[static_cast<size_t>(slot)] += index; /* a race if two had one slot */
            self->done_[static_cast<size_t>(index)]++;
          },
          this);
    }
    for (const int64_t part : partial_) sum_ += part;
    return CK_OK;
  }
  void drop() override { dropped_ = true; }

 private:
  const int rounds_;
  std::atomic<bool> beyond_{false}; /* a slot was; a CHECK would take a lock and so hide races */
  std::array<int64_t, 3> partial_{};
  std::array<int, kIndices> done_{};
  int64_t sum_ = 0;
  bool dropped_ = false;
};

/* One environment from its start to its end, as a worker thread has it: jobs submitted, some cancelled, taken when
 * told. */
void live(uint64_t seed) {
  test::Random random(seed);
  Pool& pool = Pool::instance();
  pool.attach();
  {
    std::atomic<int> told{0};
    Jobs jobs([](void* counter) { ++*static_cast<std::atomic<int>*>(counter); }, &told);
    int64_t submitted = 0, taken = 0, refused = 0;
    const auto take = [&] {
      while (const std::unique_ptr<Job> job = jobs.take_finished()) {
        ++taken;
        const bool whole = job->status() == CK_OK && static_cast<const Sum&>(*job).complete();
        CHECK(whole || job->status() == CK_CANCELLED, "a job that ran was not whole");
      }
    };
    const int64_t calls = random.between(20, 120);
    for (int64_t call = 0; call < calls; ++call) {
      const bool quick = random.chance(70);
      Backlog::Place place = Backlog::instance().take(quick, random.between(0, 3000));
      if (place) {
        std::unique_ptr<Job> job = std::make_unique<Sum>(call, std::move(place), quick ? 1 : 5);
        const bool accepted = jobs.submit(&job);
        CHECK(accepted, "no thread for a job");
        submitted += accepted;
      } else {
        ++refused;
      }
      if (random.chance(30)) jobs.cancel(static_cast<double>(random.between(0, call)));
      if (random.chance(10)) pool.set_threads(static_cast<int32_t>(random.between(1, 4)));
      if (random.chance(40) || told.exchange(0) > 0) take();
      if (random.chance(10)) std::this_thread::sleep_for(std::chrono::microseconds(random.between(0, 300)));
    }
    /* Half of them end in the middle of their work. */
    if (random.chance(50)) {
      while (jobs.pending() > 0) {
        take();
        std::this_thread::yield();
      }
    }
    jobs.shut_down();
    take();
    CHECK(taken == submitted && submitted + refused == calls, "jobs were lost, or came twice");
    CHECK(jobs.pending() == 0, "jobs are pending after the end");
  }
  pool.detach();
}

}  // namespace

TEST(environments) {
  Backlog::instance().set_limits({16, 20000});
  const int rounds = test::options.brief ? 20 : 100;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::thread> environments;
    for (uint64_t i = 0; i < 4; ++i)
      environments.emplace_back(live, test::options.seed * 1000 + static_cast<uint64_t>(round) * 4 + i);
    for (std::thread& environment : environments) environment.join();
    for (const bool quick : {false, true}) {
      const Backlog::Amount left = Backlog::instance().under_way(quick);
      CHECK(left.calls == 0 && left.bytes == 0, "the backlog does not balance");
    }
  }
}

/* A wait that nobody ends takes as long as it was asked to: the longest of some, for one may end for no reason. The
 * second carries into the seconds. */
TEST(timed_waits) {
  for (const int64_t wanted : {20, 1020}) {
    int64_t longest = 0;
    for (int time = 0; time < 3 && longest < wanted; ++time) {
      convkit::Mutex mutex;
      convkit::Condition never;
      convkit::OpenLock lock(mutex);
      const auto begin = std::chrono::steady_clock::now();
      never.wait_for(&lock, wanted);
      const auto waited = std::chrono::steady_clock::now() - begin;
      const int64_t whole = std::chrono::duration_cast<std::chrono::milliseconds>(waited).count() + 1;
      if (whole > longest) longest = whole;
    }
    CHECK(longest >= wanted && longest < wanted + 20000, "a timed wait took another time than it was asked to");
  }
}

/* Calls of several threads at once, of which each helps the others only while nothing of its own is to be done. */
TEST(regions) {
  Pool::instance().attach();
  Pool::instance().set_threads(3);
  std::vector<std::thread> callers;
  callers.reserve(4);
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([] {
      for (int round = 0; round < 500; ++round) {
        std::vector<int> done(64);
        Pool::instance().parallel_for(
            1 + round % 4, 64, [](void* counts, int64_t index, int32_t) { static_cast<int*>(counts)[index]++; },
            done.data());
        CHECK(done == std::vector<int>(64, 1), "an index ran twice or not at all");
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  Pool::instance().detach();
}

#ifdef __linux__
cpu_set_t processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  return set;
}

/* Helpers are woken elsewhere than where their caller runs; but they may run wherever it may. */
TEST(processors) {
  struct Seen {
    const cpu_set_t all = processors();
    std::atomic<int> helped{0}, held{0};
  } seen;
  Pool::instance().attach();
  Pool::instance().set_threads(2);
  for (int round = 0; round < 100; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1)); /* so that the helper sleeps */
    Pool::instance().parallel_for(
        2, 20,
        [](void* arg, int64_t, int32_t slot) {
          auto* const counts = static_cast<Seen*>(arg);
          std::this_thread::sleep_for(std::chrono::microseconds(20));
          if (slot == 0) return;
          const cpu_set_t here = processors();
          counts->helped++;
          counts->held += CPU_EQUAL(&here, &counts->all) ? 0 : 1;
        },
        &seen);
  }
  CHECK(seen.helped > 0, "the caller was left alone");
  CHECK(seen.held == 0, "a helper that may not move");
  Pool::instance().detach();
}
#endif
