#include "calls.h"

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <utility>

#include "environment.h"
#include "pool.h"
#include "prepared_object.h"
#include "run_call.h"

namespace convkit {

namespace {

constexpr double kMostExact = 9007199254740991.0;

bool read_record(Args* args, size_t index, RunCall* call, const double** fields) {
  *fields = args->numbers(index, kRecordFields);
  if (!args->good()) return false;
  const char* complaint = decode_record(*fields, &call->record);
  if (complaint != nullptr) args->complain(complaint);
  return args->good();
}

void read_epilogue(Args* args, size_t index, const CallRecord& record, int32_t type, int64_t channels,
                   Epilogue* epilogue) {
  const FloatView bias = args->optional_floats(index, "bias");
  const FloatView slope = args->optional_floats(index + 1, "slope");
  args->expect(bias, type, channels, "bias");
  args->expect(slope, type, channels, "slope");
  if ((record.activation == CK_PRELU) != (slope.data != nullptr)) args->complain("slope belongs to prelu");
  *epilogue = {record.activation, record.a, record.b, bias.data, slope.data};
}

// record, first, second, out, bias?, slope?, from argument `from` on
void read_run(Args* args, size_t from, RunCall* call) {
  const double* fields = nullptr;
  if (!read_record(args, from, call, &fields)) return;
  const CallRecord& record = call->record;
  const int32_t type = record.problem.image_type;
  const FloatView first = args->floats(from + 1, "the first operand");
  const FloatView second = args->floats(from + 2, "the second operand");
  const FloatView out = args->floats(from + 3, "the result");
  args->expect(first, type, record.first_length(), "the first operand");
  args->expect(second, type, record.second_length(), "the second operand");
  args->expect(out, type, record.out_length(), "the result");
  read_epilogue(args, from + 4, record, type, record.out_channels(), &call->epilogue);
  call->first = first.data;
  call->second = second.data;
  call->out = out.data;
  if (!args->good()) return;
  args->settle(Environment::of(args->env())->plans().find(fields, record, false, &call->plan));
}

// Null after a complaint.
PreparedObject* read_handle(Args* args, size_t index) {
  PreparedObject* object = PreparedObject::of(args->env(), args->value(index));
  if (object != nullptr && object->prepared() != nullptr) return object;
  args->complain("the prepared weights have been disposed of");
  return nullptr;
}

// record, gradient, out, from argument `from` on
void read_bias(Args* args, size_t from, BiasCall* call) {
  const double* fields = args->numbers(from, kBiasFields);
  if (!args->good()) return;
  const char* complaint = decode_bias_record(fields, &call->record);
  if (complaint != nullptr) return args->complain(complaint);
  const FloatView gradient = args->floats(from + 1, "the gradient");
  const FloatView out = args->floats(from + 2, "the result");
  args->expect(gradient, gradient.type, call->record.length, "the gradient");
  args->expect(out, gradient.type, call->record.channels, "the result");
  call->type = gradient.type;
  call->gradient = gradient.data;
  call->out = out.data;
}

// 'CK_QUEUE_FULL', with how much is under way: what the message of lib/node/backlog.ts begins with.
Napi::Value queue_full(Napi::Env env, bool quick) {
  const Backlog::Amount amount = Backlog::instance().under_way(quick);
  char message[64];
  std::snprintf(message, sizeof message, "%" PRId64 " calls with %" PRId64 " MiB", amount.calls, amount.bytes >> 20);
  napi_throw(env, make_error(env, "CK_QUEUE_FULL", message));
  return env.Undefined();
}

// What the caller calls a pending call: any number that equals itself.
double read_id(Args* args) {
  const double id = args->number(0);
  if (std::isnan(id)) args->complain("expected a number");
  return id;
}

// Finds a place, copies the operands and hands the call to the pool. std::function wants copyable work, hence the
// shared call.
template <typename Call>
Napi::Value enqueue(const Args& args, double id, size_t out_index, std::shared_ptr<Call> call) {
  if (!args.good()) return finish(args.env(), args.outcome());
  Backlog::Place place = Backlog::instance().take(call->quick(), call->bytes());
  if (!place) return queue_full(args.env(), call->quick());
  if (!call->own_operands()) return finish(args.env(), outcome_of(CK_OUT_OF_MEMORY));
  return Environment::of(args.env())
      ->run_async(args.env(), id, std::move(place), args.value(out_index),
                  [call = std::move(call)](const std::atomic<bool>* cancelled) { return call->execute(cancelled); });
}

Napi::Array names(Napi::Env env, int32_t count, const char* (*name)(int32_t)) {
  Napi::Array list = Napi::Array::New(env);
  for (int32_t i = 0; i < count; i++) list.Set(static_cast<uint32_t>(i), name(i));
  return list;
}

int32_t thread_count(Args* args) {
  const double count = args->number(0);
  if (!(count >= 1 && count <= kMaxThreads)) args->complain("expected 1 to 1024 threads");
  return args->good() ? static_cast<int32_t>(count) : 1;
}

}  // namespace

Napi::Value version(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), CONVKIT_VERSION); }

