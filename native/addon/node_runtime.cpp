#include "node_runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "pool.h"

namespace convkit {

namespace {

// Waking a sleeping thread takes some ten microseconds. With this share of work for each, that is no more than about a
// tenth of what a fast core needs for it.
constexpr double kOperationsPerThread = 8e6;
constexpr size_t kAlignment = 64;

// Aligned by hand: the scratch of a small call comes from malloc's lists of recent blocks, which posix_memalign does
// not look into. In front of the block stands what malloc gave.
void* runtime_alloc(void* /*context*/, size_t bytes, size_t alignment) {
  const size_t extra = sizeof(void*) + std::max(alignment, alignof(std::max_align_t));
  if (bytes > SIZE_MAX - extra) return nullptr;
  void* const base = std::malloc(bytes + extra);
  if (base == nullptr) return nullptr;
  const uintptr_t behind = reinterpret_cast<uintptr_t>(base) + sizeof(void*);
  auto* const block = static_cast<char*>(base) + sizeof(void*) + (alignment - behind % alignment) % alignment;
  reinterpret_cast<void**>(block)[-1] = base;
  return block;
}

void runtime_free(void* /*context*/, void* block) {
  if (block != nullptr) std::free(static_cast<void**>(block)[-1]);
}

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

void FreeBlock::operator()(void* block) const { runtime_free(nullptr, block); }

Block allocate(size_t bytes) { return Block(runtime_alloc(nullptr, bytes, kAlignment)); }

Block copy_of(const void* data, size_t bytes) {
  Block copy = allocate(bytes);
  if (copy && bytes > 0) std::memcpy(copy.get(), data, bytes);
  return copy;
}

}  // namespace convkit
