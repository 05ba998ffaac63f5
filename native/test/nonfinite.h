/* Promise 7 on one problem: what NaN and infinity in an operand do to the result of one pass.
 *
 *     an output with ...              exact algorithms (direct sums)       transforms (winograd, fft)
 *     a NaN term                      NaN                                  NaN
 *     an infinite term                as the formula gives it              not finite
 *     neither, operand spoiled        the formula's value                  that, or not finite where it shares a tile
 *     neither, weights spoiled        the formula's value, or NaN          that, or not finite
 *
 * and no image of a batch is touched by the values of another one. The formula is evaluated in float64. */
#ifndef CONVKIT_TEST_NONFINITE_H
#define CONVKIT_TEST_NONFINITE_H

#include "runner.h"

namespace test {

/* A problem with small integers, one or two values of one operand spoiled, and what the formula makes of it. */
template <typename T>
class Spoiled {
 public:
  Spoiled(const ck_problem &p, ck_pass pass, Random &random);
  /* What is wrong with the result of an algorithm, or nothing. Refusals are right. */
  std::string fault(const char *isa, const std::string &algorithm, int32_t slots, bool prepack) const;

 private:
  void spoil(std::vector<double> *values, int64_t images, Random &random);
  bool legal(double got, size_t index, bool exact) const;

  ck_problem problem_;
  ck_pass pass_;
  Data<T> data_;
  std::vector<double> wanted_;
  bool weights_spoiled_ = false;
  int64_t spoiled_image_ = -1; /* -1: all of them */
};

}  // namespace test
#endif
