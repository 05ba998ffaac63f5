/* What stands behind the opaque types of Node-API in addon_host.cpp: a value, an environment. */
#ifndef CONVKIT_TEST_ADDON_HOST_H
#define CONVKIT_TEST_ADDON_HOST_H

#include <node_api.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

struct napi_value__ {
  napi_valuetype type = napi_undefined;
  double number = 0;
  std::string text;                          /* of a string, an error's message, and of a promise once it has settled */
  std::map<std::string, napi_value> members; /* of an object; of an array by number */
  std::function<void *(size_t *)> elements{}; /* of a Float32Array or Float64Array */
  napi_typedarray_type element_type = napi_int8_array;
  napi_callback function = nullptr;
  void *data = nullptr;
};

struct napi_callback_info__ {
  std::vector<napi_value> arguments;
  void *data;
};

struct napi_threadsafe_function__ {
  napi_threadsafe_function_call_js call = nullptr;
  void *context = nullptr;
  std::mutex mutex;
  std::condition_variable called;
  int calls = 0;
};

struct napi_env__ {
  std::deque<napi_value__> values;
  std::string thrown; /* code: message */
  void *instance = nullptr;
  napi_finalize finalize_instance = nullptr;
  void (*at_exit)(void *) = nullptr;
  void *at_exit_data = nullptr;
  napi_threadsafe_function__ wake;

  napi_value make(napi_valuetype type) {
    values.emplace_back();
    values.back().type = type;
    return &values.back();
  }
  napi_value number(double value) {
    const napi_value made = make(napi_number);
    made->number = value;
    return made;
  }
  napi_value string(const char *text, size_t length = NAPI_AUTO_LENGTH) {
    const napi_value made = make(napi_string);
    made->text = length == NAPI_AUTO_LENGTH ? std::string(text) : std::string(text, length);
    return made;
  }
  template <typename T>
  napi_value array(std::vector<T> *from) {
    const napi_value made = make(napi_object);
    made->element_type = sizeof(T) == 4 ? napi_float32_array : napi_float64_array;
    made->elements = [from](size_t *length) {
      *length = from->size();
      return static_cast<void *>(from->data());
    };
    return made;
  }
};

#endif
