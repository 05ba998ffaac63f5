/* Equal bits: for any number of slots, for an image alone or in a batch, with weights packed before or
 * during the call (unless they stay where they lie), and on all instruction sets with fused multiply-add. And real data
 * close to exact. */
#include <cmath>
#include <cstring>

#include "../core/cpu/dispatch.h"
#include "runner.h"

using namespace test;

namespace {

template <typename T>
void fill_real(const Buffer<T> &buffer, Random &random) {
  for (T &x : buffer) x = static_cast<T>(static_cast<double>(random.between(-1000000, 1000000)) / 1e6);
}

template <typename T>
bool same_bits(const Buffer<T> &a, const Buffer<T> &b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/* Weights that come with the call may stay where they lie, and then terms add up in another order. */
bool packs_alike(const std::string &algorithm, ck_pass pass) { return algorithm != "im2col" || pass != CK_FORWARD; }

template <typename T>
void check_bits(const ck_problem &p, Random &random, const std::string &algorithm) {
  const Data<T> data(p, Guard::behind);
  fill_real(data.image, random);
  fill_real(data.features, random);
  fill_real(data.weights, random);
  fill_real(data.bias_image, random);
  fill_real(data.bias_features, random);
  for (const ck_pass pass : kPasses) {
    ck_epilogue epilogue = {};
    epilogue.bias = pass == CK_FORWARD ? data.bias_features.data() : data.bias_image.data();
    epilogue.activation = CK_SILU;
    const ck_epilogue *const given = pass == CK_WEIGHT_GRADIENT ? nullptr : &epilogue;
    const Buffer<T> fused(result_size(p, pass));
    bool have_fused = false;
    for (const std::string &isa : isa_names()) {
      const Buffer<T> first(result_size(p, pass)), other(result_size(p, pass));
      for (const int32_t slots : test::options.brief ? std::vector<int32_t>{1, 3} : std::vector<int32_t>{1, 2, 3, 7}) {
        Host host(slots);
        const Buffer<T> &out = slots == 1 ? first : other;
        const ck_status status = run_pass(host, p, pass, isa.c_str(), data, given,
                                          slots == 3 && packs_alike(algorithm, pass), out.data(), algorithm.c_str());
        const bool ok = status == CK_OK || is_refusal(status, algorithm);
        CHECK(ok && same_bits(first, out),
              algorithm + " " + describe(p, isa.c_str()) + " slots " + std::to_string(slots));
      }
      if (!convkit::find_kernel_table(isa.c_str())->fused || !is_exact(algorithm)) continue;
      if (!have_fused) std::memcpy(fused.data(), first.data(), first.size() * sizeof(T));
      have_fused = true;
      CHECK(same_bits(fused, first),
            algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(pass) + ": other bits");
    }
  }
}

/* Products that round to -0, and a clipping without bias: the sign of zero is that of 0 + sum, whoever finishes it. */
void check_signs(const ck_problem &p) {
  const Data<float> data(p, Guard::behind);
  for (float &x : data.image) x = 1e-30f;
  for (float &x : data.weights) x = -1e-30f;
  ck_epilogue epilogue = {};
  epilogue.activation = CK_CLIP, epilogue.b = HUGE_VAL;
  for (const std::string &isa : isa_names()) {
    for (const int32_t slots : {1, 4}) {
      Host host(slots);
      const Buffer<float> out(feature_size(p));
      run_pass(host, p, CK_FORWARD, isa.c_str(), data, &epilogue, false, out.data(), "depthwise");
      bool positive = true;
      for (const float x : out) positive = positive && x == 0 && !std::signbit(x);
      CHECK(positive, describe(p, isa.c_str()) + " slots " + std::to_string(slots) + ": signs of zero");
    }
  }
}

template <typename T>
void check_bits(const ck_problem &p, Random &random) {
  for (const std::string &algorithm : algorithm_names()) check_bits<T>(p, random, algorithm);
}

/* The second image of a batch, alone. */
template <typename T>
void check_batch(ck_problem p, Random &random, int64_t batch = 3) {
  p.batch = batch;
  const Data<T> data(p, Guard::behind);
  fill_real(data.image, random);
  fill_real(data.features, random);
  fill_real(data.weights, random);
  if (random.chance(30)) { /* whether it meets the padding shows */
    data.weights[static_cast<size_t>(random.between(0, weight_size(p) - 1))] = static_cast<T>(HUGE_VAL);
  }
  ck_problem single = p;
  single.batch = 1;
  const Data<T> alone(single, Guard::behind);
  std::memcpy(alone.image.data(), data.image.data() + alone.image.size(), alone.image.size() * sizeof(T));
  std::memcpy(alone.features.data(), data.features.data() + alone.features.size(), alone.features.size() * sizeof(T));
  std::memcpy(alone.weights.data(), data.weights.data(), alone.weights.size() * sizeof(T));
  for (const ck_pass pass : {CK_FORWARD, CK_ADJOINT}) {
    for (const std::string &algorithm : algorithm_names()) {
      Host host(2);
      const Buffer<T> all(result_size(p, pass)), one(result_size(single, pass));
      run_pass(host, p, pass, nullptr, data, nullptr, false, all.data(), algorithm.c_str());
      run_pass(host, single, pass, nullptr, alone, nullptr, packs_alike(algorithm, pass), one.data(),
               algorithm.c_str());
      CHECK(std::memcmp(one.data(), all.data() + one.size(), one.size() * sizeof(T)) == 0,
            algorithm + " " + describe(p, "batch"));
    }
  }
}

/* Depthwise, the chains of 'depthwise' and 'direct' are the same. */
template <typename T>
void check_same(const ck_problem &p, Random &random) {
  const Data<T> data(p, Guard::behind);
  fill_real(data.image, random);
  fill_real(data.features, random);
  fill_real(data.weights, random);
  for (const ck_pass pass : {CK_FORWARD, CK_ADJOINT}) {
    for (const std::string &isa : isa_names()) {
      Host host;
      const Buffer<T> one(result_size(p, pass)), other(result_size(p, pass));
      if (run_pass(host, p, pass, isa.c_str(), data, nullptr, false, one.data(), "depthwise") != CK_OK) continue;
      if (run_pass(host, p, pass, isa.c_str(), data, nullptr, false, other.data(), "direct") != CK_OK) continue;
      CHECK(same_bits(one, other), describe(p, isa.c_str()) + " pass " + std::to_string(pass) + ": direct differs");
    }
  }
}

template <typename T>
void check_error(const ck_problem &p, Random &random) {
  const Data<T> data(p, Guard::behind);
  fill_real(data.image, random);
  fill_real(data.features, random);
  fill_real(data.weights, random);
  const auto widen = [](const Buffer<T> &b, bool absolute) {
    std::vector<double> x;
    for (const T v : b) x.push_back(absolute ? std::fabs(static_cast<double>(v)) : static_cast<double>(v));
    return x;
  };
  std::vector<double> results[2][3];
  for (int absolute = 0; absolute < 2; ++absolute) {
    const auto image = widen(data.image, absolute), features = widen(data.features, absolute),
               weights = widen(data.weights, absolute);
    results[absolute][CK_FORWARD] = reference_forward(p, image, weights);
    results[absolute][CK_ADJOINT] = reference_adjoint(p, features, weights);
    results[absolute][CK_WEIGHT_GRADIENT] = reference_gradient(p, image, features);
  }
  const double depth = static_cast<double>(depth_of(p));
  const double terms[3] = {depth, depth * static_cast<double>(p.feature_channels),
                           static_cast<double>(p.batch * product(p.features))};
  for (const ck_pass pass : kPasses) {
    for (const std::string &algorithm : algorithm_names()) {
      if (!is_exact(algorithm)) continue; /* its bound is that of a whole tile: fft_test.cpp */
      for (const std::string &isa : isa_names()) {
        Host host;
        const Buffer<T> out(result_size(p, pass));
        if (is_refusal(run_pass(host, p, pass, isa.c_str(), data, nullptr, false, out.data(), algorithm.c_str()),
                       algorithm)) {
          continue;
        }
        /* |error| <= terms * unit roundoff * sum |terms|, and the reference's own; nowhere near is normal */
        const double bound = (terms[pass] + 1) * static_cast<double>(std::numeric_limits<T>::epsilon());
        /* Transforms mix a result with its neighbours; winograd_test.cpp has a closer look. */
        double greatest = 0;
        for (const double x : results[1][pass]) greatest = std::fmax(greatest, x);
        bool close = true;
        for (size_t i = 0; i < out.size(); ++i) {
          const double error = std::fabs(static_cast<double>(out[i]) - results[0][pass][i]);
          close = close && error <= bound * (is_exact(algorithm) ? results[1][pass][i] : 16 * greatest);
        }
        CHECK(close, algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(pass));
      }
    }
  }
}

}  // namespace

TEST(signs_of_zero) {
  for (int32_t layout = 0; layout < 2; ++layout) {
    for (const int64_t channels : {3, 12, 40, 512}) {
      ck_problem p = make_problem(2, channels, channels, channels, 1, 30, 3, 1, 1, 1);
      p.kernel[1] = p.features[1] = 1, p.pad_begin[1] = 0;
      p.layout = layout;
      check_signs(p);
    }
  }
}

TEST(equal_bits) {
  Random random(test::options.seed);
  ck_problem large = make_problem(2, 20, 37, 1, 40, 41, 3, 1, 1, 1);
  for (int32_t layout = 0; layout < 2; ++layout) {
    large.layout = layout;
    check_bits<float>(large, random);
    check_bits<double>(with_type(large, CK_FLOAT64), random);
    check_batch<float>(large, random);
    check_batch<double>(with_type(large, CK_FLOAT64), random);
    ck_problem strided = make_problem(1, 64, 48, 2, 25, 25, 4, 2, 1, 1);
    strided.layout = layout;
    check_bits<float>(strided, random);
    ck_problem rows = make_problem(1, 24, 150, 1, 14, 15, 3, 1, 1, 1);
    rows.layout = layout;
    check_bits<float>(rows, random);
    check_batch<float>(rows, random);
    ck_problem taps = make_problem(1, 3, 20, 1, 40, 40, 17, 1, 8, 1);
    taps.layout = layout;
    check_bits<float>(taps, random);
    ck_problem heavy = make_problem(1, 70, 300, 1, 8, 8, 4, 2, 1, 1); /* blocks of weights outermost, in one pass */
    heavy.layout = heavy.weight_layout = layout;
    check_bits<float>(heavy, random);
    for (const int64_t stride : {1, 2, 3}) {
      ck_problem depthwise = make_problem(2, 37, 37, 37, 25, 70, 5, stride, 2, 1);
      depthwise.layout = layout;
      check_bits<float>(depthwise, random);
      check_bits<double>(with_type(depthwise, CK_FLOAT64), random);
      check_batch<float>(depthwise, random);
      check_same<float>(depthwise, random);
      check_same<double>(with_type(depthwise, CK_FLOAT64), random);
    }
  }
  for (const int64_t features : {3, 4, 5, 6, 7, 8, 9}) { /* the tallest tile of an instruction set does not decide */
    check_bits<float>(make_problem(2, 16, features, 1, 3, 3, 3, 1, 0, 1), random);
  }
  for (const int64_t size : {1, 2, 4, 7, 14}) { /* small maps: the direct algorithm takes images together */
    for (const int64_t stride : {1, 2}) {
      ck_problem p = make_problem(1, 18, 20, 1, size, size, 3, stride, 1, 1);
      p.layout = stride == 2;
      check_batch<float>(p, random, 23);
      check_batch<double>(with_type(p, CK_FLOAT64), random, 23);
      p = make_problem(19, 18, 20, 2, size, size + 1, 4, stride, 2, 1);
      check_bits<float>(p, random);
      p = make_problem(1, 40, 9, 1, size + 3, size + 3, 4, stride, 0, 1);
      check_batch<float>(p, random, 70);
    }
  }
  for (int i = 0; i < test::options.random_cases / 10; ++i) {
    const ck_problem p = random_problem(random);
    check_bits<float>(with_type(p, CK_FLOAT32), random);
    check_bits<double>(with_type(p, CK_FLOAT64), random);
    check_batch<float>(with_type(p, CK_FLOAT32), random);
  }
}

/* Pairs of phases of a result that goes past the caches: rows that begin anywhere in a cache line, and end there. */
TEST(streamed_pairs) {
  Random random(test::options.seed + 29);
  for (const int64_t kernel : {2, 4}) {
    const ck_problem p = make_problem(1, 5, 2, 1, 902, 934, kernel, 2, kernel / 2 - 1, 1);
    const Integers integers(p, random);
    const Data<float> data(p, Guard::behind);
    copy_into(integers, data);
    const Buffer<float> wanted(image_size(p)), got(image_size(p));
    CHECK(image_size(p) * 4 >= 16 << 20, "large enough");
    for (const std::string &isa : isa_names()) {
      Host alone;
      CHECK(run_pass(alone, p, CK_ADJOINT, isa.c_str(), data, nullptr, false, wanted.data(), "im2col") == CK_OK, isa);
      for (const char *const algorithm : {"direct", "winograd"}) {
        for (const int32_t slots : {1, 3}) {
          Host host(slots);
          for (float &x : got) x = -1;
          const ck_status status =
              run_pass(host, p, CK_ADJOINT, isa.c_str(), data, nullptr, false, got.data(), algorithm);
          if (is_refusal(status, algorithm)) continue;
          bool same = status == CK_OK;
          for (size_t i = 0; same && i < got.size(); ++i) {
            same = agrees(got[i], static_cast<double>(wanted[i]), algorithm);
          }
          CHECK(same, isa + " " + algorithm + ", kernel " + std::to_string(kernel));
        }
      }
    }
  }
}

/* The same bits as on any other machine: the figures were computed once, with AVX-512, AVX2 and NEON alike. */
TEST(bits_of_all_machines) {
  /* Forward, both algorithms have the same chains; in the adjoint, col2im adds what the direct form has in one chain.
   */
  const struct {
    const char *algorithm;
    uint64_t hash[3];
  } expected[] = {{"direct", {3185679926448457235u, 284570797290668808u, 6632776473195427501u}},
                  {"im2col", {3185679926448457235u, 18206147082274261500u, 6632776473195427501u}}};
  const ck_problem p = make_problem(1, 19, 23, 1, 18, 21, 3, 2, 1, 1);
  Random random(42);
  const Data<float> data(p, Guard::behind);
  fill_real(data.image, random);
  fill_real(data.features, random);
  fill_real(data.weights, random);
  for (const auto &e : expected) {
    for (const std::string &isa : isa_names()) {
      if (!convkit::find_kernel_table(isa.c_str())->fused) continue;
      for (const ck_pass pass : kPasses) {
        Host host;
        ck_epilogue epilogue = {};
        epilogue.activation = CK_TANH;
        const ck_epilogue *const given = pass == CK_WEIGHT_GRADIENT ? nullptr : &epilogue;
        const Buffer<float> out(result_size(p, pass));
        if (is_refusal(run_pass(host, p, pass, isa.c_str(), data, given, false, out.data(), e.algorithm),
                       e.algorithm)) {
          continue;
        }
        uint64_t hash = 14695981039346656037u; /* FNV-1a */
        for (const float x : out) {
          uint32_t bits;
          std::memcpy(&bits, &x, sizeof bits);
          hash = (hash ^ bits) * 1099511628211u;
        }
        CHECK(hash == e.hash[pass],
              std::string(e.algorithm) + " " + isa + " pass " + std::to_string(pass) + ": " + std::to_string(hash));
      }
    }
  }
}

TEST(rounding_error) {
  Random random(test::options.seed + 17);
  for (int i = 0; i < test::options.random_cases / 5; ++i) {
    const ck_problem p = random_problem(random);
    if (terms_of(p) > 1e6) continue;
    check_error<float>(with_type(p, CK_FLOAT32), random);
    check_error<double>(with_type(p, CK_FLOAT64), random);
  }
}
