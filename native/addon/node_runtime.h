// The addon's side of ck_runtime: memory from blocks.h, threads from the pool, a cancellation flag per call.
#ifndef CONVKIT_ADDON_NODE_RUNTIME_H
#define CONVKIT_ADDON_NODE_RUNTIME_H

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../core/convkit.h"
#include "blocks.h"

namespace convkit {

// A runtime for one call. It must outlive the call, and nothing else: alloc and free look at no context, so what the
// core allocated through it may be freed later.
class NodeRuntime {
 public:
  // cancelled may be null: a synchronous call cannot be cancelled.
  explicit NodeRuntime(int32_t slots, const std::atomic<bool>* cancelled = nullptr);
  NodeRuntime(const NodeRuntime&) = delete;
  NodeRuntime& operator=(const NodeRuntime&) = delete;

  const ck_runtime* get() const { return &runtime_; }

 private:
  static void parallel_for(void* context, int64_t count, void (*body)(void*, int64_t, int32_t), void* arg);
  static int32_t cancelled(void* context);

  ck_runtime runtime_;
  const std::atomic<bool>* cancelled_;
};

// How many threads a call with this many floating-point operations is worth; 1 for all small ones, which then
// never touch the pool.
int32_t slots_for(double operations);

// Whether a call with so many operations on so much memory takes some milliseconds at most, even where the fast
// algorithms do not apply: those that must not wait for the others.
bool is_quick(double operations, int64_t bytes);

// A copy of that many bytes; null when there is no memory.
Block copy_of(const void* data, size_t bytes);

}  // namespace convkit
#endif
