/* Fuzzing: bytes -> a problem and how it is run -> every algorithm on every instruction set against the base path.
 *
 *     bytes  --->  legal problem    run on guarded, poisoned memory: algorithms x instruction sets = im2col, portable
 *            |-->  hostile problem  any numbers in its fields: a plan or a typed refusal, no allocation beyond a plan's
 *            \-->  spoiled problem  NaN and infinity in an operand: nonfinite.h
 *
 * Data are small integers, so that each sum is exact: equal means equal. Transforms (winograd, fft) go through
 * fractions and must come back within a quarter of the integer. The planner's own choice is tried as well.
 *
 * Built with Clang and CONVKIT_FUZZ, coverage guides the bytes (libFuzzer's options apply). Otherwise they are random:
 *
 *     fuzz_core [--runs N] [--seed N] [--isa NAME]      or     fuzz_core FILE ...     to run recorded inputs again */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

#include "nonfinite.h"

using namespace test;

namespace {

/* Multiply-adds of one run. Larger problems say nothing new, slowly; but from a million on, threads share the work. */
constexpr double kMostTerms = 200000, kMostSharedTerms = 4e6, kMostSpoiledTerms = 20000;
constexpr int64_t kMostPlanBytes = 1 << 20;

struct {
  long hostile, spoiled, legal, too_large, runs;
} counts;

[[noreturn]] void report(const std::string &what) {
  std::fprintf(stderr, "FAILED %s\n", what.c_str());
  std::abort();
}

struct Run {
  ck_pass pass;
  int32_t slots;
  bool prepack, epilogue;
  Guard guard, out_guard;
};

/* Every algorithm by name, and the planner's choice, which has none. */
std::vector<std::string> all_algorithms() {
  std::vector<std::string> names = algorithm_names();
  names.emplace_back();
  return names;
}
const char *name_or_null(const std::string &name) { return name.empty() ? nullptr : name.c_str(); }

template <typename T>
void run_everywhere(const ck_problem &p, const Run &r, Random &random) {
  const Data<T> data(p, r.guard);
  copy_into(small_integers(image_size(p), random), data.image);
  copy_into(small_integers(feature_size(p), random), data.features);
  copy_into(small_integers(weight_size(p), random), data.weights);
  copy_into(small_integers(p.image_channels, random), data.bias_image);
  copy_into(small_integers(p.feature_channels, random), data.bias_features);
  ck_epilogue epilogue = {};
  epilogue.bias = (r.pass == CK_FORWARD ? data.bias_features : data.bias_image).data();
  epilogue.slope = epilogue.bias;
  epilogue.activation = random.chance(50) ? CK_CLIP : CK_PRELU; /* in registers, and after the store */
  epilogue.a = -30;
  epilogue.b = 1000;
  const ck_epilogue *const given = r.epilogue && r.pass != CK_WEIGHT_GRADIENT ? &epilogue : nullptr;

  const Buffer<T> base(result_size(p, r.pass));
  {
    Host host;
    if (run_pass(host, p, r.pass, "portable", data, given, false, base.data(), "im2col") != CK_OK || host.live != 0) {
      report("the base path on " + describe(p, "portable"));
    }
  }
  for (const std::string &algorithm : all_algorithms()) {
    for (const std::string &isa : isa_names()) {
      const std::string what = algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(r.pass) +
                               " slots " + std::to_string(r.slots);
      Host host(r.slots);
      const Buffer<T> out(result_size(p, r.pass), r.out_guard);
      const ck_status status =
          run_pass(host, p, r.pass, isa.c_str(), data, given, r.prepack, out.data(), name_or_null(algorithm));
      if (host.live != 0) report(what + ": memory is left");
      if (!algorithm.empty() && is_refusal(status, algorithm)) continue;
      if (status != CK_OK) report(what + ": status " + std::to_string(status));
      ++counts.runs;
      for (size_t i = 0; i < out.size(); ++i) {
        const double got = static_cast<double>(out[i]), wanted = static_cast<double>(base[i]);
        const bool exact = !algorithm.empty() && is_exact(algorithm);
        if (exact ? got == wanted : std::fabs(got - wanted) < 0.25) continue;
        report(what + ": element " + std::to_string(i) + " is " + std::to_string(got) + ", expected " +
               std::to_string(wanted));
      }
    }
  }
}

Guard random_guard(Random &random) { return random.chance(50) ? Guard::behind : Guard::before; }

void run_legal(Random &random) {
  const Run r = {kPasses[random.between(0, 2)],
                 static_cast<int32_t>(random.between(1, 3)),
                 random.chance(50),
                 random.chance(50),
                 random_guard(random),
                 random_guard(random)};
  const double most = random.chance(5) ? kMostSharedTerms : kMostTerms;
  const ck_problem p = random_problem(random);
  if (terms_of(p) > most) {
    ++counts.too_large;
    return;
  }
  ++counts.legal;
  if (p.image_type == CK_FLOAT32) {
    run_everywhere<float>(p, r, random);
  } else {
    run_everywhere<double>(p, r, random);
  }
}

template <typename T>
void run_spoiled(const ck_problem &p, Random &random) {
  const Spoiled<T> spoiled(p, kPasses[random.between(0, 2)], random);
  const bool prepack = random.chance(50);
  for (const std::string &algorithm : algorithm_names()) {
    for (const std::string &isa : isa_names()) {
      const std::string fault = spoiled.fault(isa.c_str(), algorithm, 1, prepack);
      if (!fault.empty()) report(fault);
    }
  }
}

void run_spoiled(Random &random) {
  const ck_problem p = random_problem(random);
  if (terms_of(p) > kMostSpoiledTerms) {
    ++counts.too_large;
    return;
  }
  ++counts.spoiled;
  if (p.image_type == CK_FLOAT32) {
    run_spoiled<float>(p, random);
  } else {
    run_spoiled<double>(p, random);
  }
}

/* Numbers that arithmetic stumbles over, and any others. */
int64_t hostile_number(Random &random) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  static const int64_t numbers[] = {0,
                                    1,
                                    2,
                                    3,
                                    7,
                                    64,
                                    4096,
                                    65536,
                                    (int64_t{1} << 31) - 1,
                                    int64_t{1} << 31,
                                    int64_t{1} << 32,
                                    int64_t{1} << 53,
                                    most / 2,
                                    most - 1,
                                    most,
                                    -1,
                                    -2,
                                    std::numeric_limits<int64_t>::min()};
  const int64_t count = sizeof numbers / sizeof numbers[0];
  const int64_t choice = random.between(0, count + 1);
  return choice < count ? numbers[choice] : random.between(-5, 1000);
}

