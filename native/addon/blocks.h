// Memory for the core, aligned for the widest vectors; on Linux, what is large asks for huge pages.
//
// A workspace is wanted again by the next call, and often by one of the same size. So large blocks that were given back
// are kept for a while, a few and not too large in all: a call then costs no page faults, and the heap that V8's
// arrays live in is not cut into pieces by ours.
//
//   take(700 KiB)  -->  size class 704 KiB: one that is kept, or a new one
//   give(block)    -->  kept; the oldest go back to the system where there are too many
#ifndef CONVKIT_ADDON_BLOCKS_H
#define CONVKIT_ADDON_BLOCKS_H

#include <cstddef>
#include <memory>

namespace convkit {

constexpr size_t kBlockAlignment = 64;

// At least one byte, aligned to kBlockAlignment; null when there is no memory. On any thread.
void* take_block(size_t bytes);
void give_block(void* block);  // null is fine

struct GiveBlock {
  void operator()(void* block) const { give_block(block); }
};
using Block = std::unique_ptr<void, GiveBlock>;

}  // namespace convkit
#endif
