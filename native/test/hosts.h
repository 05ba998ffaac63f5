/* Hosts of the core: plain, with threads, and with an allocator that fails or counts. */
#ifndef CONVKIT_TEST_HOSTS_H
#define CONVKIT_TEST_HOSTS_H

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "../core/convkit.h"
#include "buffer.h"

namespace test {

struct Host {
  struct Block {
    GuardedBytes *bytes;
    size_t size;
  };

  ck_runtime runtime;
  std::atomic<int64_t> allocations{0}, live{0}, asked{0};
  std::atomic<int64_t> bytes{0}, peak_bytes{0}; /* lent now, and at most since reset_peak() */
  int64_t fail_at = -1;                         /* this allocation (from 0) returns null */
  int64_t cancel_at = -1;                       /* from this question on, the answer is yes */
  void (*in_thread)(bool starts) = nullptr;     /* called by each thread of a parallel_for as it starts and ends */

  std::mutex mutex;
  std::map<void *, Block> blocks; /* lent now */

  explicit Host(int32_t slots = 1) {
    runtime.context = this;
    runtime.alloc = alloc;
    runtime.free = free;
    runtime.parallel_for = parallel_for;
    runtime.slots = slots;
    runtime.cancelled = cancelled;
  }
  Host(const Host &) = delete;
  Host &operator=(const Host &) = delete;

  void reset_peak() { peak_bytes = bytes.load(); }

  static Host &of(void *context) { return *static_cast<Host *>(context); }

  /* Blocks are poisoned. Every other one begins behind a guard page, the others end at one where the size is a multiple
   * of the alignment. */
  static void *alloc(void *context, size_t size, size_t alignment) {
    Host &host = of(context);
    const int64_t number = host.allocations++;
    if (number == host.fail_at) return nullptr;
    const size_t rounded = (size + alignment - 1) / alignment * alignment;
#if CONVKIT_TEST_GUARDS
    GuardedBytes *const bytes = new GuardedBytes(rounded, number % 2 == 0 ? Guard::behind : Guard::before);
    char *const data = bytes->data(); /* aligned: it begins or ends where a page does */
#else
    GuardedBytes *const bytes = new GuardedBytes(rounded + alignment, Guard::behind);
    char *const data = bytes->data() + (alignment - reinterpret_cast<uintptr_t>(bytes->data()) % alignment) % alignment;
#endif
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(0xff); /* NaN in both types */
    {
      const std::lock_guard<std::mutex> lock(host.mutex);
      host.blocks[data] = {bytes, size};
    }
    ++host.live;
    const int64_t lent = host.bytes += static_cast<int64_t>(size);
    int64_t peak = host.peak_bytes;
    while (peak < lent && !host.peak_bytes.compare_exchange_weak(peak, lent)) continue;
    return data;
  }
  static void free(void *context, void *data) {
    Host &host = of(context);
    if (!data) return;
    Block block;
    {
      const std::lock_guard<std::mutex> lock(host.mutex);
      const auto at = host.blocks.find(data);
      block = at->second;
      host.blocks.erase(at);
    }
    --host.live;
    host.bytes -= static_cast<int64_t>(block.size);
    delete block.bytes;
  }
  static void parallel_for(void *context, int64_t count, void (*body)(void *, int64_t, int32_t), void *arg) {
    const int32_t slots = of(context).runtime.slots;
    const auto in_thread = of(context).in_thread;
    if (slots == 1) {
      for (int64_t i = 0; i < count; ++i) body(arg, i, 0);
      return;
    }
    std::atomic<int64_t> next{0};
    std::vector<std::thread> threads;
    threads.reserve(static_cast<size_t>(slots));
    for (int32_t slot = 0; slot < slots; ++slot) {
      threads.emplace_back([&, slot] {
        if (in_thread) in_thread(true);
        for (int64_t i = next++; i < count; i = next++) body(arg, i, slot);
        if (in_thread) in_thread(false);
      });
    }
    for (std::thread &thread : threads) thread.join();
  }
  static int32_t cancelled(void *context) {
    Host &host = of(context);
    const int64_t number = host.asked++;
    return host.cancel_at >= 0 && number >= host.cancel_at;
  }
};

}  // namespace test
#endif
