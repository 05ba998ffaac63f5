// The Node-API addon: its table of exports. The arguments of each are written above it in calls.cpp, and once more,
// with types, in lib/node/addon.ts.
#include <new>

#include "calls.h"
#include "environment.h"

namespace convkit {

namespace {

using Entry = Napi::Value (*)(const Napi::CallbackInfo&);

// No exception may leave for Node. Only the C++ library throws here, and only for want of memory: which the list of
// more than six arguments needs as well.
template <Entry entry>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    return entry(Napi::CallbackInfo(env, info));
  } catch (const std::bad_alloc&) {
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "out of memory"));
  }
}

template <Entry entry>
void add(Napi::Object exports, const char* name) {
  napi_value function = nullptr;
  if (napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, guarded<entry>, nullptr, &function) == napi_ok) {
    define(exports.Env(), exports, name, function);
  }
}

void throw_not_set_up(Napi::Env env) { napi_throw_error(env, nullptr, "convkit: the environment cannot be set up"); }

void set_up(Napi::Env env, Napi::Object exports) {
  if (Environment::create(env) == nullptr) return throw_not_set_up(env);
  add<version>(exports, "version");
  add<isas>(exports, "isas");
  add<algorithms>(exports, "algorithms");
  add<set_isa>(exports, "setIsa");
  add<threads>(exports, "threads");
  add<set_threads>(exports, "setThreads");
  add<default_threads>(exports, "defaultThreads");
  add<set_backlog>(exports, "setBacklog");
  add<peak_rate>(exports, "peak");
  add<plan>(exports, "plan");
  add<run>(exports, "run");
  add<run_async>(exports, "runAsync");
  add<bias_gradient>(exports, "biasGradient");
  add<bias_gradient_async>(exports, "biasGradientAsync");
  add<prepare>(exports, "prepare");
  add<set_size>(exports, "setSize");
  add<runner>(exports, "runner");
  add<run_prepared_async>(exports, "runPreparedAsync");
  add<external_memory>(exports, "externalMemory");
  add<dispose>(exports, "dispose");
  add<cancel>(exports, "cancel");
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  try {
    set_up(env, exports);
  } catch (const std::bad_alloc&) {
    throw_not_set_up(env);
  }
  return exports;
}

NODE_API_MODULE(convkit, initialize)

}  // namespace

}  // namespace convkit
