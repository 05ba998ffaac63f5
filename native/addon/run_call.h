// One run of one pass, ready to execute: on the JavaScript thread in place, or on a pool thread with copies.
#ifndef CONVKIT_ADDON_RUN_CALL_H
#define CONVKIT_ADDON_RUN_CALL_H

#include <atomic>
#include <memory>
#include <vector>

#include "node_runtime.h"
#include "plans.h"
#include "prepared.h"
#include "record.h"

namespace convkit {

struct RunCall {
  CallRecord record;
  PlanPtr plan;
  std::shared_ptr<Prepared> prepared;  // or null: then `second` and `epilogue` count
  PackedPtr packed;                    // of `prepared`, in the form that the plan reads; found by the first execute()
  const void* first = nullptr;
  const void* second = nullptr;
  Epilogue epilogue;
  void* out = nullptr;

  // Replaces every operand by a copy. The result stays where it is. False: no memory.
  bool own_operands();

  // Of the copies and of the result.
  int64_t bytes() const;
  bool quick() const { return is_quick(record.operations, bytes() + (prepared ? prepared->bytes() : 0)); }

  ck_status execute(const std::atomic<bool>* cancelled);

 private:
  std::vector<Block> copies_;

  bool own(const void** operand, int64_t length);
};

struct BiasCall {
  BiasRecord record;
  ck_type type = CK_FLOAT32;
  const void* gradient = nullptr;
  void* out = nullptr;

  bool own_operands();
  int64_t bytes() const;
  bool quick() const { return is_quick(static_cast<double>(record.length), bytes()); }
  ck_status execute(const std::atomic<bool>* cancelled) const;

 private:
  Block copy_;
};

}  // namespace convkit
#endif