Napi::Value isas(const Napi::CallbackInfo& info) { return names(info.Env(), ck_isa_count(), ck_isa_name); }

Napi::Value algorithms(const Napi::CallbackInfo& info) {
  return names(info.Env(), ck_algorithm_count(), ck_algorithm_name);
}

// setIsa(name): one of isas()
Napi::Value set_isa(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string wanted = args.text(0);
  int32_t index = 0;
  while (index < ck_isa_count() && wanted != ck_isa_name(index)) index++;
  if (index == ck_isa_count()) args.complain("no such instruction set here");
  if (args.good()) Environment::of(args.env())->plans().set_isa(wanted);
  return finish(args.env(), args.outcome());
}

Napi::Value threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Pool::instance().threads());
}

// setThreads(count)
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  Args args(info);
  const int32_t count = thread_count(&args);
  if (args.good()) Pool::instance().set_threads(count);
  return finish(args.env(), args.outcome());
}

// defaultThreads(count): for the first environment of the process to say
Napi::Value default_threads(const Napi::CallbackInfo& info) {
  Args args(info);
  const int32_t count = thread_count(&args);
  if (args.good()) Pool::instance().default_threads(count);
  return finish(args.env(), args.outcome());
}

// setBacklog(calls, bytes): how much may be under way, of the process
Napi::Value set_backlog(const Napi::CallbackInfo& info) {
  Args args(info);
  const double calls = args.number(0), bytes = args.number(1);
  if (!(calls >= 1 && calls <= kMostExact && bytes >= 0 && bytes <= kMostExact)) args.complain("expected two amounts");
  if (args.good()) Backlog::instance().set_limits({static_cast<int64_t>(calls), static_cast<int64_t>(bytes)});
  return finish(args.env(), args.outcome());
}

// plan(record, prepared?) -> { id, algorithm, reason, refused, workspaceBytes }
Napi::Value plan(const Napi::CallbackInfo& info) {
  Args args(info);
  RunCall call;
  const double* fields = nullptr;
  if (read_record(&args, 0, &call, &fields)) {
    const bool prepared = info[1].IsBoolean() && info[1].As<Napi::Boolean>().Value();
    args.settle(Environment::of(args.env())->plans().find(fields, call.record, prepared, &call.plan));
  }
  if (!args.good()) return finish(args.env(), args.outcome());
  const ck_plan_info& details = call.plan->info();
  const Napi::Env env = info.Env();
  const Napi::Object result = Napi::Object::New(env);
  const auto tell = [&](const char* name, const char* text) {
    define(env, result, name, Napi::String::New(env, text));
  };
  tell("id", details.id);
  tell("algorithm", details.algorithm);
  tell("reason", details.reason);
  tell("refused", details.refused);
  define(env, result, "workspaceBytes", Napi::Number::New(env, static_cast<double>(details.workspace_bytes)));
  return result;
}

// run(record, first, second, out, bias?, slope?)
Napi::Value run(const Napi::CallbackInfo& info) {
  Args args(info);
  RunCall call;
  read_run(&args, 0, &call);
  if (!args.good()) return finish(args.env(), args.outcome());
  return finish(args.env(), outcome_of(call.execute(nullptr)));
}

// runAsync(id, record, first, second, out, bias?, slope?) -> Promise<void>
Napi::Value run_async(const Napi::CallbackInfo& info) {
  Args args(info);
  const double id = read_id(&args);
  auto call = std::make_shared<RunCall>();
  read_run(&args, 1, call.get());
  return enqueue(args, id, 4, std::move(call));
}

// biasGradient(record, gradient, out)
Napi::Value bias_gradient(const Napi::CallbackInfo& info) {
  Args args(info);
  BiasCall call;
  read_bias(&args, 0, &call);
  if (!args.good()) return finish(args.env(), args.outcome());
  return finish(args.env(), outcome_of(call.execute(nullptr)));
}

