// The JavaScript side of prepared weights: an object that owns a share of them and tells V8 how much memory they take,
// and the function that runs them.
//
// Servers send inputs of one size, thousands a second. So the size is told once (set_size), with all that follows from
// it: lengths, plan, packed weights. The runner then takes nothing but the input and the result, and is a function of
// its own, which finds its object without looking into the handle. Both together save half a microsecond a call.
#ifndef CONVKIT_ADDON_PREPARED_OBJECT_H
#define CONVKIT_ADDON_PREPARED_OBJECT_H

#include <array>
#include <memory>

#include "js_args.h"
#include "prepared.h"
#include "run_call.h"

namespace convkit {

class PreparedObject {
 public:
  // A new object, or undefined and an exception.
  static Napi::Value create(Napi::Env env, std::shared_ptr<Prepared> prepared);
  // Null unless the value was made by create().
  static PreparedObject* of(Napi::Env env, Napi::Value value);

  // Null once disposed of.
  const std::shared_ptr<Prepared>& prepared() const { return call_.prepared; }

  // What the runs from now on compute. `fields` is the record that has been decoded.
  Outcome set_size(Napi::Env env, const double* fields, const CallRecord& record);

  // The call of the size that has been set; its plan fits the number of threads of now. Input and result are missing.
  Outcome sized_call(Napi::Env env, const RunCall** call);

  // A function (input, out), to be made once.
  Napi::Value runner(Napi::Env env);

  // Forms are packed on any thread; V8 is told on its own, at the next occasion.
  void report_memory(napi_env env);
  void dispose(napi_env env);

 private:
  using Shared = std::shared_ptr<PreparedObject>;

  PreparedObject() = default;
  static void finalize(napi_env env, void* shared, void* hint);
  static void finalize_runner(napi_env env, void* shared, void* hint);
  static napi_value run(napi_env env, napi_callback_info info);
  Outcome run(napi_env env, const napi_value arguments[2]);

  std::weak_ptr<PreparedObject> self_;  // the handle's share; the runner takes one too
  RunCall call_;                        // no plan: no size has been set
  std::array<double, kKeyFields> key_ = {};
  int64_t reported_ = 0;
};

}  // namespace convkit
#endif
