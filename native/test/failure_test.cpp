/* What goes wrong is reported, leaves outputs alone and leaks nothing. */
#include <cmath>
#include <cstring>

#include "runner.h"

using namespace test;

namespace {

template <typename T>
bool untouched(const Buffer<T> &out) {
  for (const T x : out) {
    if (!std::isnan(x)) return false;
  }
  return true;
}

/* The planner's choice, and two by name. */
const char *const kAlgorithms[] = {nullptr, "im2col", "fft"};

ck_problem larger_problem(int32_t layout) {
  ck_problem p = make_problem(2, 40, 37, 1, 33, 31, 3, 1, 1, 1);
  p.layout = p.weight_layout = layout;
  return p;
}

void check_invalid(const ck_problem &p, const char *what) {
  for (const ck_pass pass : kPasses) {
    Host host;
    const PlanOwner owner(host, p, pass, nullptr);
    CHECK(owner.status == CK_INVALID && owner.plan == nullptr && owner.why[0] != 0, what);
    CHECK(host.live == 0, what);
  }
}

/* A problem for each algorithm; of depthwise layers, and of the others. */
ck_problem problem_for(const std::string &algorithm, int32_t layout) {
  if (algorithm != "depthwise") return larger_problem(layout);
  ck_problem p = make_problem(2, 24, 24, 24, 53, 51, 5, 1, 2, 1);
  p.layout = p.weight_layout = layout;
  return p;
}

/* Each allocation of a pass fails in turn: the status says so, nothing is written or kept, and the same host, plan and
 * packed weights give the right result afterwards. */
template <typename T>
void check_allocations(const ck_problem &p, ck_pass pass, bool prepack, const std::string &algorithm) {
  const std::string what = algorithm + " " + describe(p, "") + " pass " + std::to_string(pass);
  Random random(test::options.seed);
  const Data<T> data(p, Guard::behind);
  copy_into(small_integers(image_size(p), random), data.image);
  copy_into(small_integers(feature_size(p), random), data.features);
  copy_into(small_integers(weight_size(p), random), data.weights);
  Host host(2);
  const Buffer<T> wanted(result_size(p, pass)), out(result_size(p, pass));
  if (is_refusal(run_pass(host, p, pass, nullptr, data, nullptr, prepack, wanted.data(), algorithm.c_str()),
                 algorithm)) {
    return;
  }
  const auto is_right = [&] { return std::memcmp(out.data(), wanted.data(), out.size() * sizeof(T)) == 0; };

  /* From the plan on. */
  int64_t failures = 0;
  for (;; ++failures) {
    host.fail_at = host.allocations + failures;
    out.fill(std::numeric_limits<T>::quiet_NaN());
    const ck_status status = run_pass(host, p, pass, nullptr, data, nullptr, prepack, out.data(), algorithm.c_str());
    CHECK(host.live == 0, what + ": memory is left after a failure");
    if (status == CK_OK) break;
    CHECK(status == CK_OUT_OF_MEMORY && untouched(out), what + ": allocation " + std::to_string(failures));
  }
  CHECK(is_right(), what + ": after failures");
  CHECK(failures >= 2, what + ": the plan and the workspace are allocated");

  /* Of the run alone: plan and weights stay. */
  host.fail_at = -1;
  const PlanOwner owner(host, p, pass, nullptr, algorithm.c_str());
  ck_operands operands = operands_of(pass, data, out.data());
  ck_weights *packed = nullptr;
  if (prepack && pass != CK_WEIGHT_GRADIENT) {
    CHECK(ck_weights_pack(owner.plan, &host.runtime, data.weights.data(), &packed) == CK_OK, what);
    operands.packed = packed;
    operands.weights = nullptr;
  }
  const int64_t kept = host.live;
  for (int64_t failing = 0;; ++failing) {
    host.fail_at = host.allocations + failing;
    out.fill(std::numeric_limits<T>::quiet_NaN());
    const ck_status status = ck_run(owner.plan, &host.runtime, &operands);
    CHECK(host.live == kept, what + ": memory is left by a run");
    if (status == CK_OK) break;
    CHECK(status == CK_OUT_OF_MEMORY && untouched(out), what + ": run, allocation " + std::to_string(failing));
  }
  CHECK(is_right(), what + ": the plan is usable after failures");
  ck_weights_destroy(packed);
}

}  // namespace

