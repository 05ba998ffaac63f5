/* A host of the addon other than Node, for systems that no Node can be had for: loads the file, offers it the part of
 * Node-API that it needs for the calls below, and looks at their results and at the stacks of the threads it starts.
 *
 *     addon_host convkit.node
 *          |
 *          | dlopen: every symbol must be found, here or in the C library
 *          | napi_register_module_v1 -> version(), isas(), threads()
 *          | on every instruction set and algorithm: run(), runAsync() on four threads = the definition
 *          '- the environment ends: the threads are joined
 *
 * Values live until the program ends. */
#include "addon_host.h"

#include <dlfcn.h>
#include <pthread.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "addon_host: %s\n", what.c_str());
  std::exit(1);
}

/* code: message */
std::string describe(napi_value error) {
  const auto code = error->members.find("code");
  return (code == error->members.end() ? "" : code->second->text) + ": " + error->text;
}

}  // namespace

/* ---- Node-API ---- */

extern "C" {

napi_status napi_get_undefined(napi_env env, napi_value *result) {
  return *result = env->make(napi_undefined), napi_ok;
}
napi_status napi_create_double(napi_env env, double value, napi_value *result) {
  return *result = env->number(value), napi_ok;
}
napi_status napi_create_string_utf8(napi_env env, const char *text, size_t length, napi_value *result) {
  return *result = env->string(text, length), napi_ok;
}
napi_status napi_create_object(napi_env env, napi_value *result) { return *result = env->make(napi_object), napi_ok; }
napi_status napi_create_array(napi_env env, napi_value *result) { return *result = env->make(napi_object), napi_ok; }
napi_status napi_set_element(napi_env, napi_value object, uint32_t index, napi_value value) {
  return object->members[std::to_string(index)] = value, napi_ok;
}
napi_status napi_set_named_property(napi_env, napi_value object, const char *name, napi_value value) {
  return object->members[name] = value, napi_ok;
}
napi_status napi_define_properties(napi_env, napi_value object, size_t count, const napi_property_descriptor *all) {
  for (size_t i = 0; i < count; i++) object->members[all[i].utf8name] = all[i].value;
  return napi_ok;
}
napi_status napi_typeof(napi_env, napi_value value, napi_valuetype *result) { return *result = value->type, napi_ok; }
napi_status napi_get_value_double(napi_env, napi_value value, double *result) {
  *result = value->number;
  return value->type == napi_number ? napi_ok : napi_number_expected;
}
napi_status napi_get_value_string_utf8(napi_env, napi_value value, char *text, size_t size, size_t *length) {
  if (value->type != napi_string) return napi_string_expected;
  *length = static_cast<size_t>(std::snprintf(text, size, "%s", value->text.c_str()));
  return napi_ok;
}
napi_status napi_get_typedarray_info(napi_env, napi_value value, napi_typedarray_type *type, size_t *length,
                                     void **data, napi_value *, size_t *) {
  if (!value->elements) return napi_invalid_arg;
  *type = value->element_type;
  *data = value->elements(length);
  return napi_ok;
}

napi_status napi_create_function(napi_env env, const char *, size_t, napi_callback callback, void *data,
                                 napi_value *result) {
  *result = env->make(napi_function);
  (*result)->function = callback;
  (*result)->data = data;
  return napi_ok;
}
napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t *count, napi_value *arguments, napi_value *,
                             void **data) {
  const size_t given = info->arguments.size();
  if (count != nullptr && arguments != nullptr) {
    for (size_t i = 0; i < *count; i++) arguments[i] = i < given ? info->arguments[i] : env->make(napi_undefined);
  }
  if (count != nullptr) *count = given;
  if (data != nullptr) *data = info->data;
  return napi_ok;
}
napi_status napi_throw_error(napi_env env, const char *code, const char *message) {
  env->thrown = std::string(code == nullptr ? "" : code) + ": " + message;
  return napi_ok;
}
napi_status napi_throw(napi_env env, napi_value error) { return env->thrown = describe(error), napi_ok; }
napi_status napi_is_exception_pending(napi_env env, bool *result) { return *result = !env->thrown.empty(), napi_ok; }

napi_status napi_set_instance_data(napi_env env, void *data, napi_finalize finalize, void *) {
  env->instance = data;
  env->finalize_instance = finalize;
  return napi_ok;
}
napi_status napi_get_instance_data(napi_env env, void **data) { return *data = env->instance, napi_ok; }
napi_status napi_add_env_cleanup_hook(napi_env env, void (*hook)(void *), void *data) {
  env->at_exit = hook;
  env->at_exit_data = data;
  return napi_ok;
}

