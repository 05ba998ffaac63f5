#include "compare.h"

#include <cmath>

namespace test {

std::vector<double> expected(const ck_problem &p, ck_pass pass, const Integers &given) {
  if (pass == CK_FORWARD) return reference_forward(p, given.image, given.weights);
  if (pass == CK_ADJOINT) return reference_adjoint(p, given.features, given.weights);
  return reference_gradient(p, given.image, given.features);
}

namespace {

template <typename T>
void compare_all(const ck_problem &p, Random &random, int32_t slots) {
  const Guard guard = random.chance(50) ? Guard::behind : Guard::before;
  const Data<T> data(p, guard);
  const Integers given(p, random);
  copy_into(given, data);
  copy_into(small_integers(p.image_channels, random), data.bias_image);
  copy_into(small_integers(p.feature_channels, random), data.bias_features);
  const bool use_epilogue = random.chance(50);

  for (const ck_pass pass : kPasses) {
    std::vector<double> wanted = expected(p, pass, given);
    ck_epilogue epilogue = {};
    if (use_epilogue && pass != CK_WEIGHT_GRADIENT) {
      const Buffer<T> &bias = pass == CK_FORWARD ? data.bias_features : data.bias_image;
      const int64_t channels = pass == CK_FORWARD ? p.feature_channels : p.image_channels;
      const int64_t pixels = pass == CK_FORWARD ? product(p.features) : product(p.image);
      epilogue.bias = bias.data();
      epilogue.activation = random.chance(50) ? CK_CLIP : CK_PRELU; /* exact both */
      epilogue.a = -5;
      epilogue.b = 20;
      epilogue.slope = bias.data();
      for (size_t i = 0; i < wanted.size(); ++i) {
        const int64_t at = static_cast<int64_t>(i);
        const int64_t c = p.layout == CK_CHANNELS_FIRST ? at / pixels % channels : at % channels;
        const double b = static_cast<double>(bias[static_cast<size_t>(c)]), x = wanted[i] + b;
        wanted[i] = epilogue.activation == CK_CLIP ? std::fmin(std::fmax(x, -5), 20) : x < 0 ? b * x : x;
      }
    }
    for (const std::string &algorithm : algorithm_names()) {
      for (const std::string &isa : isa_names()) {
        Host host(slots);
        const Buffer<T> out(result_size(p, pass), guard);
        const ck_epilogue *const finish = use_epilogue && pass != CK_WEIGHT_GRADIENT ? &epilogue : nullptr;
        const ck_status status =
            run_pass(host, p, pass, isa.c_str(), data, finish, random.chance(50), out.data(), algorithm.c_str());
        const std::string what = algorithm + " " + describe(p, isa.c_str()) + " pass " + std::to_string(pass);
        CHECK(host.live == 0, what + ": memory is left");
        if (is_refusal(status, algorithm)) continue;
        CHECK(status == CK_OK, what + " status " + std::to_string(status));
        size_t bad = 0;
        while (bad < wanted.size() && agrees(out[bad], wanted[bad], algorithm)) ++bad;
        CHECK(bad == wanted.size(),
              what + " element " + std::to_string(bad) + " of " + std::to_string(wanted.size()) +
                  (bad < wanted.size() ? ": " + std::to_string(out[bad]) + ", expected " + std::to_string(wanted[bad])
                                       : ""));
      }
    }
  }
}

}  // namespace

void compare(const ck_problem &p, Random &random, int32_t slots) {
  if (p.image_type == CK_FLOAT32) {
    compare_all<float>(p, random, slots);
  } else {
    compare_all<double>(p, random, slots);
  }
}

void compare_forms(ck_problem p, Random &random, const std::vector<int> &forms) {
  if (test::options.brief && !random.chance(33)) return;
  const int64_t drawn = random.between(0, static_cast<int64_t>(forms.size()) - 1);
  for (const int form : test::options.brief ? std::vector<int>{forms[static_cast<size_t>(drawn)]} : forms) {
    p.layout = form & 1;
    p.weight_layout = form >> 1 & 1;
    p = with_type(p, form & 4 ? CK_FLOAT64 : CK_FLOAT32);
    compare(p, random, 1 + form % 3);
  }
}

}  // namespace test