TEST(allocation_failures) {
  for (const std::string &algorithm : algorithm_names()) {
    for (int32_t layout = 0; layout < 2; ++layout) {
      const ck_problem p = problem_for(algorithm, layout);
      for (const ck_pass pass : kPasses) {
        for (const bool prepack : {false, true}) {
          check_allocations<float>(p, pass, prepack, algorithm);
          if (!test::options.brief) check_allocations<double>(with_type(p, CK_FLOAT64), pass, prepack, algorithm);
        }
      }
    }
  }
}

/* Threads share a run: the same bits as from one. What the thread sanitizer looks at; short, since it is slow. */
TEST(shared_units) {
  Random random(test::options.seed);
  for (const std::string &algorithm : algorithm_names()) {
    for (int32_t layout = 0; layout < 2; ++layout) {
      ck_problem p = algorithm == "depthwise" ? make_problem(2, 24, 24, 24, 33, 32, 5, 1, 2, 1)
                                              : make_problem(2, 12, 11, 1, 24, 23, 3, 1, 1, 1);
      p.layout = p.weight_layout = layout;
      const Data<float> data(p, Guard::behind);
      copy_into(small_integers(image_size(p), random), data.image);
      copy_into(small_integers(feature_size(p), random), data.features);
      copy_into(small_integers(weight_size(p), random), data.weights);
      for (const ck_pass pass : kPasses) {
        Host one(1), three(3);
        const Buffer<float> wanted(result_size(p, pass)), out(result_size(p, pass));
        run_pass(one, p, pass, nullptr, data, nullptr, false, wanted.data(), algorithm.c_str());
        run_pass(three, p, pass, nullptr, data, nullptr, true, out.data(), algorithm.c_str());
        CHECK(std::memcmp(out.data(), wanted.data(), out.size() * sizeof(float)) == 0, algorithm);
      }
    }
  }
}

/* Where the stride leaves gaps, slots may get bands of the image that no feature reaches. */
TEST(bands_in_gaps) {
  for (int32_t layout = 0; layout < 2; ++layout) {
    ck_problem p = make_problem(1, 7, 5, 1, 1, 13, 1, 3, 0, 1);
    p.pad_begin[2] = 1, p.features[2] = 6;
    p.layout = p.weight_layout = layout;
    const Data<float> data(p, Guard::behind);
    data.features.fill(1), data.weights.fill(1);
    for (int32_t slots = 1; slots <= 8; ++slots) {
      Host host(slots);
      const Buffer<float> out(result_size(p, CK_ADJOINT));
      run_pass(host, p, CK_ADJOINT, nullptr, data, nullptr, false, out.data(), "im2col");
      double sum = 0;
      for (size_t i = 0; i < out.size(); ++i) sum += static_cast<double>(out.data()[i]);
      CHECK(sum == 4 * 5 * 7, "four of the six features lie in the image");
    }
  }
}

TEST(cancellation) {
  for (int32_t form = 0; form < 6; ++form) {
    const ck_problem p = larger_problem(form & 1);
    const char *const algorithm = kAlgorithms[form / 2];
    const Data<float> data(p, Guard::behind);
    data.image.fill(1), data.features.fill(1), data.weights.fill(1);
    for (const ck_pass pass : kPasses) {
      for (const int64_t cancel_at : {0, 1, 2, 5, 9}) {
        if (cancel_at == 9 && !algorithm) continue; /* there may be fewer blocks */
        Host host(2);
        host.cancel_at = cancel_at;
        const Buffer<float> out(result_size(p, pass));
        const ck_status status = run_pass(host, p, pass, nullptr, data, nullptr, false, out.data(), algorithm);
        CHECK(status == CK_CANCELLED && host.live == 0, "cancelled at " + std::to_string(cancel_at));
      }
    }
  }
}

