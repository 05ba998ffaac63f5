/* Each pass by each algorithm on each instruction set against plain loops, in exact small integers. */
#ifndef CONVKIT_TEST_COMPARE_H
#define CONVKIT_TEST_COMPARE_H

#include "runner.h"

namespace test {

std::vector<double> expected(const ck_problem &p, ck_pass pass, const Integers &given);

void compare(const ck_problem &p, Random &random, int32_t slots);

/* A problem in these forms: layout + 2 * layout of weights + 4 * type. */
void compare_forms(ck_problem p, Random &random, const std::vector<int> &forms = {0, 1, 2, 3, 4, 5, 6, 7});

}  // namespace test
#endif
