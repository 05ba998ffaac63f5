#include "run_call.h"

#include <utility>

namespace convkit {

namespace {
size_t element_size(int32_t type) { return type == CK_FLOAT32 ? 4 : 8; }
int64_t bytes_of(int64_t elements, int32_t type) { return elements * static_cast<int64_t>(element_size(type)); }
}  // namespace

bool RunCall::own(const void** operand, int64_t length) {
  if (*operand == nullptr) return true;
  Block copy = copy_of(*operand, static_cast<size_t>(length) * element_size(record.problem.image_type));
  *operand = copy.get();
  copies_.push_back(std::move(copy));
  return *operand != nullptr;
}

bool RunCall::own_operands() {
  const int64_t channels = record.out_channels();
  return own(&first, record.first_length()) && own(&second, record.second_length()) && own(&epilogue.bias, channels) &&
         own(&epilogue.slope, channels);
}

int64_t RunCall::bytes() const {
  const int64_t vectors = (epilogue.bias != nullptr ? 1 : 0) + (epilogue.slope != nullptr ? 1 : 0);
  const int64_t copied = record.first_length() + (second != nullptr ? record.second_length() : 0);
  return bytes_of(copied + vectors * record.out_channels() + record.out_length(), record.problem.image_type);
}

ck_status RunCall::execute(const std::atomic<bool>* cancelled) {
  const NodeRuntime runtime(plan->slots(), cancelled);
  ck_operands operands = {};
  const Epilogue& after = prepared ? prepared->epilogue() : epilogue;
  const ck_epilogue core_epilogue = {after.bias, after.activation, after.a, after.b, after.slope};

  switch (record.pass) {
    case CK_FORWARD:
      operands.image_in = first;
      operands.weights = second;
      operands.features_out = out;
      operands.epilogue = &core_epilogue;
      break;
    case CK_ADJOINT:
      operands.features_in = first;
      operands.weights = second;
      operands.image_out = out;
      operands.epilogue = &core_epilogue;
      break;
    case CK_WEIGHT_GRADIENT:
      operands.image_in = first;
      operands.features_in = second;
      operands.weight_gradient = out;
      break;
  }
  if (prepared && !packed) {
    const ck_status status = prepared->packed_for(*plan, runtime.get(), &packed);
    if (status != CK_OK) return status;
  }
  operands.packed = packed.get();
  return ck_run(plan->get(), runtime.get(), &operands);
}

bool BiasCall::own_operands() {
  copy_ = copy_of(gradient, static_cast<size_t>(record.length) * element_size(type));
  gradient = copy_.get();
  return gradient != nullptr;
}

int64_t BiasCall::bytes() const { return bytes_of(record.length + record.channels, type); }

ck_status BiasCall::execute(const std::atomic<bool>* cancelled) const {
  const NodeRuntime runtime(slots_for(static_cast<double>(record.length)), cancelled);
  return ck_bias_gradient(runtime.get(), type, record.layout, record.batch, record.channels, record.positions, gradient,
                          out);
}

}  // namespace convkit