TEST(plans) {
  const Host host(2);
  const ck_problem p = larger_problem(0);
  const PlanOwner best(host, p, CK_FORWARD, nullptr), named(host, p, CK_FORWARD, "portable", "im2col");
  const ck_plan_info chosen = best.info();
  CHECK(std::string(chosen.algorithm) == "winograd", "the fast algorithm");
  CHECK(std::string(chosen.refused) == "fft: few taps, or little work; depthwise: features read several channels",
        chosen.refused);
  const PlanOwner small(host, make_problem(1, 4, 4, 1, 9, 9, 3, 1, 1, 1), CK_FORWARD, nullptr);
  CHECK(std::string(small.info().algorithm) == "direct", "too small for transforms");
  CHECK(std::string(small.info().refused) ==
            "fft: few taps, or little work; depthwise: features read several channels; winograd: too little work",
        small.info().refused);
  CHECK(std::string(named.info().id) == "im2col/4x8/kc180/portable", named.info().id);
  CHECK(std::string(named.info().weights_key) != best.info().weights_key || ck_isa_count() == 1, "keys differ by tile");
  const PlanOwner unknown(host, p, CK_FORWARD, nullptr, "fast");
  CHECK(unknown.status == CK_UNSUPPORTED && std::string(unknown.why) == "fast: no such algorithm", unknown.why);
  const PlanOwner isa(host, p, CK_FORWARD, "vax");
  CHECK(isa.status == CK_UNSUPPORTED && isa.why[0] != 0, "an unknown instruction set");

  /* Packed weights of another form are refused. */
  Host owner(1);
  const PlanOwner forward(owner, p, CK_FORWARD, nullptr), adjoint(owner, p, CK_ADJOINT, nullptr);
  const Data<float> data(p, Guard::behind);
  const Buffer<float> out(image_size(p));
  ck_weights *packed = nullptr;
  CHECK(ck_weights_pack(forward.plan, &owner.runtime, data.weights.data(), &packed) == CK_OK, "pack");
  ck_operands operands = operands_of(CK_ADJOINT, data, out.data());
  operands.packed = packed;
  CHECK(ck_run(adjoint.plan, &owner.runtime, &operands) == CK_INVALID && untouched(out), "another plan's weights");
  ck_weights_destroy(packed);
  CHECK(ck_weights_pack(forward.plan, &owner.runtime, nullptr, &packed) == CK_INVALID && !packed, "no weights");
}

TEST(missing_operands) {
  Host host(1);
  const ck_problem p = larger_problem(0);
  const Data<float> data(p, Guard::behind);
  const Buffer<float> out(feature_size(p));
  const PlanOwner owner(host, p, CK_FORWARD, nullptr);
  ck_operands operands = operands_of(CK_FORWARD, data, out.data());
  ck_epilogue epilogue = {};
  operands.epilogue = &epilogue;
  epilogue.activation = CK_PRELU;
  CHECK(ck_run(owner.plan, &host.runtime, &operands) == CK_INVALID, "prelu without slope");
  epilogue.activation = 77;
  CHECK(ck_run(owner.plan, &host.runtime, &operands) == CK_INVALID, "unknown activation");
  operands.epilogue = nullptr;
  operands.image_in = nullptr;
  CHECK(ck_run(owner.plan, &host.runtime, &operands) == CK_INVALID, "no image");
  operands = operands_of(CK_FORWARD, data, out.data());
  operands.weights = nullptr;
  CHECK(ck_run(owner.plan, &host.runtime, &operands) == CK_INVALID, "no weights");
  CHECK(ck_run(nullptr, &host.runtime, &operands) == CK_INVALID, "no plan");
  CHECK(ck_run(owner.plan, nullptr, &operands) == CK_INVALID, "no runtime");
  CHECK(untouched(out), "output of refused calls");
  ck_plan_destroy(nullptr);
  ck_weights_destroy(nullptr);
}

