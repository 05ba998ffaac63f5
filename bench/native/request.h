// Just enough of JSON to read the driver's requests, and a line of layers.json: flat keys, numbers, arrays of numbers,
// strings without escapes.
#ifndef CONVKIT_BENCH_REQUEST_H
#define CONVKIT_BENCH_REQUEST_H

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace bench {

class Request {
 public:
  explicit Request(std::string line) : line_(std::move(line)) {}

  // Empty where the key is absent. A single number counts as an array of one.
  std::vector<std::int64_t> numbers(const char* key) const {
    std::vector<std::int64_t> values;
    const char* at = find(key);
    if (at == nullptr) return values;
    if (*at == '[') at++;
    for (char* end = nullptr;; at = end + (*end == ',' ? 1 : 0)) {
      const long long value = std::strtoll(at, &end, 10);
      if (end == at) return values;
      values.push_back(value);
      if (*end != ',') return values;
    }
  }

  std::int64_t number(const char* key, std::int64_t otherwise = 0) const {
    const std::vector<std::int64_t> values = numbers(key);
    return values.empty() ? otherwise : values[0];
  }

  std::string text(const char* key) const {
    const char* at = find(key);
    if (at == nullptr || *at != '"') return std::string();
    const std::string rest(at + 1);
    return rest.substr(0, rest.find('"'));
  }

 private:
  // What stands behind "key": and blanks, or null.
  const char* find(const char* key) const {
    const std::string quoted = '"' + std::string(key) + "\":";
    const std::size_t at = line_.find(quoted);
    if (at == std::string::npos) return nullptr;
    const char* value = line_.c_str() + at + quoted.size();
    return value + std::strspn(value, " ");
  }

  std::string line_;
};

}  // namespace bench
#endif
