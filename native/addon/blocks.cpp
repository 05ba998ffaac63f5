#include "blocks.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

#include "mutex.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace convkit {

namespace {

// Below this, the allocator is as good.
constexpr size_t kLeastKept = size_t{64} << 10;
// What is kept by all threads together: workspaces of the larger plans for a handful of threads.
constexpr size_t kMostKeptBytes = size_t{64} << 20;
constexpr size_t kMostKeptBlocks = 32;

// In front of each block, so that giving back needs no size.
struct Header {
  void* base;  // what malloc gave
  size_t bytes;
};

Header* header_of(void* block) { return static_cast<Header*>(block) - 1; }

// Linux gives pages of 2 MiB to those that ask: packed weights are read from memory from end to end, and neither the
// hardware's look-ahead nor the table of pages reaches far over pages of 4 KiB.
#ifdef MADV_HUGEPAGE
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLeastHuge = 2 * kHugePage;
size_t alignment_of(size_t bytes) { return bytes < kLeastHuge ? kBlockAlignment : kHugePage; }
void ask_for_huge_pages(void* block, size_t bytes) {
  if (bytes >= kLeastHuge) madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish; no matter if not
}
#else
size_t alignment_of(size_t) { return kBlockAlignment; }
void ask_for_huge_pages(void*, size_t) {}
#endif

// Aligned by hand: the scratch of a small call comes from malloc's lists of recent blocks, which aligned allocation
// does not look into.
void* system_take(size_t bytes) {
  const size_t alignment = alignment_of(bytes);
  void* const base = std::malloc(bytes + sizeof(Header) + alignment);
  if (base == nullptr) return nullptr;
  const uintptr_t behind = reinterpret_cast<uintptr_t>(base) + sizeof(Header);
  char* const block = static_cast<char*>(base) + sizeof(Header) + (alignment - behind % alignment) % alignment;
  ask_for_huge_pages(block, bytes);
  *header_of(block) = {base, bytes};
  return block;
}

void system_give(void* block) { std::free(header_of(block)->base); }

// Eight classes for each power of two: at most an eighth of a block is waste.
size_t size_class(size_t bytes) {
  if (bytes < kLeastKept) return bytes;
  size_t step = kLeastKept / 8;
  while (step <= bytes / 16) step *= 2;
  return (bytes + step - 1) / step * step;
}

class Kept {
 public:
  void* take(size_t bytes) {
    const Lock lock(mutex_);
    for (size_t i = count_; i-- > 0;) {
      if (header_of(blocks_[i])->bytes == bytes) return remove(i);
    }
    return nullptr;
  }

  void keep(void* block) {
    const Lock lock(mutex_);
    const size_t bytes = header_of(block)->bytes;
    if (bytes > kMostKeptBytes) return system_give(block);
    while (count_ == kMostKeptBlocks || bytes_ + bytes > kMostKeptBytes) system_give(remove(0));
    blocks_[count_++] = block;
    bytes_ += bytes;
  }

 private:
  // In order of age: the oldest first.
  void* remove(size_t i) {
    void* const block = blocks_[i];
    std::copy(blocks_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
              blocks_.begin() + static_cast<std::ptrdiff_t>(count_), blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    count_--;
    bytes_ -= header_of(block)->bytes;
    return block;
  }

  Mutex mutex_;
  std::array<void*, kMostKeptBlocks> blocks_ = {};
  size_t count_ = 0, bytes_ = 0;
};

// Never destroyed: calls of other threads may end after the statics of this one. And not on the heap: the core calls,
// which knows no exceptions.
Kept& kept() {
  alignas(Kept) static unsigned char place[sizeof(Kept)];
  static Kept* const all = new (place) Kept;
  return *all;
}

}  // namespace

void* take_block(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() / 2) return nullptr;
  const size_t size = size_class(std::max<size_t>(bytes, 1));
  if (size >= kLeastKept) {
    if (void* const block = kept().take(size)) return block;
  }
  return system_take(size);
}

void give_block(void* block) {
  if (block == nullptr) return;
  if (header_of(block)->bytes >= kLeastKept) {
    kept().keep(block);
  } else {
    system_give(block);
  }
}

}  // namespace convkit
