/* NaN and infinity reach what they are terms of, in every algorithm, pass and instruction set (promise 7). */
#include "nonfinite.h"

using namespace test;

namespace {

template <typename T>
void check_problem(const ck_problem &p, Random &random) {
  for (const ck_pass pass : kPasses) {
    const Spoiled<T> spoiled(p, pass, random);
    for (const std::string &algorithm : algorithm_names()) {
      for (const std::string &isa : isa_names()) {
        const std::string fault = spoiled.fault(isa.c_str(), algorithm, 2, random.chance(50));
        CHECK(fault.empty(), fault);
      }
    }
  }
}

}  // namespace

TEST(nonfinite_values) {
  Random random(test::options.seed + 3);
  std::vector<ck_problem> problems;
  for (int32_t layout = 0; layout < 2; ++layout) {
    problems.push_back(make_problem(2, 9, 17, 1, 14, 15, 3, 1, 1, 1));    /* winograd, direct */
    problems.push_back(make_problem(2, 9, 17, 1, 14, 15, 3, 2, 1, 2));    /* phases, dilation */
    problems.push_back(make_problem(2, 6, 5, 1, 16, 15, 4, 2, 1, 1));     /* k4s2 */
    problems.push_back(make_problem(2, 16, 16, 16, 14, 15, 3, 1, 1, 1));  /* depthwise */
    problems.push_back(make_problem(2, 16, 16, 16, 24, 25, 11, 1, 5, 1)); /* fft, depthwise */
    problems.push_back(make_problem(3, 18, 20, 1, 4, 4, 3, 1, 1, 1));     /* images taken together */
    for (ck_problem &p : problems) p.layout = p.weight_layout = layout;
    for (const ck_problem &p : problems) check_problem<float>(p, random);
    for (const ck_problem &p : problems) check_problem<double>(with_type(p, CK_FLOAT64), random);
    problems.clear();
  }
  for (int i = 0; i < test::options.random_cases / 3; ++i) {
    const ck_problem p = random_problem(random);
    if (terms_of(p) > 1e5) continue;
    check_problem<float>(with_type(p, CK_FLOAT32), random);
    check_problem<double>(with_type(p, CK_FLOAT64), random);
  }
}