napi_status napi_create_threadsafe_function(napi_env env, napi_value, napi_value, napi_value, size_t, size_t, void *,
                                            napi_finalize, void *context, napi_threadsafe_function_call_js call,
                                            napi_threadsafe_function *result) {
  env->wake.call = call;
  env->wake.context = context;
  return *result = &env->wake, napi_ok;
}
napi_status napi_call_threadsafe_function(napi_threadsafe_function wake, void *, napi_threadsafe_function_call_mode) {
  const std::lock_guard<std::mutex> lock(wake->mutex);
  wake->calls++;
  wake->called.notify_one();
  return napi_ok;
}
napi_status napi_create_promise(napi_env env, napi_deferred *deferred, napi_value *promise) {
  *promise = env->make(napi_object);
  *deferred = reinterpret_cast<napi_deferred>(*promise);
  return napi_ok;
}
napi_status napi_resolve_deferred(napi_env, napi_deferred deferred, napi_value) {
  return reinterpret_cast<napi_value>(deferred)->text = "resolved", napi_ok;
}
napi_status napi_reject_deferred(napi_env, napi_deferred deferred, napi_value error) {
  return reinterpret_cast<napi_value>(deferred)->text = describe(error), napi_ok;
}
napi_status napi_create_error(napi_env env, napi_value code, napi_value message, napi_value *result) {
  *result = env->make(napi_object);
  (*result)->text = message->text;
  if (code != nullptr) (*result)->members["code"] = code;
  return napi_ok;
}

/* Nothing to do where values live until the end. */
napi_status napi_open_handle_scope(napi_env, napi_handle_scope *) { return napi_ok; }
napi_status napi_close_handle_scope(napi_env, napi_handle_scope) { return napi_ok; }
napi_status napi_ref_threadsafe_function(napi_env, napi_threadsafe_function) { return napi_ok; }
napi_status napi_unref_threadsafe_function(napi_env, napi_threadsafe_function) { return napi_ok; }
napi_status napi_create_reference(napi_env, napi_value, uint32_t, napi_ref *) { return napi_ok; }
napi_status napi_delete_reference(napi_env, napi_ref) { return napi_ok; }

/* Stands before the C library's for the addon, and sees how large a stack its threads ask for. */
static size_t smallest_stack = SIZE_MAX;
static int threads_started = 0;
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *argument) {
  using Create = int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  static const Create create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  size_t stack = 0;
  if (attributes != nullptr) pthread_attr_getstacksize(attributes, &stack);
  if (stack < smallest_stack) smallest_stack = stack;
  threads_started++;
  return create(thread, attributes, main, argument);
}
}

/* ---- the calls ---- */

namespace {

/* conv2d 32 -> 64 channels, 3 x 3, padding 1, 32 x 32: enough work for four threads. */
constexpr int kIn = 32, kOut = 64, kSide = 32, kKernel = 3, kPad = 1;
constexpr size_t kImage = size_t{kIn} * kSide * kSide, kResult = size_t{kOut} * kSide * kSide;
constexpr size_t kWeights = size_t{kOut} * kIn * kKernel * kKernel;

std::vector<double> record_of(int algorithm) {
  return {
      0,       0,
      0,       0,
      1,       1,
      kIn,     kOut, /* float32 four times, batch, groups, channels */
      1,       kSide,
      kSide,   1,
      kKernel, kKernel,
      1,       kSide,
      kSide, /* image, kernel, features */
      1,       1,
      1,       1,
      1,       1,
      0,       kPad,
      kPad, /* stride, dilation, padding */
      0,       0,
      0,       0, /* zeros around, not flipped, channels first */
      0,       static_cast<double>(algorithm),
      0,       0,
      0, /* forward, no activation */
  };
}

std::vector<float> noise(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (float &value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / static_cast<float>(1 << 23) - 1;
  }
  return values;
}

std::vector<double> definition(const std::vector<float> &image, const std::vector<float> &weights) {
  std::vector<double> result;
  for (int out = 0; out < kOut; out++) {
    for (int position = 0; position < kSide * kSide; position++) {
      double sum = 0;
      for (int tap = 0; tap < kIn * kKernel * kKernel; tap++) {
        const int row = position / kSide + tap / kKernel % kKernel - kPad;
        const int column = position % kSide + tap % kKernel - kPad;
        if (row < 0 || row >= kSide || column < 0 || column >= kSide) continue;
        const int channel = tap / (kKernel * kKernel);
        const int pixel = (channel * kSide + row) * kSide + column, weight = out * kIn * kKernel * kKernel + tap;
        sum += double{image[static_cast<size_t>(pixel)]} * double{weights[static_cast<size_t>(weight)]};
      }
      result.push_back(sum);
    }
  }
  return result;
}

class Addon {
 public:
  explicit Addon(const char *file) {
    void *const library = dlopen(file, RTLD_NOW);
    if (library == nullptr) fail(dlerror());
    using Register = napi_value (*)(napi_env, napi_value);
    const auto enroll = reinterpret_cast<Register>(dlsym(library, "napi_register_module_v1"));
    if (enroll == nullptr) fail("napi_register_module_v1 is missing");
    exports_ = enroll(&env, env.make(napi_object));
    if (!env.thrown.empty()) fail(env.thrown);
  }
  ~Addon() {
    env.at_exit(env.at_exit_data);
    env.finalize_instance(&env, env.instance, nullptr);
  }
  Addon(const Addon &) = delete;
  Addon &operator=(const Addon &) = delete;

