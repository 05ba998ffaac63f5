#include "environment.h"

#include <utility>

#include "platform.h"

namespace convkit {

namespace {

// Calls settled in one callback, of which Node makes up to 1000 before the event loop turns: some 6 ms, where tens of
// thousands of calls have ended.
constexpr int32_t kSettledAtOnce = 2;

// A call on its way, with what JavaScript waits for.
class NodeJob : public Job {
 public:
  NodeJob(double id, Backlog::Place place, Work work) : Job(id, std::move(place)), work_(std::move(work)) {}

  napi_deferred deferred = nullptr;
  napi_ref out = nullptr;

 protected:
  ck_status execute(const std::atomic<bool>* cancelled) override {
    const ck_status status = work_(cancelled);
    work_ = nullptr;  // large copies are given back here, not on the JavaScript thread
    return status;
  }
  void drop() override { work_ = nullptr; }

 private:
  Work work_;
};

}  // namespace

Environment::Environment(Napi::Env env) : env_(env), jobs_(notify, this) {}
Environment::~Environment() = default;

Environment* Environment::create(Napi::Env env) {
  stay_loaded();
  std::unique_ptr<Environment> created(new Environment(env));
  Pool::instance().attach();
  napi_value name = nullptr;
  // Hooks run last one first: that one before the hook of the thread-safe function, which is still alive then.
  if (napi_create_string_utf8(env, "convkit", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, created.get(), on_finished,
                                      &created->wake_) != napi_ok ||
      napi_unref_threadsafe_function(env, created->wake_) != napi_ok ||
      napi_add_env_cleanup_hook(env, on_exit, created.get()) != napi_ok) {
    Pool::instance().detach();
    return nullptr;
  }
  env.SetInstanceData<Environment>(created.get());
  return created.release();
}

// The environment is going away: a worker that was terminated, process.exit(), or simply the end.
void Environment::on_exit(void* data) {
  auto* environment = static_cast<Environment*>(data);
  environment->jobs_.shut_down();
  while (const std::unique_ptr<Job> job = environment->jobs_.take_finished()) {
    napi_delete_reference(environment->env_, static_cast<NodeJob*>(job.get())->out);
  }
  Pool::instance().detach();
}

void Environment::notify(void* data) {
  napi_call_threadsafe_function(static_cast<Environment*>(data)->wake_, nullptr, napi_tsfn_nonblocking);
}

void Environment::on_finished(napi_env env, napi_value /*callback*/, void* environment, void* /*data*/) {
  if (env != nullptr) static_cast<Environment*>(environment)->settle(env);  // null while the environment closes
}

void Environment::settle(napi_env env) {
  int32_t settled = 0;
  for (; settled < kSettledAtOnce; settled++) {
    const std::unique_ptr<Job> finished = jobs_.take_finished();
    if (finished == nullptr) break;
    const auto* job = static_cast<const NodeJob*>(finished.get());
    napi_value value = nullptr;
    if (job->status() == CK_OK) {
      napi_get_undefined(env, &value);
      napi_resolve_deferred(env, job->deferred, value);
    } else {
      value = make_error(env, status_name(job->status()), outcome_of(job->status()).why);
      napi_reject_deferred(env, job->deferred, value);
    }
    napi_delete_reference(env, job->out);
  }
  if (jobs_.pending() == 0) {
    napi_unref_threadsafe_function(env, wake_);
  } else if (settled == kSettledAtOnce) {
    notify(this);  // there may be more, of which the notice has been used up
  }
}

Napi::Value Environment::run_async(Napi::Env env, double id, Backlog::Place place, Napi::Value out, Work work) {
  auto job = std::make_unique<NodeJob>(id, std::move(place), std::move(work));
  napi_ref reference = nullptr;
  if (napi_create_reference(env, out, 1, &reference) != napi_ok) {
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "no reference can be made"));
  }
  job->out = reference;
  napi_value promise = nullptr;
  napi_deferred deferred = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) {
    napi_delete_reference(env, reference);
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "no promise can be made"));
  }
  job->deferred = deferred;
  const bool first = jobs_.pending() == 0;
  std::unique_ptr<Job> submitted = std::move(job);
  if (!jobs_.submit(&submitted)) {
    napi_delete_reference(env, reference);
    napi_resolve_deferred(env, deferred, env.Undefined());  // nobody has seen it
    return finish(env, Outcome::failure(CK_OUT_OF_MEMORY, "no thread or no memory for the call"));
  }
  if (first) napi_ref_threadsafe_function(env, wake_);
  return Napi::Value(env, promise);
}

}  // namespace convkit
