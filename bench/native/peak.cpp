// What the machine can do at most, measured beside the contestants: fused multiply-adds a second, and bytes read or
// copied.
//
//   peak <threads> [instruction set]
//
// Reads one request a line ({"do":"float32"}, "float64", "read", "copy" or "about") and answers each with a line of
// JSON. "read" and "copy" take "bytes": so much memory in all, over and over, and thus from the cache that holds it.
// Without it they go once through far more than any cache holds.
//
// The multiply-adds are those of native/addon/fma_peak.h.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "../../native/addon/fma_peak.h"
#include "request.h"

namespace {

using namespace convkit::peak;

// The sum of all words, read in whole vectors.
using Reader = std::uint64_t (*)(const std::uint64_t* from, std::size_t words);

#define DEFINE_READER(NAME, TARGET, BYTES)                                                   \
  TARGET std::uint64_t NAME(const std::uint64_t* from, std::size_t words) {                  \
    typedef std::uint64_t Vector __attribute__((vector_size(BYTES), aligned(8), may_alias)); \
    constexpr std::size_t kLanes = BYTES / 8;                                                \
    Vector sums[8] = {};                                                                     \
    for (std::size_t i = 0; i + 8 * kLanes <= words; i += 8 * kLanes) {                      \
      _Pragma("GCC unroll 8") for (std::size_t j = 0; j < 8; j++) {                          \
        sums[j] += *reinterpret_cast<const Vector*>(from + i + j * kLanes);                  \
      }                                                                                      \
    }                                                                                        \
    std::uint64_t total = 0;                                                                 \
    for (const Vector& sum : sums) {                                                         \
      for (std::size_t lane = 0; lane < kLanes; lane++) total += sum[lane];                  \
    }                                                                                        \
    return total;                                                                            \
  }

#if defined(__x86_64__)
DEFINE_READER(avx512Read, CONVKIT_TARGET_AVX512, 64)
DEFINE_READER(avx2Read, CONVKIT_TARGET_AVX2, 32)
#endif
DEFINE_READER(baseRead, , 16)

using FloatSet = InstructionSet<float>;

Reader readerOf(const FloatSet& set) {
#if defined(__x86_64__)
  if (set.bytes == 64) return avx512Read;
  if (set.bytes == 32) return avx2Read;
#endif
  return set.bytes == 16 ? baseRead : nullptr;
}

bool runs(const FloatSet& set) {
#if defined(__x86_64__)
  if (set.bytes == 64) return __builtin_cpu_supports("avx512f") != 0;
  if (set.bytes == 32) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return set.bytes == 16;
}

// Runs the same measurement on every thread at the same time and adds up what they achieve.
double onThreads(int count, const std::function<double(int)>& measure) {
  std::vector<double> rates(static_cast<std::size_t>(count));
  std::vector<std::thread> others;
  for (int i = 1; i < count; i++) {
    others.emplace_back([&, i] { rates[static_cast<std::size_t>(i)] = measure(i); });
  }
  rates[0] = measure(0);
  for (std::thread& other : others) other.join();
  double total = 0;
  for (double rate : rates) total += rate;
  return total;
}

volatile double sink;

// Far more than any cache holds, shared out among the threads.
constexpr std::size_t kBufferWords = std::size_t{32} << 20;

class Memory {
 public:
  Memory(int threads, Reader reader) : threads_(static_cast<std::size_t>(threads)), reader_(reader) {}

  // GB/s of one thread over its share of `bytes`.
  double read(int thread, std::size_t bytes) const {
    const std::size_t words = share(bytes, 1);
    const std::uint64_t* from = source_.data() + offset(thread);
    return best(bytes, words * 8, [&] { sink = static_cast<double>(reader_(from, words)); });
  }

  // Half of the bytes are read, half are written.
  double copy(int thread, std::size_t bytes) {
    const std::size_t words = share(bytes, 2);
    const std::uint64_t* from = source_.data() + offset(thread);
    std::uint64_t* to = target_.data() + offset(thread);
    return best(bytes, words * 16, [&] { std::memcpy(to, from, words * 8); });
  }

 private:
  std::size_t offset(int thread) const { return kBufferWords / threads_ * static_cast<std::size_t>(thread); }

  // Words of one thread in one of so many buffers; all of it for 0 bytes.
  std::size_t share(std::size_t bytes, std::size_t buffers) const {
    const std::size_t most = kBufferWords / threads_;
    return bytes == 0 ? most : std::clamp<std::size_t>(bytes / 8 / buffers / threads_, 64, most);
  }

  // Bursts long enough for the clock, for some milliseconds: whatever else runs can only make one slower.
  template <typename Pass>
  static double best(std::size_t asked, std::size_t bytes, Pass pass) {
    const std::size_t repeats = asked == 0 ? 1 : std::max<std::size_t>(1, (std::size_t{4} << 20) / bytes);
    double rate = 0;
    const Clock::time_point begin = Clock::now();
    do {
      const Clock::time_point start = Clock::now();
      for (std::size_t i = 0; i < repeats; i++) pass();
      rate = std::max(rate, static_cast<double>(bytes * repeats) / seconds_since(start) / 1e9);
    } while (asked != 0 && seconds_since(begin) < 0.005);
    return rate;
  }

  std::size_t threads_;
  Reader reader_;
  std::vector<std::uint64_t> source_ = std::vector<std::uint64_t>(kBufferWords, 1);
  std::vector<std::uint64_t> target_ = std::vector<std::uint64_t>(kBufferWords, 2);
};

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  const std::string wanted = argc > 2 ? argv[2] : "";
  const std::vector<FloatSet> all = instruction_sets<float>();
  const auto found = std::find_if(
      all.begin(), all.end(), [&](const FloatSet& set) { return runs(set) && (wanted.empty() || wanted == set.name); });
  if (found == all.end()) {
    std::fprintf(stderr, "peak: instruction set %s cannot run here\n", wanted.c_str());
    return 1;
  }
  const FloatSet& set = *found;
  const InstructionSet<double> ofDouble = instruction_sets<double>()[static_cast<std::size_t>(found - all.begin())];
  Memory memory(threads, readerOf(set));

  std::string line;
  while (std::getline(std::cin, line)) {
    const bench::Request request(line);
    const std::string wish = request.text("do");
    if (wish == "about") {
      std::printf("{\"isa\":\"%s\"}\n", set.name);
    } else {
      const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(0, request.number("bytes")));
      const double value = onThreads(threads, [&](int thread) {
        if (wish == "float32") return multiply_adds(set);
        if (wish == "float64") return multiply_adds(ofDouble);
        return wish == "read" ? memory.read(thread, bytes) : memory.copy(thread, bytes);
      });
      std::printf("{\"value\":%.2f}\n", value);
    }
    std::fflush(stdout);
  }
}
