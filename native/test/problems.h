/* Problems: sizes, data, names, and the passes as plain loops that share no code with the core. */
#ifndef CONVKIT_TEST_PROBLEMS_H
#define CONVKIT_TEST_PROBLEMS_H

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "../core/convkit.h"
#include "buffer.h"

namespace test {

/* A 64-bit generator that gives the same numbers everywhere. Or the choices of a fuzzer, one or two bytes each, and
 * after the last byte the generator. */
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  Random(const uint8_t *bytes, size_t size) : engine_(size), bytes_(bytes), left_(size) {}
  int64_t between(int64_t low, int64_t high) {
    const uint64_t choices = static_cast<uint64_t>(high - low + 1);
    return low + static_cast<int64_t>(next(choices) % choices);
  }
  bool chance(int percent) { return between(1, 100) <= percent; }

 private:
  uint64_t next(uint64_t choices) {
    uint64_t value = 0;
    const size_t wanted = choices > 256 ? 2 : 1;
    if (left_ < wanted) return engine_();
    for (size_t i = 0; i < wanted; ++i, --left_) value = value << 8 | *bytes_++;
    return value;
  }

  std::mt19937_64 engine_;
  const uint8_t *bytes_ = nullptr;
  size_t left_ = 0;
};

int64_t product(const int64_t extents[3]);
int64_t image_size(const ck_problem &p);
int64_t feature_size(const ck_problem &p);
int64_t weight_size(const ck_problem &p);
int64_t depth_of(const ck_problem &p); /* terms of one feature */
double terms_of(const ck_problem &p);  /* of all features */

/* One line with every number, for messages. */
std::string describe(const ck_problem &p, const char *isa);

/* A plain float32 2-D problem; feature extents follow from symmetric padding. */
ck_problem make_problem(int64_t batch, int64_t channels, int64_t features, int64_t groups, int64_t height,
                        int64_t width, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);

/* Any legal problem, mostly small. Feature extents may lie partly or wholly beyond the image. */
ck_problem random_problem(Random &random);

/* The passes in float64. Results are indexed like the operands of the core. */
std::vector<double> reference_forward(const ck_problem &p, const std::vector<double> &image,
                                      const std::vector<double> &weights);
std::vector<double> reference_adjoint(const ck_problem &p, const std::vector<double> &features,
                                      const std::vector<double> &weights);
std::vector<double> reference_gradient(const ck_problem &p, const std::vector<double> &image,
                                       const std::vector<double> &features);

/* Small integers: every sum of a test is exact in float32. */
std::vector<double> small_integers(int64_t count, Random &random);

template <typename T>
void copy_into(const std::vector<double> &from, const Buffer<T> &to) {
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(from[i]);
}

std::vector<std::string> isa_names(); /* those that run here, or the one of only_isa */
void only_isa(const char *name);

}  // namespace test
#endif
