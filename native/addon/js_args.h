// What comes in from JavaScript, checked here and nowhere else: typed arrays become pointer and length, call records
// become problems, statuses become errors. lib/ has validated everything before; this side trusts none of it.
#ifndef CONVKIT_ADDON_JS_ARGS_H
#define CONVKIT_ADDON_JS_ARGS_H

// A worker that is being terminated can be thrown nothing; that is no reason to abort the process.
#ifndef NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#endif
#include <napi.h>

#include <string>

#include "plans.h"
#include "record.h"

#if defined(__GNUC__)
#define CONVKIT_LIKE_PRINTF __attribute__((format(printf, 2, 3)))
#else
#define CONVKIT_LIKE_PRINTF
#endif

namespace convkit {

// A Float32Array or Float64Array, wherever its memory is: a view at any offset, of a shared, resizable or growing
// buffer.
struct FloatView {
  void* data = nullptr;  // never null once read, so that an empty array is told from a missing one
  int64_t length = 0;
  ck_type type = CK_FLOAT32;
};

// data is null unless the value is such an array.
FloatView float_view(napi_env env, napi_value value);

// The arguments of one call, read in turn. The first complaint is kept; the rest then reads as empty.
class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info) {}

  Napi::Env env() const { return info_.Env(); }
  Napi::Value value(size_t index) const { return info_[index]; }

  double number(size_t index);
  std::string text(size_t index);
  FloatView floats(size_t index, const char* name);

  // undefined gives data == nullptr
  FloatView optional_floats(size_t index, const char* name);

  // A Float64Array with at least `fields` numbers; null after a complaint.
  const double* numbers(size_t index, size_t fields);

  // Complains unless the view has this type and length.
  void expect(const FloatView& view, int32_t type, int64_t length, const char* name);
  void complain(const char* why);
  CONVKIT_LIKE_PRINTF void complain_of(const char* format, ...);
  void settle(const Outcome& outcome);  // keeps a failure of something later

  bool good() const { return outcome_.ok(); }
  const Outcome& outcome() const { return outcome_; }

 private:
  const Napi::CallbackInfo& info_;
  Outcome outcome_;
};

// 'CK_INVALID' and the like: the `code` of the errors that leave the addon.
const char* status_name(ck_status status);

// The outcome of a call that the core has run, with a text of ours.
Outcome outcome_of(ck_status status);

// Makes a property. An assignment could run a setter that somebody has put on Object.prototype.
void define(napi_env env, napi_value object, const char* name, napi_value value);

// An error with a `code`; null where none can be made.
napi_value make_error(napi_env env, const char* code, const char* message);

// Throws unless the outcome is a success; returns undefined.
Napi::Value finish(Napi::Env env, const Outcome& outcome);

}  // namespace convkit
#endif
