#include "prepared_object.h"

#include <algorithm>
#include <new>
#include <utility>

#include "environment.h"

namespace convkit {

namespace {
// So that an object of another addon is never taken for one of these.
constexpr napi_type_tag kTag = {0x6f1c9b0e52d84a37u, 0xa3e07d415c98f26bu};
}  // namespace

Napi::Value PreparedObject::create(Napi::Env env, std::shared_ptr<Prepared> prepared) {
  auto shared = std::make_unique<Shared>(new PreparedObject);
  PreparedObject& object = **shared;
  object.self_ = *shared;
  object.call_.prepared = std::move(prepared);
  napi_value value = nullptr;
  if (napi_create_object(env, &value) != napi_ok || napi_type_tag_object(env, value, &kTag) != napi_ok ||
      napi_wrap(env, value, shared.get(), finalize, nullptr, nullptr) != napi_ok) {
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "no object can be made"));
  }
  static_cast<void>(shared.release());
  object.report_memory(env);
  return Napi::Value(env, value);
}

PreparedObject* PreparedObject::of(Napi::Env env, Napi::Value value) {
  bool tagged = false;
  void* shared = nullptr;
  if (!value.IsObject() || napi_check_object_type_tag(env, value, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, value, &shared) != napi_ok) {
    return nullptr;
  }
  return static_cast<Shared*>(shared)->get();
}

Outcome PreparedObject::set_size(Napi::Env env, const double* fields, const CallRecord& record) {
  call_.plan.reset();
  call_.packed.reset();
  call_.record = record;
  std::copy_n(fields, kKeyFields, key_.begin());
  return Environment::of(env)->plans().find(key_.data(), record, true, &call_.plan);
}

Outcome PreparedObject::sized_call(Napi::Env env, const RunCall** call) {
  if (prepared() == nullptr) return Outcome::failure(CK_INVALID, "the prepared weights have been disposed of");
  if (call_.plan == nullptr) return Outcome::failure(CK_INVALID, "the prepared weights have been told no size");
  *call = &call_;
  if (call_.plan->slots() == slots_for(call_.record.operations)) return Outcome();
  return set_size(env, std::array<double, kKeyFields>(key_).data(), CallRecord(call_.record));
}

Napi::Value PreparedObject::runner(Napi::Env env) {
  auto shared = std::make_unique<Shared>(self_.lock());
  napi_value function = nullptr;
  if (napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, shared.get(), &function) != napi_ok ||
      napi_add_finalizer(env, function, shared.get(), finalize_runner, nullptr, nullptr) != napi_ok) {
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "no function can be made"));
  }
  static_cast<void>(shared.release());
  return Napi::Value(env, function);
}

Outcome PreparedObject::run(napi_env env, const napi_value arguments[2]) {
  const RunCall* sized = nullptr;
  Outcome outcome = sized_call(env, &sized);
  if (!outcome.ok()) return outcome;
  const CallRecord& record = call_.record;
  const FloatView input = float_view(env, arguments[0]), out = float_view(env, arguments[1]);
  const int32_t type = record.problem.image_type;
  if (input.type != type || out.type != type || input.length != record.first_length() ||
      out.length != record.out_length() || input.data == nullptr || out.data == nullptr) {
    return Outcome::failure(CK_INVALID, "input or result does not fit the size that was told");
  }
  call_.first = input.data;
  call_.out = out.data;
  const bool packs = call_.packed == nullptr;
  const ck_status status = call_.execute(nullptr);
  if (packs) report_memory(env);
  return outcome_of(status);
}

napi_value PreparedObject::run(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  void* shared = nullptr;
  napi_get_cb_info(env, info, &count, arguments, nullptr, &shared);
  Outcome outcome;
  try {
    outcome = (*static_cast<Shared*>(shared))->run(env, arguments);
  } catch (const std::bad_alloc&) {
    outcome = outcome_of(CK_OUT_OF_MEMORY);
  }
  if (!outcome.ok()) finish(env, outcome);
  return nullptr;
}

void PreparedObject::report_memory(napi_env env) {
  const int64_t bytes = prepared() ? prepared()->bytes() : 0;
  if (bytes == reported_) return;
  int64_t total = 0;
  napi_adjust_external_memory(env, bytes - reported_, &total);
  reported_ = bytes;
}

void PreparedObject::dispose(napi_env env) {
  call_ = RunCall();
  report_memory(env);
}

void PreparedObject::finalize(napi_env env, void* shared, void* /*hint*/) {
  (*static_cast<Shared*>(shared))->dispose(env);
  delete static_cast<Shared*>(shared);
}

void PreparedObject::finalize_runner(napi_env /*env*/, void* shared, void* /*hint*/) {
  delete static_cast<Shared*>(shared);
}

}  // namespace convkit
