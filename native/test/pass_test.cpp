/* Each pass on each instruction set against plain loops, in exact small integers. */
#include <cmath>

#include "compare.h"

using namespace test;

TEST(named_problems) {
  Random random(test::options.seed);
  compare_forms(make_problem(1, 1, 1, 1, 1, 1, 1, 1, 0, 1), random);    /* the smallest */
  compare_forms(make_problem(2, 3, 5, 1, 9, 11, 3, 1, 1, 1), random);   /* plain */
  compare_forms(make_problem(1, 33, 29, 1, 7, 7, 3, 1, 1, 1), random);  /* tails of every tile; several k blocks */
  compare_forms(make_problem(1, 3, 16, 1, 37, 23, 7, 2, 3, 1), random); /* first layer */
  compare_forms(make_problem(2, 70, 15, 1, 13, 5, 1, 1, 0, 1), random); /* 1 x 1 */
  compare_forms(make_problem(1, 8, 8, 8, 19, 19, 3, 1, 1, 1), random);  /* depthwise */
  compare_forms(make_problem(1, 8, 24, 4, 10, 12, 3, 2, 1, 2), random); /* grouped, strided, dilated */
  compare_forms(make_problem(1, 4, 3, 1, 31, 33, 4, 2, 1, 1), random);  /* an upsampling layer's mirror */
  compare_forms(make_problem(1, 2, 3, 1, 5, 5, 2, 4, 0, 1), random);    /* stride beyond the kernel */
  compare_forms(make_problem(3, 2, 2, 1, 30, 30, 17, 1, 8, 1), random); /* more than 256 taps */
  compare_forms(make_problem(1, 300, 2, 1, 3, 3, 3, 1, 1, 1), random);  /* many blocks of columns */
  compare_forms(make_problem(1, 2, 300, 1, 4, 4, 3, 1, 1, 1), random);  /* more features than one block */
  ck_problem line = make_problem(2, 3, 2, 1, 1, 700, 1, 1, 0, 1);       /* 1-D, long kernel */
  line.kernel[2] = 301, line.pad_begin[2] = 40, line.stride[2] = 3, line.features[2] = 180;
  compare_forms(line, random);
  for (int32_t mode = 1; mode < 4; ++mode) {
    ck_problem p = make_problem(2, 3, 4, 1, 7, 6, 3, 1, 2, 2);
    p.padding_mode = mode;
    p.flip_kernel = 1;
    compare_forms(p, random);
    p.pad_begin[1] = 40; /* far beyond what reflect and circular are meant for */
    p.pad_begin[2] = 1000;
    compare_forms(p, random);
  }
}

TEST(random_problems) {
  Random random(test::options.seed * 7919);
  for (int i = 0; i < test::options.random_cases; ++i) {
    const ck_problem p = random_problem(random);
    if (terms_of(p) > 3e6) continue;
    compare(p, random, static_cast<int32_t>(random.between(1, 3)));
  }
}

/* One NaN or infinity in the image or the features reaches exactly the results that have it in a term; what
 * lies under the padding is not a term. */
TEST(non_finite_operands) {
  Random random(test::options.seed * 31);
  for (int i = 0; i < test::options.random_cases; ++i) {
    const ck_problem p = with_type(random_problem(random), CK_FLOAT32);
    if (p.batch == 0 || static_cast<double>(feature_size(p)) * static_cast<double>(weight_size(p)) > 3e6) continue;
    const Data<float> data(p, Guard::behind);
    Integers given(p, random);
    const double odd = random.chance(50) ? std::nan("") : HUGE_VAL;
    std::vector<double> &hit = random.chance(50) ? given.image : given.features;
    hit[static_cast<size_t>(random.between(0, static_cast<int64_t>(hit.size()) - 1))] = odd;
    copy_into(given, data);
    for (const ck_pass pass : kPasses) {
      const std::vector<double> wanted = expected(p, pass, given);
      for (const std::string &algorithm : algorithm_names()) {
        for (const std::string &isa : isa_names()) {
          Host host;
          const Buffer<float> out(result_size(p, pass));
          if (is_refusal(run_pass(host, p, pass, isa.c_str(), data, nullptr, false, out.data(), algorithm.c_str()),
                         algorithm)) {
            continue;
          }
          bool same = true;
          for (size_t k = 0; k < out.size(); ++k) {
            const double got = static_cast<double>(out[k]);
            if (is_exact(algorithm)) {
              same = same && (got == wanted[k] || (std::isnan(got) && std::isnan(wanted[k])));
            } else { /* neighbours in a tile may be hit as well */
              same =
                  same && (!std::isfinite(got) || (std::isfinite(wanted[k]) && agrees(out[k], wanted[k], algorithm)));
            }
          }
          CHECK(same, algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(pass) + " with " +
                          std::to_string(odd));
        }
      }
    }
  }
}

/* <C x, y> = <x, C' y> and = <w, gradient(x, y)>, in exact integers, through the core alone. */
TEST(adjoint_identity) {
  Random random(test::options.seed * 104729);
  for (int i = 0; i < test::options.random_cases; ++i) {
    const ck_problem p = with_type(random_problem(random), CK_FLOAT64);
    const Data<double> data(p, Guard::behind);
    copy_into(Integers(p, random), data);
    Host host(2);
    double products[3];
    const Buffer<double> *const others[] = {&data.features, &data.image, &data.weights};
    for (const ck_pass pass : kPasses) {
      const Buffer<double> out(result_size(p, pass));
      const ck_status status = run_pass(host, p, pass, nullptr, data, nullptr, false, out.data());
      CHECK(status == CK_OK, describe(p, "best"));
      products[pass] = 0;
      for (size_t k = 0; k < out.size(); ++k) products[pass] += out[k] * (*others[pass])[k];
    }
    if (p.batch == 0) continue;
    CHECK(products[0] == products[1] && products[0] == products[2], describe(p, "best"));
  }
}

TEST(bias_gradient) {
  Random random(test::options.seed + 5);
  for (const int32_t slots : {1, 3}) {
    Host host(slots);
    for (const int64_t channels : {1, 3, 64, 67, 200}) {
      for (const int64_t positions : {1, 7, 8, 25, 2000}) {
        for (const int64_t batch : {0, 1, 3}) {
          for (const ck_layout layout : {CK_CHANNELS_FIRST, CK_CHANNELS_LAST}) {
            const std::vector<double> x = small_integers(batch * channels * positions, random);
            const Buffer<float> in(batch * channels * positions);
            const Buffer<float> out(channels);
            copy_into(x, in);
            const ck_status status =
                ck_bias_gradient(&host.runtime, CK_FLOAT32, layout, batch, channels, positions, in.data(), out.data());
            bool equal = status == CK_OK;
            for (int64_t c = 0; c < channels; ++c) {
              double sum = 0;
              for (int64_t i = 0; i < batch * positions; ++i) {
                sum += x[static_cast<size_t>(layout == CK_CHANNELS_LAST
                                                 ? i * channels + c
                                                 : (i / positions * channels + c) * positions + i % positions)];
              }
              equal = equal && static_cast<double>(out[static_cast<size_t>(c)]) == sum;
            }
            CHECK(equal, "bias gradient " + std::to_string(batch) + " " + std::to_string(channels) + " " +
                             std::to_string(positions));
          }
        }
      }
    }
  }
}
