/* Native tests of the core, without Node: test_core [word] [--random N] [--seed N] [--isa NAME] [--brief] [--part K/N]
 */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "../core/convkit.h"
#include "harness.h"
#include "problems.h"

namespace test {

Options options;

namespace {
std::mutex mutex;
long passed = 0, failed = 0;
}  // namespace

std::vector<Test> &all_tests() {
  static std::vector<Test> tests;
  return tests;
}

void check(bool ok, const char *file, int line, const std::string &what) {
  const std::lock_guard<std::mutex> lock(mutex);
  ++(ok ? passed : failed);
  if (!ok && failed <= 20) std::printf("FAILED %s:%d: %s\n", file, line, what.c_str());
}

}  // namespace test

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--random") == 0 && i + 1 < argc) {
      test::options.random_cases = std::atoi(argv[++i]);
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      test::options.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--isa") == 0 && i + 1 < argc) {
      test::only_isa(argv[++i]);
    } else if (std::strcmp(argv[i], "--part") == 0 && i + 1 < argc) {
      char *parts = nullptr;
      test::options.part = static_cast<int>(std::strtol(argv[++i], &parts, 10));
      test::options.parts = *parts == '/' ? std::atoi(parts + 1) : 0;
      if (test::options.parts < 1) return std::printf("expected --part K/N, received %s\n", argv[i]), 2;
    } else if (std::strcmp(argv[i], "--brief") == 0) {
      test::options.brief = true;
    } else {
      test::options.only = argv[i];
    }
  }
  std::printf("instruction sets:");
  for (const std::string &isa : test::isa_names()) std::printf(" %s", isa.c_str());
  std::printf(", seed %llu\n", static_cast<unsigned long long>(test::options.seed));
  int number = 0;
  for (const test::Test &t : test::all_tests()) {
    if (number++ % test::options.parts != test::options.part) continue;
    if (std::string(t.name).find(test::options.only) == std::string::npos) continue;
    const long before = test::failed;
    t.run();
    std::printf("%s %s\n", test::failed == before ? "ok    " : "FAILED", t.name);
    std::fflush(stdout);
  }
  std::printf("%ld passed, %ld failed\n", test::passed, test::failed);
  return test::failed == 0 ? 0 : 1;
}
