/* A test is a function that CHECKs; TEST registers it. Failures print and count, nothing aborts. */
#ifndef CONVKIT_TEST_HARNESS_H
#define CONVKIT_TEST_HARNESS_H

#include <cstdint>
#include <string>
#include <vector>

namespace test {

struct Options {
  int random_cases = 300; /* of each random test: --random N */
  uint64_t seed = 1;      /* --seed N */
  bool brief = false;     /* --brief, for slow machines: a third of the named problems, in one form each, by the seed */
  std::string only;       /* a word in the test's name */
  int part = 0, parts = 1; /* every parts-th test from this on: --part K/N, to run them side by side */
};
extern Options options;

struct Test {
  const char *name;
  void (*run)();
};
std::vector<Test> &all_tests();

struct Register {
  Register(const char *name, void (*run)()) { all_tests().push_back({name, run}); }
};

/* `what` describes the case; it is printed with the first few failures. */
void check(bool ok, const char *file, int line, const std::string &what);

}  // namespace test

#define TEST(name)                                           \
  static void test_##name();                                 \
  static test::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition, what) test::check((condition), __FILE__, __LINE__, (what))

#endif
