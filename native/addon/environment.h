// What one Node environment (the main thread, or a worker) owns of the addon: its plans, its pending jobs and the way
// back to its JavaScript thread. Kept as instance data; there is no other per-environment state.
#ifndef CONVKIT_ADDON_ENVIRONMENT_H
#define CONVKIT_ADDON_ENVIRONMENT_H

#include <functional>
#include <memory>

#include "jobs.h"
#include "js_args.h"
#include "plans.h"

namespace convkit {

// The work of an asynchronous call: true operands copied, result memory held by a reference to its array.
using Work = std::function<ck_status(const std::atomic<bool>* cancelled)>;

class Environment {
 public:
  // Registers the environment; null (and a pending exception) when Node refuses.
  static Environment* create(Napi::Env env);
  static Environment* of(Napi::Env env) { return env.GetInstanceData<Environment>(); }
  ~Environment();

  PlanCache& plans() { return plans_; }

  // Runs the work on a pool thread and returns a promise of nothing; keeps the array of the result alive until then.
  Napi::Value run_async(Napi::Env env, double id, Backlog::Place place, Napi::Value out, Work work);
  void cancel(double id) { jobs_.cancel(id); }

 private:
  explicit Environment(Napi::Env env);
  static void on_exit(void* environment);
  static void on_finished(napi_env env, napi_value callback, void* environment, void* data);
  static void notify(void* environment);
  void settle(napi_env env);

  const napi_env env_;
  PlanCache plans_;
  Jobs jobs_;
  napi_threadsafe_function wake_ = nullptr;
};

}  // namespace convkit
#endif
