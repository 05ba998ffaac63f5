// What the machine can do at most, measured beside the contestants: fused multiply-adds a second, and bytes read or
// copied.
//
//   peak <threads> [instruction set]
//
// Reads one request a line ({"do":"float32"}, "float64", "read", "copy" or "about") and answers each with a line of
// JSON.
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

struct InstructionSet {
  const char* name;
  bool runs;
  int bytes;
  int chains;
  Chains<float> float32;
  Chains<double> float64;
};

#if defined(__x86_64__)
#define AVX512 __attribute__((target("avx512f,fma")))
#define AVX2 __attribute__((target("avx2,fma")))
DEFINE_CHAINS(avx512Float32, AVX512, float, 64, 16)
DEFINE_CHAINS(avx512Float64, AVX512, double, 64, 16)
DEFINE_CHAINS(avx2Float32, AVX2, float, 32, 12)
DEFINE_CHAINS(avx2Float64, AVX2, double, 32, 12)
#endif
// The compiler's own target: NEON on arm64 (which has fused multiply-adds), SSE2 on x86-64 (a multiplication and an
// addition).
DEFINE_CHAINS(baseFloat32, , float, 16, 12)
DEFINE_CHAINS(baseFloat64, , double, 16, 12)

std::vector<InstructionSet> instructionSets() {
  return {
#if defined(__x86_64__)
    {"avx512", __builtin_cpu_supports("avx512f") != 0, 64, 16, avx512Float32, avx512Float64},
        {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), 32, 12, avx2Float32, avx2Float64},
#elif defined(__aarch64__)
    {"neon", true, 16, 12, baseFloat32, baseFloat64},
#endif
        {"portable", true, 16, 12, baseFloat32, baseFloat64},
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
constexpr std::size_t kBufferBytes = std::size_t{256} << 20;

class Memory {
 public:
  explicit Memory(int threads) : share_(kBufferBytes / 8 / static_cast<std::size_t>(threads)) {}

  // GB/s of one thread over its share of the buffers.
  double read(int thread) {
    const std::uint64_t* from = source_.data() + offset(thread);
    const Clock::time_point start = Clock::now();
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i + 8 <= share_; i += 8) {
      for (std::size_t j = 0; j < 8; j++) sums[j] += from[i + j];
    }
    const double rate = static_cast<double>(share_) * 8 / secondsSince(start) / 1e9;
    for (std::uint64_t sum : sums) sink = static_cast<double>(sum);
    return rate;
  }

  double copy(int thread) {
    const Clock::time_point start = Clock::now();
    std::memcpy(target_.data() + offset(thread), source_.data() + offset(thread), share_ * 8);
    return static_cast<double>(share_) * 16 / secondsSince(start) / 1e9;
  }

 private:
  std::size_t offset(int thread) const { return share_ * static_cast<std::size_t>(thread); }

  std::size_t share_;
  std::vector<std::uint64_t> source_ = std::vector<std::uint64_t>(kBufferBytes / 8, 1);
  std::vector<std::uint64_t> target_ = std::vector<std::uint64_t>(kBufferBytes / 8, 2);
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
  Memory memory(threads);

  std::string line;
  while (std::getline(std::cin, line)) {
    const auto asks = [&](const char* word) { return line.find(word) != std::string::npos; };
    if (asks("\"about\"")) {
      std::printf("{\"isa\":\"%s\"}\n", set.name);
    } else {
      const double value = onThreads(threads, [&](int thread) {
        if (asks("\"float32\"")) return multiplyAdds(set.float32, set.bytes, set.chains);
        if (asks("\"float64\"")) return multiplyAdds(set.float64, set.bytes, set.chains);
        return asks("\"read\"") ? memory.read(thread) : memory.copy(thread);
      });
      std::printf("{\"value\":%.2f}\n", value);
    }
    std::fflush(stdout);
  }
}
