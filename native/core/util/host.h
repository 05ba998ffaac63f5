/* What a pass asks of its host: memory, and units of work run on the host's threads. */
#ifndef CONVKIT_UTIL_HOST_H
#define CONVKIT_UTIL_HOST_H

#include "../convkit.h"
#include "../cpu/float_environment.h"
#include "numbers.h"

namespace convkit {

constexpr int64_t kAlignment = 64; /* one cache line, one AVX-512 vector */

/* A block of the host's memory; data is null when the host has none, or when the size does not fit. */
class Block {
 public:
  Block(const ck_runtime &host, int64_t bytes) : host_(host) {
    const int64_t size = larger(bytes, 1);
    if (static_cast<uint64_t>(size) <= SIZE_MAX) {
      data_ = static_cast<char *>(host.alloc(host.context, static_cast<size_t>(size), kAlignment));
    }
  }
  ~Block() {
    if (data_) host_.free(host_.context, data_);
  }
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;
  char *data() const { return data_; }

 private:
  const ck_runtime &host_;
  char *data_ = nullptr;
};

/* Cuts arrays from one block. Without a base it only measures, so that a plan knows the size. */
class Carver {
 public:
  explicit Carver(char *base) : base_(base) {}
  template <typename T>
  T *take(int64_t count) {
#ifdef __clang_analyzer__ /* which does not see that nobody uses the arrays of bytes_of() */
    T *const array = reinterpret_cast<T *>(base_ + used_);
#else
    T *const array = base_ ? reinterpret_cast<T *>(base_ + used_) : nullptr;
#endif
    used_ += round_up(count * static_cast<int64_t>(sizeof(T)), kAlignment);
    return array;
  }
  int64_t used() const { return used_; }

 private:
  char *base_;
  int64_t used_ = 0;
};

/* What arrays take that are cut from a block by the constructor of Arrays. */
template <typename Arrays, typename... Arguments>
int64_t bytes_of(const Arguments &...arguments) {
  Carver measure(nullptr);
  Arrays(arguments..., &measure);
  return measure.used();
}

inline bool cancelled(const ck_runtime &host) { return host.cancelled && host.cancelled(host.context) != 0; }

/* Runs body(unit, slot) for each unit; a small job stays on the calling thread. Units that start after a
 * cancellation do nothing. The caller has set its own floating-point environment; other threads get the same. */
template <typename Body>
ck_status for_each_unit(const ck_runtime &host, int64_t units, bool small, Body &body) {
  struct Job {
    const ck_runtime &host;
    Body &body;
    static void run(void *arg, int64_t unit, int32_t slot) {
      Job &job = *static_cast<Job *>(arg);
      if (!cancelled(job.host)) job.body(unit, slot);
    }
    static void run_anywhere(void *arg, int64_t unit, int32_t slot) {
      const FloatEnvironment environment;
      run(arg, unit, slot);
    }
  } job{host, body};
  if (small || units == 1) {
    for (int64_t unit = 0; unit < units; ++unit) Job::run(&job, unit, 0);
  } else if (units > 0) {
    host.parallel_for(host.context, units, Job::run_anywhere, &job);
  }
  return cancelled(host) ? CK_CANCELLED : CK_OK;
}

}  // namespace convkit
#endif
