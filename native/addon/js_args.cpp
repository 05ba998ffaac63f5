#include "js_args.h"

#include <cinttypes>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace convkit {

namespace {

double nothing = 0;  // what an empty array points to

}  // namespace

// napi_get_typedarray_info answers for every kind of view: it gives the length of now for a length-tracking array, and
// 0 for one that is detached or has fallen out of its buffer. Of anything else it says that it is none.
FloatView float_view(napi_env env, napi_value value) {
  FloatView view;
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      (type != napi_float32_array && type != napi_float64_array)) {
    return view;
  }
  view.data = data == nullptr ? &nothing : data;
  view.length = static_cast<int64_t>(length);
  view.type = type == napi_float32_array ? CK_FLOAT32 : CK_FLOAT64;
  return view;
}

void Args::complain(const char* why) {
  if (outcome_.ok()) outcome_ = Outcome::failure(CK_INVALID, why);
}

void Args::complain_of(const char* format, ...) {
  char why[sizeof(Outcome::why)];
  va_list values;
  va_start(values, format);
  std::vsnprintf(why, sizeof why, format, values);
  va_end(values);
  complain(why);
}

void Args::settle(const Outcome& outcome) {
  if (outcome_.ok()) outcome_ = outcome;
}

double Args::number(size_t index) {
  double number = NAN;
  if (napi_get_value_double(env(), value(index), &number) != napi_ok) complain("expected a number");
  return number;
}

std::string Args::text(size_t index) {
  char text[64];
  size_t length = 0;
  if (napi_get_value_string_utf8(env(), value(index), text, sizeof text, &length) != napi_ok) {
    complain("expected a string");
    return std::string();
  }
  return std::string(text, length);
}

FloatView Args::floats(size_t index, const char* name) {
  const FloatView view = float_view(env(), value(index));
  if (view.data == nullptr) complain_of("%s: expected a Float32Array or Float64Array", name);
  return view;
}

FloatView Args::optional_floats(size_t index, const char* name) {
  return value(index).IsUndefined() ? FloatView() : floats(index, name);
}

const double* Args::numbers(size_t index, size_t fields) {
  const FloatView view = floats(index, "record");
  if (view.data == nullptr || view.type != CK_FLOAT64 || view.length < static_cast<int64_t>(fields)) {
    complain("the record is too short");
    return nullptr;
  }
  return static_cast<const double*>(view.data);
}

void Args::expect(const FloatView& view, int32_t type, int64_t length, const char* name) {
  if (view.data == nullptr) return;  // complained about before, or optional
  if (view.type != type) complain_of("%s has another type than the problem", name);
  if (view.length == length) return;
  complain_of("%s: expected %" PRId64 " elements, received %" PRId64, name, length, view.length);
}

const char* status_name(ck_status status) {
  switch (status) {
    case CK_OK:
      return "CK_OK";
    case CK_INVALID:
      return "CK_INVALID";
    case CK_OUT_OF_MEMORY:
      return "CK_OUT_OF_MEMORY";
    case CK_UNSUPPORTED:
      return "CK_UNSUPPORTED";
    case CK_CANCELLED:
      return "CK_CANCELLED";
  }
  return "CK_INVALID";
}

Outcome outcome_of(ck_status status) {
  switch (status) {
    case CK_OK:
      return Outcome();
    case CK_OUT_OF_MEMORY:
      return Outcome::failure(status, "out of memory");
    case CK_CANCELLED:
      return Outcome::failure(status, "cancelled");
    default:
      return Outcome::failure(status, "the core refused its operands");
  }
}

void define(napi_env env, napi_value object, const char* name, napi_value value) {
  const napi_property_descriptor property = {name,   nullptr, nullptr, nullptr, nullptr, value, napi_default_jsproperty,
                                             nullptr};
  napi_define_properties(env, object, 1, &property);
}

napi_value make_error(napi_env env, const char* code, const char* message) {
  napi_value error = nullptr, text = nullptr, word = nullptr;
  if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) != napi_ok ||
      napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &word) != napi_ok ||
      napi_create_error(env, nullptr, text, &error) != napi_ok) {
    return nullptr;
  }
  define(env, error, "code", word);
  return error;
}

Napi::Value finish(Napi::Env env, const Outcome& outcome) {
  if (!outcome.ok()) napi_throw(env, make_error(env, status_name(outcome.status), outcome.why));
  return env.Undefined();
}

}  // namespace convkit
