// The JavaScript side of prepared weights: an object that owns a share of them and tells V8 how much memory they take.
#ifndef CONVKIT_ADDON_PREPARED_OBJECT_H
#define CONVKIT_ADDON_PREPARED_OBJECT_H

#include <memory>

#include "js_args.h"
#include "prepared.h"

namespace convkit {

class PreparedObject {
 public:
  // A new object, or undefined and an exception.
  static Napi::Value create(Napi::Env env, std::shared_ptr<Prepared> prepared);
  // Null unless the value was made by create().
  static PreparedObject* of(Napi::Env env, Napi::Value value);

  // Null once disposed of.
  const std::shared_ptr<Prepared>& prepared() const { return prepared_; }

  // Forms are packed on any thread; V8 is told on its own, at the next occasion.
  void report_memory(napi_env env);
  void dispose(napi_env env);

 private:
  explicit PreparedObject(std::shared_ptr<Prepared> prepared) : prepared_(std::move(prepared)) {}
  static void finalize(napi_env env, void* object, void* hint);

  std::shared_ptr<Prepared> prepared_;
  int64_t reported_ = 0;
};

}  // namespace convkit
#endif
