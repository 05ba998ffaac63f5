#include "prepared_object.h"

#include <utility>

namespace convkit {

namespace {
// So that an object of another addon is never taken for one of these.
constexpr napi_type_tag kTag = {0x6f1c9b0e52d84a37u, 0xa3e07d415c98f26bu};
}  // namespace

Napi::Value PreparedObject::create(Napi::Env env, std::shared_ptr<Prepared> prepared) {
  std::unique_ptr<PreparedObject> object(new PreparedObject(std::move(prepared)));
  napi_value value = nullptr;
  if (napi_create_object(env, &value) != napi_ok || napi_type_tag_object(env, value, &kTag) != napi_ok ||
      napi_wrap(env, value, object.get(), finalize, nullptr, nullptr) != napi_ok) {
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "no object can be made"));
  }
  object.release()->report_memory(env);
  return Napi::Value(env, value);
}

PreparedObject* PreparedObject::of(Napi::Env env, Napi::Value value) {
  bool tagged = false;
  void* object = nullptr;
  if (!value.IsObject() || napi_check_object_type_tag(env, value, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, value, &object) != napi_ok) {
    return nullptr;
  }
  return static_cast<PreparedObject*>(object);
}

void PreparedObject::report_memory(napi_env env) {
  const int64_t bytes = prepared_ ? prepared_->bytes() : 0;
  if (bytes == reported_) return;
  int64_t total = 0;
  napi_adjust_external_memory(env, bytes - reported_, &total);
  reported_ = bytes;
}

void PreparedObject::dispose(napi_env env) {
  prepared_.reset();
  report_memory(env);
}

void PreparedObject::finalize(napi_env env, void* data, void* /*hint*/) {
  auto* object = static_cast<PreparedObject*>(data);
  object->dispose(env);
  delete object;
}

}  // namespace convkit
