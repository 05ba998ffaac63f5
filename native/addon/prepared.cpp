#include "prepared.h"

#include <cstdint>

namespace convkit {

namespace {

// Different input sizes rarely ask for more than two forms; a caller who alternates between more packs again.
constexpr size_t kMaxForms = 4;

constexpr int64_t kLookUp = 2;  // milliseconds

// True unless there is an array and no memory for its copy.
bool keep(const void* data, size_t bytes, Block* copy, int64_t* total) {
  if (data == nullptr) return true;
  *copy = copy_of(data, bytes);
  *total += static_cast<int64_t>(bytes);
  return *copy != nullptr;
}

}  // namespace

std::shared_ptr<Prepared> Prepared::create(const CallRecord& call, ck_type type, const void* weights,
                                           int64_t weight_length, const Epilogue& epilogue, int64_t channels) {
  const size_t size = type == CK_FLOAT32 ? 4 : 8;
  std::shared_ptr<Prepared> prepared(new Prepared);
  int64_t bytes = 0;
  const size_t per_channel = static_cast<size_t>(channels < 0 ? 0 : channels) * size;
  if (!keep(weights, static_cast<size_t>(weight_length) * size, &prepared->weights_, &bytes) ||
      !keep(epilogue.bias, per_channel, &prepared->bias_, &bytes) ||
      !keep(epilogue.slope, per_channel, &prepared->slope_, &bytes)) {
    return nullptr;
  }
  prepared->pass_ = call.pass;
  prepared->algorithm_ = call.algorithm;
  prepared->type_ = type;
  prepared->weight_length_ = weight_length;
  prepared->channels_ = channels;
  prepared->epilogue_ = epilogue;
  prepared->epilogue_.bias = prepared->bias_.get();
  prepared->epilogue_.slope = prepared->slope_.get();
  prepared->bytes_ = bytes;
  return prepared;
}

ck_status Prepared::packed_for(const Plan& plan, const ck_runtime* runtime, PackedPtr* packed) {
  OpenLock lock(mutex_);
  for (;;) {
    for (const Form& form : forms_) {
      if (form.key == plan.info().weights_key) {
        *packed = form.packed;
        return CK_OK;
      }
    }
    if (!packing_) break;
    // Another call packs, perhaps this very form. Nobody wakes a waiting call that is cancelled: it looks itself.
    if (runtime->cancelled != nullptr && runtime->cancelled(runtime->context) != 0) return CK_CANCELLED;
    packed_.wait_for(&lock, kLookUp);
  }
  packing_ = true;
  lock.unlock();
  ck_weights* created = nullptr;
  const ck_status status = ck_weights_pack(plan.get(), runtime, weights_.get(), &created);
  lock.lock();
  packing_ = false;
  packed_.notify_all();
  if (status != CK_OK) return status;
  *packed = PackedPtr(created, FreeWeights());
  if (forms_.size() == kMaxForms) {
    bytes_ -= forms_.front().bytes;
    forms_.erase(forms_.begin());
  }
  forms_.push_back({plan.info().weights_key, plan.info().weights_bytes, *packed});
  bytes_ += plan.info().weights_bytes;
  return CK_OK;
}

}  // namespace convkit