  /* The result; what it throws is left in env.thrown. */
  napi_value call(const char *name, std::vector<napi_value> arguments) {
    const napi_value function = exports_->members[name];
    if (function == nullptr || function->type != napi_function) fail(std::string("no function ") + name);
    napi_callback_info__ info{std::move(arguments), function->data};
    env.thrown.clear();
    return function->function(&env, &info);
  }
  std::vector<std::string> names(const char *name) {
    std::vector<std::string> list;
    const std::map<std::string, napi_value> &members = call(name, {})->members;
    for (size_t i = 0; i < members.size(); i++) list.push_back(members.at(std::to_string(i))->text);
    return list;
  }
  void wait(napi_value promise) {
    while (promise->text.empty()) {
      std::unique_lock<std::mutex> lock(env.wake.mutex);
      if (!env.wake.called.wait_for(lock, std::chrono::minutes(2), [this] { return env.wake.calls > 0; })) {
        fail("a promise did not settle within two minutes");
      }
      env.wake.calls--;
      lock.unlock();
      env.wake.call(&env, nullptr, env.wake.context, nullptr);
    }
    if (promise->text != "resolved") fail(promise->text);
  }

  napi_env__ env;

 private:
  napi_value exports_;
};

void compare(const std::vector<float> &actual, const std::vector<double> &expected, const std::string &what) {
  double error = 0;
  for (size_t i = 0; i < actual.size(); i++) error = std::fmax(error, std::fabs(double{actual[i]} - expected[i]));
  bool finite = true;
  for (const float value : actual) finite = finite && std::isfinite(value);
  if (!finite || error > 1e-3) fail(what + " differs by " + std::to_string(error));
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) fail("expected the path of convkit.node");
  std::vector<float> image = noise(kImage, 1), weights = noise(kWeights, 2);
  const std::vector<double> expected = definition(image, weights);
  {
    Addon addon(argv[1]);
    napi_env__ &env = addon.env;
    std::printf("convkit %s\n", addon.call("version", {})->text.c_str());
    addon.call("setThreads", {env.number(4)});
    const std::vector<std::string> algorithms = addon.names("algorithms");
    double id = 0;
    for (const std::string &isa : addon.names("isas")) {
      addon.call("setIsa", {env.string(isa.c_str())});
      std::string done;
      for (int algorithm = -1; algorithm < static_cast<int>(algorithms.size()); algorithm++) {
        const std::string name = algorithm < 0 ? "planned" : algorithms[static_cast<size_t>(algorithm)];
        std::vector<double> record = record_of(algorithm);
        std::vector<float> out(kResult, NAN), later(out);
        addon.call("run", {env.array(&record), env.array(&image), env.array(&weights), env.array(&out)});
        if (algorithm >= 0 && env.thrown.rfind("CK_UNSUPPORTED", 0) == 0) continue;
        std::string what = isa;
        what.append(" ").append(name);
        if (!env.thrown.empty()) fail(what.append(": ").append(env.thrown));
        compare(out, expected, what);
        addon.wait(addon.call("runAsync", {env.number(++id), env.array(&record), env.array(&image), env.array(&weights),
                                           env.array(&later)}));
        if (later != out) fail(what.append(": asynchronous results are others"));
        done.append(" ").append(name);
      }
      std::printf("%-8s:%s\n", isa.c_str(), done.c_str());
    }
  }
  if (threads_started < 3) fail("no threads were started");
  if (smallest_stack < (size_t{1} << 20)) fail("a thread has a stack of " + std::to_string(smallest_stack) + " bytes");
  std::printf("%d threads, each with a stack of at least %zu KiB\n", threads_started, smallest_stack >> 10);
}