/* A legal problem of which some fields are overwritten. Sizes of the result follow from nothing: nothing is run. */
void run_hostile(Random &random) {
  ++counts.hostile;
  ck_problem p = random_problem(random);
  int64_t *const fields[] = {&p.batch, &p.groups,  &p.image_channels, &p.feature_channels, p.image,
                             p.kernel, p.features, p.stride,          p.dilation,          p.pad_begin};
  for (int64_t changes = random.between(1, 4); changes > 0; --changes) {
    const int64_t field = random.between(0, 9);
    fields[field][field < 4 ? 0 : random.between(0, 2)] = hostile_number(random);
  }
  if (random.chance(10)) p.image_type = static_cast<int32_t>(hostile_number(random));
  if (random.chance(10)) p.layout = static_cast<int32_t>(hostile_number(random));
  if (random.chance(10)) p.padding_mode = static_cast<int32_t>(hostile_number(random));
  const ck_pass pass = kPasses[random.between(0, 2)];
  std::vector<std::string> names = algorithm_names();
  names.emplace_back("none such");
  for (const std::string &algorithm : names) {
    Host host(static_cast<int32_t>(random.between(1, 3)));
    const PlanOwner owner(host, p, pass, isa_names().front().c_str(), random.chance(50) ? algorithm.c_str() : nullptr);
    if ((owner.status == CK_OK) != (owner.plan != nullptr)) report("a status without its plan " + describe(p, "any"));
    if (owner.status != CK_OK && host.live != 0) report("memory is left " + describe(p, "any"));
    if (host.bytes > kMostPlanBytes) report("a plan of many bytes " + describe(p, "any"));
    if (owner.status == CK_OK && owner.info().workspace_bytes < 0) report("a negative workspace " + describe(p, "any"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Random random(bytes, size);
  if (random.chance(25)) {
    run_hostile(random);
  } else if (random.chance(10)) {
    run_spoiled(random);
  } else {
    run_legal(random);
  }
  return 0;
}

#ifndef CONVKIT_LIBFUZZER
int main(int argc, char **argv) {
  long runs = 20000;
  uint64_t seed = 1;
  bool files = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
      runs = std::atol(argv[++i]);
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--isa") == 0 && i + 1 < argc) {
      only_isa(argv[++i]);
    } else {
      files = true;
      std::FILE *const file = std::fopen(argv[i], "rb");
      if (!file) return std::perror(argv[i]), 1;
      std::vector<uint8_t> bytes(4096);
      bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
      std::fclose(file);
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
  }
  if (files) return 0;
  for (long run = 0; run < runs; ++run) {
    /* One seed a run, so that a failure is one line to repeat. */
    Random random(seed + static_cast<uint64_t>(run));
    uint8_t bytes[160];
    for (uint8_t &byte : bytes) byte = static_cast<uint8_t>(random.between(0, 255));
    std::fprintf(stderr, run % 1000 == 0 ? "run %ld, seed %llu\n" : "", run,
                 static_cast<unsigned long long>(seed) + static_cast<unsigned long long>(run));
    LLVMFuzzerTestOneInput(bytes, sizeof bytes);
  }
  std::printf("%ld problems, no failure: %ld legal (%ld runs compared), %ld spoiled, %ld hostile, %ld too large\n",
              runs, counts.legal, counts.runs, counts.spoiled, counts.hostile, counts.too_large);
  return 0;
}
#endif
