// The functions that addon.cpp exports: each reads its arguments, checks them against the call record, and runs or
// enqueues.
#ifndef CONVKIT_ADDON_CALLS_H
#define CONVKIT_ADDON_CALLS_H

#include "js_args.h"

namespace convkit {

Napi::Value version(const Napi::CallbackInfo& info);
Napi::Value isas(const Napi::CallbackInfo& info);
Napi::Value algorithms(const Napi::CallbackInfo& info);
Napi::Value set_isa(const Napi::CallbackInfo& info);
Napi::Value threads(const Napi::CallbackInfo& info);
Napi::Value set_threads(const Napi::CallbackInfo& info);
Napi::Value default_threads(const Napi::CallbackInfo& info);
Napi::Value set_backlog(const Napi::CallbackInfo& info);

Napi::Value peak_rate(const Napi::CallbackInfo& info);
Napi::Value plan(const Napi::CallbackInfo& info);
Napi::Value run(const Napi::CallbackInfo& info);
Napi::Value run_async(const Napi::CallbackInfo& info);
Napi::Value bias_gradient(const Napi::CallbackInfo& info);
Napi::Value bias_gradient_async(const Napi::CallbackInfo& info);
Napi::Value prepare(const Napi::CallbackInfo& info);
Napi::Value set_size(const Napi::CallbackInfo& info);
Napi::Value runner(const Napi::CallbackInfo& info);
Napi::Value run_prepared_async(const Napi::CallbackInfo& info);
Napi::Value external_memory(const Napi::CallbackInfo& info);
Napi::Value dispose(const Napi::CallbackInfo& info);
Napi::Value cancel(const Napi::CallbackInfo& info);

}  // namespace convkit
#endif
