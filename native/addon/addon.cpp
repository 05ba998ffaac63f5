// The Node-API addon: its table of exports. The arguments of each are written above it in calls.cpp, and once more,
// with types, in lib/node/addon.ts.
#include <new>

#include "calls.h"
#include "environment.h"

namespace convkit {

namespace {

using Entry = Napi::Value (*)(const Napi::CallbackInfo&);

// No exception may leave for Node. Only the C++ library throws here, and only for want of memory.
template <Entry entry>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return entry(info);
  } catch (const std::bad_alloc&) {
    return finish(info.Env(), Outcome::failure(CK_OUT_OF_MEMORY, "out of memory"));
  }
}

template <Entry entry>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<entry>>(exports.Env(), name));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  if (Environment::create(env) == nullptr) {
    napi_throw_error(env, nullptr, "convkit: the environment cannot be set up");
    return exports;
  }
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
  return exports;
}

NODE_API_MODULE(convkit, initialize)

}  // namespace

}  // namespace convkit
