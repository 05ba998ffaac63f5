/* What the 'fft' algorithm tells apart: lengths and radices, tiles and rounds, lanes that are channels or tiles. And
 * its error, which is that of a whole tile: small beside the largest results, whatever the number of taps. */
#include <cmath>

#include "runner.h"

using namespace test;

namespace {

template <typename T>
void compare_fft(const ck_problem &p, Random &random, int32_t slots) {
  const Data<T> data(p, random.chance(50) ? Guard::behind : Guard::before);
  copy_into(Integers(p, random), data);
  copy_into(small_integers(p.image_channels, random), data.bias_image);
  copy_into(small_integers(p.feature_channels, random), data.bias_features);
  for (const ck_pass pass : kPasses) {
    ck_epilogue epilogue = {};
    epilogue.bias = pass == CK_FORWARD ? data.bias_features.data() : data.bias_image.data();
    const ck_epilogue *const given = pass == CK_WEIGHT_GRADIENT ? nullptr : &epilogue;
    Host host(slots);
    const Buffer<T> base(result_size(p, pass));
    run_pass(host, p, pass, nullptr, data, given, false, base.data(), "im2col");
    for (const std::string &isa : isa_names()) {
      const Buffer<T> out(result_size(p, pass), Guard::behind);
      const ck_status status = run_pass(host, p, pass, isa.c_str(), data, given, random.chance(50), out.data(), "fft");
      CHECK(host.live == 0, "memory is left");
      if (status == CK_UNSUPPORTED) continue;
      bool same = status == CK_OK;
      for (size_t i = 0; i < out.size(); ++i) {
        same = same && agrees(out[i], static_cast<double>(base[i]), "fft");
      }
      CHECK(same, describe(p, isa.c_str()) + " pass " + std::to_string(pass));
    }
  }
}

/* Any problem with some long axis. */
ck_problem random_long(Random &random) {
  ck_problem p = random_problem(random);
  if (random.chance(40)) p.feature_channels = p.image_channels = p.groups = random.between(1, 40);
  const bool line = p.image[1] == 1, box = p.image[0] > 1;
  for (int a = 0; a < 3; ++a) {
    p.stride[a] = p.image[a] > 1 && random.chance(20) ? random.between(2, 4) : 1;
    if (p.image[a] == 1 && a < 2) continue;
    p.image[a] = random.between(1, line ? 900 : box ? 9 : 60);
    p.kernel[a] = random.between(1, line ? 200 : box ? 5 : 20);
    if (random.chance(60)) p.dilation[a] = 1;
    const int64_t reach = p.dilation[a] * (p.kernel[a] - 1);
    p.pad_begin[a] = random.between(0, reach + 1);
    const int64_t room = p.image[a] + p.pad_begin[a] + random.between(0, reach + 1) - reach - 1;
    p.features[a] = room < 0 ? 1 : room / p.stride[a] + 1;
  }
  return p;
}

double rms_error(const Buffer<float> &got, const std::vector<double> &exact) {
  double sum = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = static_cast<double>(got[i]) - exact[i];
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(got.size()));
}

}  // namespace

TEST(fft_problems) {
  Random random(test::options.seed + 23);
  for (int i = 0; i < 2 * test::options.random_cases; ++i) {
    const ck_problem p = random_long(random);
    if (terms_of(p) > 2e7) continue;
    const int32_t slots = static_cast<int32_t>(random.between(1, 3));
    if (p.image_type == CK_FLOAT32) {
      compare_fft<float>(p, random, slots);
    } else {
      compare_fft<double>(p, random, slots);
    }
  }
}

TEST(fft_lengths) {
  Random random(test::options.seed + 29);
  for (int64_t kernel = 2; kernel < 700; kernel += kernel / 3 + 1) { /* one tile, and several of any length */
    for (const int64_t length : {kernel + 3, 3 * kernel + 40, int64_t{2500}}) {
      ck_problem p = make_problem(1, 3, 2, 1, 1, length, 1, 1, 0, 1);
      p.kernel[2] = kernel, p.pad_begin[2] = kernel / 2, p.features[2] = length;
      compare_fft<float>(p, random, 2);
      compare_fft<double>(with_type(p, CK_FLOAT64), random, 2);
    }
  }
  ck_problem many = make_problem(2, 2, 3, 1, 1, 12000, 1, 1, 0, 1); /* rounds of tiles, of two images */
  many.kernel[2] = 20, many.features[2] = 11981;
  compare_fft<float>(many, random, 2);
  compare_fft<float>(make_problem(3, 34, 18, 2, 40, 41, 9, 1, 4, 1), random, 2);    /* rounds of tiles */
  compare_fft<float>(make_problem(2, 37, 37, 37, 56, 57, 31, 1, 15, 1), random, 2); /* lanes are channels */
  compare_fft<float>(make_problem(2, 3, 3, 3, 120, 200, 15, 1, 7, 1), random, 2);   /* lanes are tiles */
  ck_problem wide = make_problem(1, 20, 20, 20, 40, 90, 1, 1, 0, 1);
  wide.kernel[1] = 5, wide.kernel[2] = 51, wide.pad_begin[1] = 2, wide.pad_begin[2] = 25;
  compare_fft<float>(wide, random, 2);
  std::swap(wide.kernel[1], wide.kernel[2]), std::swap(wide.pad_begin[1], wide.pad_begin[2]);
  compare_fft<float>(wide, random, 2);
}

/* Normal data: the error is about that of a plain chain of float32 products with few taps, and less with many. */
TEST(fft_error) {
  Random random(test::options.seed + 31);
  for (const int64_t kernel : {40, 200, 1000}) {
    ck_problem p = make_problem(1, 4, 4, 1, 1, 2000, 1, 1, 0, 1);
    p.kernel[2] = kernel, p.features[2] = 2001 - kernel;
    const Data<float> data(p, Guard::behind);
    const auto normal = [&](const Buffer<float> &buffer) {
      std::vector<double> values;
      for (float &x : buffer) {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.between(0, 1 << 20)) / (1 << 20);
        x = static_cast<float>(sum);
        values.push_back(static_cast<double>(x));
      }
      return values;
    };
    const auto image = normal(data.image), features = normal(data.features), weights = normal(data.weights);
    const std::vector<double> exact[3] = {reference_forward(p, image, weights), reference_adjoint(p, features, weights),
                                          reference_gradient(p, image, features)};
    for (const ck_pass pass : kPasses) {
      Host host;
      const Buffer<float> out(result_size(p, pass)), chain(result_size(p, pass));
      run_pass(host, p, pass, nullptr, data, nullptr, false, chain.data(), "im2col");
      for (const std::string &isa : isa_names()) {
        if (run_pass(host, p, pass, isa.c_str(), data, nullptr, false, out.data(), "fft") != CK_OK) continue;
        const double error = rms_error(out, exact[pass]), plain = rms_error(chain, exact[pass]);
        CHECK(error <= (kernel < 100 ? 2 : 1) * plain, describe(p, isa.c_str()) + " pass " + std::to_string(pass) +
                                                           ": error " + std::to_string(error / plain) +
                                                           " times that of a chain");
      }
    }
  }
}