// biasGradientAsync(id, record, gradient, out) -> Promise<void>
Napi::Value bias_gradient_async(const Napi::CallbackInfo& info) {
  Args args(info);
  const double id = read_id(&args);
  auto call = std::make_shared<BiasCall>();
  read_bias(&args, 1, call.get());
  return enqueue(args, id, 3, std::move(call));
}

// prepare(record, weights, bias?, slope?) -> handle. Of the record only what follows the problem counts.
Napi::Value prepare(const Napi::CallbackInfo& info) {
  Args args(info);
  CallRecord record = {};
  const double* fields = args.numbers(0, kRecordFields);
  if (args.good()) {
    const char* complaint = decode_call(fields, &record);
    if (complaint != nullptr || record.pass == CK_WEIGHT_GRADIENT) args.complain("no call to prepare");
  }
  const FloatView weights = args.floats(1, "weights");
  const FloatView bias = args.optional_floats(2, "bias");
  const FloatView slope = args.optional_floats(3, "slope");
  const int64_t channels = bias.data != nullptr ? bias.length : slope.data != nullptr ? slope.length : -1;
  Epilogue epilogue;
  read_epilogue(&args, 2, record, weights.type, channels, &epilogue);
  if (!args.good()) return finish(args.env(), args.outcome());
  std::shared_ptr<Prepared> prepared =
      Prepared::create(record, weights.type, weights.data, weights.length, epilogue, channels);
  if (prepared == nullptr) return finish(args.env(), outcome_of(CK_OUT_OF_MEMORY));
  return PreparedObject::create(args.env(), std::move(prepared));
}

// setSize(handle, record): what the runs after it compute
Napi::Value set_size(const Napi::CallbackInfo& info) {
  Args args(info);
  PreparedObject* object = read_handle(&args, 0);
  RunCall call;
  const double* fields = nullptr;
  if (!read_record(&args, 1, &call, &fields)) return finish(args.env(), args.outcome());
  const CallRecord& record = call.record;
  const Prepared& prepared = *object->prepared();
  if (record.pass != prepared.pass() || record.algorithm != prepared.algorithm() ||
      record.problem.image_type != prepared.type() || record.weight_length != prepared.weight_length() ||
      (prepared.channels() >= 0 && prepared.channels() != record.out_channels())) {
    args.complain("the problem does not fit the prepared weights");
  }
  if (args.good()) args.settle(object->set_size(args.env(), fields, record));
  return finish(args.env(), args.outcome());
}

// runner(handle) -> (input, out) => undefined, for the size that has been set at the time of each call
Napi::Value runner(const Napi::CallbackInfo& info) {
  Args args(info);
  PreparedObject* object = read_handle(&args, 0);
  return args.good() ? object->runner(args.env()) : finish(args.env(), args.outcome());
}

// runPreparedAsync(id, handle, input, out) -> Promise<void>
Napi::Value run_prepared_async(const Napi::CallbackInfo& info) {
  Args args(info);
  const double id = read_id(&args);
  PreparedObject* object = read_handle(&args, 1);
  const FloatView input = args.floats(2, "the input"), out = args.floats(3, "the result");
  const RunCall* sized = nullptr;
  if (args.good()) args.settle(object->sized_call(args.env(), &sized));
  if (!args.good()) return finish(args.env(), args.outcome());
  object->report_memory(args.env());  // what earlier calls have packed
  auto call = std::make_shared<RunCall>();
  call->record = sized->record;
  call->plan = sized->plan;
  call->prepared = sized->prepared;
  const int32_t type = call->record.problem.image_type;
  args.expect(input, type, call->record.first_length(), "the input");
  args.expect(out, type, call->record.out_length(), "the result");
  call->first = input.data;
  call->out = out.data;
  return enqueue(args, id, 3, std::move(call));
}

// externalMemory() -> bytes that V8 has been told of: array buffers, and packed weights
Napi::Value external_memory(const Napi::CallbackInfo& info) {
  int64_t total = 0;
  napi_adjust_external_memory(info.Env(), 0, &total);
  return Napi::Number::New(info.Env(), static_cast<double>(total));
}

// dispose(handle): the memory goes with the last call under way
Napi::Value dispose(const Napi::CallbackInfo& info) {
  PreparedObject* object = PreparedObject::of(info.Env(), info[0]);
  if (object != nullptr) object->dispose(info.Env());
  return info.Env().Undefined();
}

// cancel(id): the promise is rejected with CK_CANCELLED, unless the work is done already
Napi::Value cancel(const Napi::CallbackInfo& info) {
  Args args(info);
  const double id = read_id(&args);
  if (args.good()) Environment::of(args.env())->cancel(id);
  return finish(args.env(), args.outcome());
}

}  // namespace convkit