TEST(invalid_problems) {
  const ck_problem good = make_problem(1, 4, 6, 2, 8, 8, 3, 1, 1, 1);
  ck_problem p = good;
  p.batch = -1, check_invalid(p, "batch");
  p = good, p.groups = 0, check_invalid(p, "no groups");
  p = good, p.groups = 3, check_invalid(p, "groups do not divide");
  p = good, p.image_channels = 0, check_invalid(p, "no channels");
  p = good, p.feature_channels = -2, check_invalid(p, "negative channels");
  p = good, p.stride[1] = 0, check_invalid(p, "stride 0");
  p = good, p.dilation[2] = 0, check_invalid(p, "dilation 0");
  p = good, p.image[0] = 0, check_invalid(p, "no image");
  p = good, p.kernel[1] = 0, check_invalid(p, "no kernel");
  p = good, p.features[2] = 0, check_invalid(p, "no features");
  p = good, p.pad_begin[2] = -1, check_invalid(p, "negative padding");
  p = good, p.layout = 2, check_invalid(p, "layout");
  p = good, p.weight_layout = -1, check_invalid(p, "weight layout");
  p = good, p.padding_mode = 4, check_invalid(p, "padding mode");
  p = good, p.image_type = 2, check_invalid(p, "type");
  p = good, p.weight_type = CK_FLOAT64, check_invalid(p, "mixed types");
  p = good, p.stride[2] = INT64_MAX, check_invalid(p, "stride overflows");
  p = good, p.dilation[1] = INT64_C(1) << 61, check_invalid(p, "dilation overflows");
  p = good, p.pad_begin[1] = INT64_MAX, check_invalid(p, "padding overflows");
  p = good, p.image[1] = p.image[2] = INT64_C(1) << 32, check_invalid(p, "image overflows");
  p = good, p.image[1] = INT64_MAX, p.image[2] = INT64_MAX, check_invalid(p, "image overflows twice");
  p = good, p.features[1] = p.features[2] = INT64_C(1) << 31, check_invalid(p, "features overflow");
  p = good, p.kernel[0] = p.kernel[1] = p.kernel[2] = INT64_C(1) << 21, check_invalid(p, "weights overflow");
  p = good, p.batch = INT64_MAX, check_invalid(p, "batch overflows");
}

/* Distances near the limit: legal, and no step leaves the image. */
TEST(far_reaching_problems) {
  Random random(test::options.seed);
  for (int32_t mode = 0; mode < 4; ++mode) {
    ck_problem p = make_problem(1, 2, 2, 1, 5, 5, 3, 1, 1, 1);
    p.padding_mode = mode;
    p.stride[2] = INT64_C(1) << 53, p.dilation[2] = (INT64_C(1) << 53) - 1, p.pad_begin[2] = (INT64_C(1) << 53) + 3;
    p.stride[1] = INT64_C(1) << 40, p.pad_begin[1] = INT64_C(1) << 60;
    const Data<float> data(p, Guard::behind);
    data.image.fill(1), data.features.fill(1), data.weights.fill(1);
    for (int32_t layout = 0; layout < 2; ++layout) {
      p.layout = layout;
      for (const ck_pass pass : kPasses) {
        Host host;
        const Buffer<float> out(result_size(p, pass));
        CHECK(run_pass(host, p, pass, nullptr, data, nullptr, false, out.data()) == CK_OK, describe(p, "far"));
        bool finite = true;
        for (const float x : out) finite = finite && std::isfinite(x);
        CHECK(finite, describe(p, "far"));
      }
    }
  }
}
