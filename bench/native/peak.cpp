// What the machine can do at most, measured beside the contestants: fused multiply-adds a second, and bytes read or
// copied.
//
//   peak <threads> [instruction set]
//
// Reads one request a line ({"do":"float32"}, "float64", "read", "copy" or "about") and answers each with a line of
// JSON. "read" and "copy" take "bytes": so much memory in all, over and over, and thus from the cache that holds it.
// Without it they go once through far more than any cache holds.
//
// The multiply-adds run in chains that do not wait for each other: a core finishes one in about four cycles and starts
// up to four in a cycle, so that sixteen chains keep it busy (twelve where there are only sixteen registers, the
// operands included).
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

#include "request.h"

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Does `steps` steps on every chain and returns a value that depends on all of them, so that none can be left out.
template <typename Scalar>
using Chains = Scalar (*)(std::int64_t steps, Scalar factor, Scalar addend);

// A macro rather than a template: the vector type must be lowered inside the function that carries the target
// attribute.
#define DEFINE_CHAINS(NAME, TARGET, SCALAR, BYTES, CHAINS)                                                   \
  TARGET SCALAR NAME(std::int64_t steps, SCALAR factor, SCALAR addend) {                                     \
    typedef SCALAR Vector __attribute__((vector_size(BYTES)));                                               \
    const Vector factors = Vector{} + factor;                                                                \
    const Vector addends = Vector{} + addend;                                                                \
    Vector chain[CHAINS];                                                                                    \
    for (int i = 0; i < CHAINS; i++) chain[i] = addends * SCALAR(i);                                         \
    for (std::int64_t step = 0; step < steps; step++) {                                                      \
      _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++) { chain[i] = chain[i] * factors + addends; } \
    }                                                                                                        \
    Vector sum = {};                                                                                         \
    for (int i = 0; i < CHAINS; i++) sum += chain[i];                                                        \
    SCALAR total = 0;                                                                                        \
    for (unsigned i = 0; i < BYTES / sizeof(SCALAR); i++) total += sum[i];                                   \
    return total;                                                                                            \
  }

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

struct InstructionSet {
  const char* name;
  bool runs;
  int bytes;
  int chains;
  Chains<float> float32;
  Chains<double> float64;
  Reader read;
};

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f,fma")))
#define AVX2 __attribute__((target("avx2,fma")))
DEFINE_CHAINS(avx512Float32, AVX512, float, 64, 16)
DEFINE_CHAINS(avx512Float64, AVX512, double, 64, 16)
DEFINE_CHAINS(avx2Float32, AVX2, float, 32, 12)
DEFINE_CHAINS(avx2Float64, AVX2, double, 32, 12)
DEFINE_READER(avx512Read, AVX512, 64)
DEFINE_READER(avx2Read, AVX2, 32)
#endif
// The compiler's own target: NEON on arm64 (which has fused multiply-adds), SSE2 on x86-64 (a multiplication and an
// addition).
DEFINE_CHAINS(baseFloat32, , float, 16, 12)
DEFINE_CHAINS(baseFloat64, , double, 16, 12)
DEFINE_READER(baseRead, , 16)

std::vector<InstructionSet> instructionSets() {
  return {
#if defined(__x86_64__)
    {"avx512", __builtin_cpu_supports("avx512f") != 0, 64, 16, avx512Float32, avx512Float64, avx512Read},
        {"avx2",  __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), 32, 12, avx2Float32, avx2Float64,
         avx2Read},
#elif defined(__aarch64__)
    {"neon", true, 16, 12, baseFloat32, baseFloat64, baseRead},
#endif
        {"portable", true, 16, 12, baseFloat32, baseFloat64, baseRead},
  };
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

// GFLOP/s, the best of some bursts of about a millisecond: whatever else runs can only make it less.
template <typename Scalar>
double multiplyAdds(Chains<Scalar> chains, int bytes, int count) {
  constexpr std::int64_t kSteps = 100000;
  const double flops = 2.0 * kSteps * count * bytes / static_cast<double>(sizeof(Scalar));
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    sink = static_cast<double>(chains(kSteps, Scalar(0.999), Scalar(0.001)));
    best = std::max(best, flops / secondsSince(start) / 1e9);
  } while (secondsSince(begin) < 0.015);
  return best;
}

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
      rate = std::max(rate, static_cast<double>(bytes * repeats) / secondsSince(start) / 1e9);
    } while (asked != 0 && secondsSince(begin) < 0.005);
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
  const std::vector<InstructionSet> all = instructionSets();
  const auto found = std::find_if(all.begin(), all.end(), [&](const InstructionSet& set) {
    return set.runs && (wanted.empty() || wanted == set.name);
  });
  if (found == all.end()) {
    std::fprintf(stderr, "peak: instruction set %s cannot run here\n", wanted.c_str());
    return 1;
  }
  const InstructionSet& set = *found;
  Memory memory(threads, set.read);

  std::string line;
  while (std::getline(std::cin, line)) {
    const bench::Request request(line);
    const std::string wish = request.text("do");
    if (wish == "about") {
      std::printf("{\"isa\":\"%s\"}\n", set.name);
    } else {
      const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(0, request.number("bytes")));
      const double value = onThreads(threads, [&](int thread) {
        if (wish == "float32") return multiplyAdds(set.float32, set.bytes, set.chains);
        if (wish == "float64") return multiplyAdds(set.float64, set.bytes, set.chains);
        return wish == "read" ? memory.read(thread, bytes) : memory.copy(thread, bytes);
      });
      std::printf("{\"value\":%.2f}\n", value);
    }
    std::fflush(stdout);
  }
}
