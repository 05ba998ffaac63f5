/* Accuracy and special values of the activations, and equal bits on all instruction sets with fused multiply-add. */
#include <cmath>
#include <cstring>

#include "../core/cpu/dispatch.h"
#include "harness.h"
#include "problems.h"

using namespace test;
using convkit::Epilogue;
using convkit::KernelTable;
using convkit::TileSet;

namespace {

long double exact(int32_t activation, long double x, long double a) {
  switch (activation) {
    case CK_ELU:
      return x < 0 ? a * std::expm1(x) : x;
    case CK_SIGMOID:
      return 1 / (1 + std::exp(-x));
    case CK_TANH:
      return std::tanh(x);
    case CK_SILU:
      return x / (1 + std::exp(-x));
    case CK_HARD_SIGMOID:
      return std::fmin(std::fmax(x / 6 + 0.5L, 0.0L), 1.0L);
    case CK_HARD_SWISH:
      return x * std::fmin(std::fmax(x / 6 + 0.5L, 0.0L), 1.0L);
    default:
      return x;
  }
}

/* Distance in units in the last place of the exact value; the smallest normal number bounds the unit. */
template <typename T>
long double error_in_ulp(T got, long double wanted) {
  int exponent;
  std::frexp(wanted, &exponent);
  const int least = std::numeric_limits<T>::min_exponent;
  const int digits = std::numeric_limits<T>::digits;
  const long double unit = std::ldexp(1.0L, (exponent < least ? least : exponent) - digits);
  return std::fabs(static_cast<long double>(got) - wanted) / unit;
}

template <typename T>
std::vector<T> sample_points(Random &random) {
  std::vector<T> x = {0,
                      static_cast<T>(-0.0),
                      1,
                      -1,
                      static_cast<T>(1e-30),
                      static_cast<T>(-1e-30),
                      3,
                      -3,
                      88,
                      -88,
                      -103,
                      -104,
                      -105,
                      700,
                      -700,
                      -745,
                      -746,
                      -800,
                      1e30f,
                      -1e30f,
                      std::numeric_limits<T>::max(),
                      std::numeric_limits<T>::lowest(),
                      std::numeric_limits<T>::denorm_min(),
                      -std::numeric_limits<T>::denorm_min()};
  for (int i = 0; i < 20000; ++i) {
    const double u = static_cast<double>(random.between(-1000000, 1000000)) / 1e6;
    x.push_back(static_cast<T>(u));
    x.push_back(static_cast<T>(20 * u));
    x.push_back(static_cast<T>(760 * u));
    x.push_back(static_cast<T>(std::ldexp(u, static_cast<int>(random.between(-40, 0)))));
  }
  return x;
}

template <typename T>
std::vector<T> apply(const TileSet<T> &tiles, int32_t activation, std::vector<T> x) {
  const Epilogue<T> epilogue = {nullptr, nullptr, static_cast<T>(0.7), 0, activation, 0};
  tiles.finish(x.data(), static_cast<int64_t>(x.size()), 1, static_cast<int64_t>(x.size()), &epilogue);
  return x;
}

template <typename T>
const TileSet<T> &tiles_of(const KernelTable &table);
template <>
const TileSet<float> &tiles_of(const KernelTable &table) {
  return table.f32;
}
template <>
const TileSet<double> &tiles_of(const KernelTable &table) {
  return table.f64;
}

template <typename T>
void check_accuracy() {
  struct Bound {
    int32_t activation;
    long double ulp;
  };
  const Bound bounds[] = {{CK_ELU, 3},  {CK_SIGMOID, 3},         {CK_TANH, 3},
                          {CK_SILU, 4}, {CK_HARD_SIGMOID, 1.5L}, {CK_HARD_SWISH, 3}};
  Random random(test::options.seed);
  const std::vector<T> x = sample_points<T>(random);
  for (const Bound &bound : bounds) {
    std::vector<T> fused;
    for (int32_t i = 0; i < convkit::kernel_table_count(); ++i) {
      const KernelTable &table = *convkit::kernel_table(i);
      const std::vector<T> y = apply(tiles_of<T>(table), bound.activation, x);
      const std::string what = std::string(table.name) + " activation " + std::to_string(bound.activation) + " of " +
                               std::to_string(sizeof(T) * 8) + " bits";
      long double worst = 0, at = 0;
      for (size_t k = 0; k < x.size(); ++k) {
        const long double wanted = exact(bound.activation, static_cast<long double>(x[k]), static_cast<T>(0.7));
        /* near the zero of hard-sigmoid's ramp the sum cancels: there the absolute error counts */
        const bool ramp = bound.activation >= CK_HARD_SIGMOID && std::fabs(wanted) < 0.25L;
        const long double error = ramp ? std::fabs(static_cast<long double>(y[k]) - wanted) /
                                             static_cast<long double>(std::numeric_limits<T>::epsilon())
                                       : error_in_ulp(y[k], wanted);
        /* a subnormal sigmoid times a large x: the unit of the factor, not of the product */
        const bool tail = bound.activation == CK_SILU && std::fabs(wanted) < 1024.0L * std::numeric_limits<T>::min();
        if (!(error <= worst) && !(tail && error < 1024)) worst = error, at = static_cast<long double>(x[k]);
      }
      CHECK(worst <= bound.ulp, what + ": " + std::to_string(static_cast<double>(worst)) + " ulp at " +
                                    std::to_string(static_cast<double>(at)));
      if (!table.fused) continue;
      if (fused.empty()) fused = y;
      CHECK(std::memcmp(fused.data(), y.data(), y.size() * sizeof(T)) == 0, what + ": other bits");
    }
  }
}

template <typename T>
void check_special_values() {
  const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  struct Limits {
    int32_t activation;
    T low, high; /* at -inf and +inf */
  };
  const Limits limits[] = {{CK_LINEAR, -infinity, infinity},
                           {CK_LEAKY_RELU, -infinity, infinity},
                           {CK_ELU, static_cast<T>(-0.7), infinity},
                           {CK_SIGMOID, 0, 1},
                           {CK_TANH, -1, 1},
                           {CK_SILU, 0, infinity},
                           {CK_HARD_SIGMOID, 0, 1},
                           {CK_HARD_SWISH, 0, infinity}};
  for (int32_t i = 0; i < convkit::kernel_table_count(); ++i) {
    const KernelTable &table = *convkit::kernel_table(i);
    const TileSet<T> &tiles = tiles_of<T>(table);
    for (const Limits &l : limits) {
      const std::vector<T> y = apply(tiles, l.activation, {-infinity, infinity, nan, -nan, 0});
      const std::string what = std::string(table.name) + " activation " + std::to_string(l.activation);
      CHECK(y[0] == l.low, what + " at -inf: " + std::to_string(y[0]));
      CHECK(y[1] == l.high, what + " at inf: " + std::to_string(y[1]));
      CHECK(std::isnan(y[2]) && std::isnan(y[3]), what + " of NaN");
    }
    const T slope = static_cast<T>(-2), bias = 1;
    for (int32_t by_lane = 0; by_lane < 2; ++by_lane) {
      for (const int32_t activation : {CK_CLIP, CK_PRELU}) {
        std::vector<T> y = {nan};
        const Epilogue<T> epilogue = {&bias, &slope, 0, 6, activation, by_lane};
        tiles.finish(y.data(), 1, 1, 1, &epilogue);
        CHECK(std::isnan(y[0]), std::string(table.name) + " NaN through clip or prelu");
      }
    }
  }
}

}  // namespace

TEST(activation_accuracy) {
  check_accuracy<float>();
  check_accuracy<double>();
}

TEST(activation_special_values) {
  check_special_values<float>();
  check_special_values<double>();
}
