#include "node_runtime.h"

#include <algorithm>
#include <cstring>

#include "pool.h"

namespace convkit {

namespace {

// Waking a sleeping thread takes some ten microseconds. With this share of work for each, that is no more than about a
// tenth of what a fast core needs for it.
constexpr double kOperationsPerThread = 8e6;

// 5 ms at 100 GFLOP/s, and what a thread copies in about that time.
constexpr double kQuickOperations = 5e8;
constexpr int64_t kQuickBytes = int64_t{32} << 20;

void* runtime_alloc(void* /*context*/, size_t bytes, size_t alignment) {
  return alignment <= kBlockAlignment ? take_block(bytes) : nullptr;
}

void runtime_free(void* /*context*/, void* block) { give_block(block); }

}  // namespace

NodeRuntime::NodeRuntime(int32_t slots, const std::atomic<bool>* flag)
    : runtime_{this, runtime_alloc, runtime_free, parallel_for, slots, flag == nullptr ? nullptr : cancelled},
      cancelled_(flag) {}

void NodeRuntime::parallel_for(void* context, int64_t count, void (*body)(void*, int64_t, int32_t), void* arg) {
  const int32_t slots = static_cast<NodeRuntime*>(context)->runtime_.slots;
  Pool::instance().parallel_for(slots, count, body, arg);
}

int32_t NodeRuntime::cancelled(void* context) {
  return static_cast<NodeRuntime*>(context)->cancelled_->load(std::memory_order_relaxed) ? 1 : 0;
}

int32_t slots_for(double operations) {
  const double threads = Pool::instance().threads();
  return static_cast<int32_t>(std::clamp(operations / kOperationsPerThread, 1.0, threads));
}

bool is_quick(double operations, int64_t bytes) { return operations <= kQuickOperations && bytes <= kQuickBytes; }

Block copy_of(const void* data, size_t bytes) {
  Block copy(take_block(bytes));
  if (copy && bytes > 0) std::memcpy(copy.get(), data, bytes);
  return copy;
}

}  // namespace convkit
