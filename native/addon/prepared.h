// Prepared weights: a copy of what the caller gave, and the packed forms that plans asked for.
#ifndef CONVKIT_ADDON_PREPARED_H
#define CONVKIT_ADDON_PREPARED_H

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "mutex.h"
#include "node_runtime.h"
#include "plans.h"

namespace convkit {

struct FreeWeights {
  void operator()(ck_weights* weights) const { ck_weights_destroy(weights); }
};
using PackedPtr = std::shared_ptr<const ck_weights>;

// f(x + bias) of a call, its arrays owned by someone else.
struct Epilogue {
  int32_t activation = CK_LINEAR;
  double a = 0, b = 0;
  const void* bias = nullptr;
  const void* slope = nullptr;
};

// Shared by the JavaScript object and by the calls under way; used on any thread.
class Prepared {
 public:
  // What the caller gave, copied. Null when there is no memory.
  static std::shared_ptr<Prepared> create(const CallRecord& call, ck_type type, const void* weights,
                                          int64_t weight_length, const Epilogue& epilogue, int64_t channels);

  ck_pass pass() const { return pass_; }
  int32_t algorithm() const { return algorithm_; }
  ck_type type() const { return type_; }
  int64_t weight_length() const { return weight_length_; }
  int64_t channels() const { return channels_; }  // of bias and slope; -1 where there is neither
  const Epilogue& epilogue() const { return epilogue_; }
  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // The weights in the form that `plan` reads: packed by the first call that needs it, the others wait.
  ck_status packed_for(const Plan& plan, const ck_runtime* runtime, PackedPtr* packed);

 private:
  Prepared() = default;

  struct Form {
    std::string key;
    int64_t bytes;
    PackedPtr packed;
  };

  ck_pass pass_ = CK_FORWARD;
  int32_t algorithm_ = -1;
  ck_type type_ = CK_FLOAT32;
  int64_t weight_length_ = 0, channels_ = -1;
  Epilogue epilogue_;
  Block weights_, bias_, slope_;

  Mutex mutex_;  // the rest
  Condition packed_;
  bool packing_ = false;
  std::vector<Form> forms_;  // most recently packed last
  std::atomic<int64_t> bytes_{0};
};

}  // namespace convkit
#endif
