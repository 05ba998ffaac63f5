/* Runs one pass through the C header on guarded, poisoned memory. */
#ifndef CONVKIT_TEST_RUNNER_H
#define CONVKIT_TEST_RUNNER_H

#include <cmath>
#include <limits>
#include <memory>

#include "harness.h"
#include "hosts.h"
#include "problems.h"

namespace test {

template <typename T>
constexpr ck_type type_of() {
  return sizeof(T) == 4 ? CK_FLOAT32 : CK_FLOAT64;
}

inline ck_problem with_type(ck_problem p, ck_type type) {
  p.image_type = p.weight_type = p.accumulator_type = p.feature_type = type;
  return p;
}

/* The operands of all three passes, and room for their results. */
template <typename T>
struct Data {
  Buffer<T> image, features, weights;
  Buffer<T> bias_image, bias_features;

  Data(const ck_problem &p, Guard guard)
      : image(image_size(p), guard),
        features(feature_size(p), guard),
        weights(weight_size(p), guard),
        bias_image(p.image_channels, guard),
        bias_features(p.feature_channels, guard) {}
};

/* What the operands of a test hold. */
struct Integers {
  std::vector<double> image, features, weights;

  Integers(const ck_problem &p, Random &random)
      : image(small_integers(image_size(p), random)),
        features(small_integers(feature_size(p), random)),
        weights(small_integers(weight_size(p), random)) {}
};

template <typename T>
void copy_into(const Integers &from, const Data<T> &to) {
  copy_into(from.image, to.image);
  copy_into(from.features, to.features);
  copy_into(from.weights, to.weights);
}

inline int64_t result_size(const ck_problem &p, ck_pass pass) {
  return pass == CK_FORWARD ? feature_size(p) : pass == CK_ADJOINT ? image_size(p) : weight_size(p);
}

template <typename T>
ck_operands operands_of(ck_pass pass, const Data<T> &data, T *out) {
  ck_operands o = {};
  if (pass != CK_ADJOINT) o.image_in = data.image.data();
  if (pass != CK_FORWARD) o.features_in = data.features.data();
  if (pass != CK_WEIGHT_GRADIENT) o.weights = data.weights.data();
  (pass == CK_FORWARD ? o.features_out : pass == CK_ADJOINT ? o.image_out : o.weight_gradient) = out;
  return o;
}

struct PlanOwner {
  ck_plan *plan = nullptr;
  char why[160] = "";
  ck_status status;

  PlanOwner(const Host &host, const ck_problem &p, ck_pass pass, const char *isa, const char *algorithm = nullptr,
            int32_t prepared = 0) {
    status = ck_plan_create(&host.runtime, &p, pass, algorithm, isa, prepared, &plan, why);
  }
  ~PlanOwner() { ck_plan_destroy(plan); }
  PlanOwner(const PlanOwner &) = delete;
  PlanOwner &operator=(const PlanOwner &) = delete;
  ck_plan_info info() const {
    ck_plan_info info;
    ck_plan_describe(plan, &info);
    return info;
  }
};

/* Plans and runs; packs the weights beforehand if asked. */
template <typename T>
ck_status run_pass(Host &host, const ck_problem &p, ck_pass pass, const char *isa, const Data<T> &data,
                   const ck_epilogue *epilogue, bool prepack, T *out, const char *algorithm = nullptr) {
  const PlanOwner owner(host, p, pass, isa, algorithm, !algorithm && prepack);
  if (owner.status != CK_OK) return owner.status;
  ck_operands operands = operands_of(pass, data, out);
  operands.epilogue = epilogue;
  ck_weights *packed = nullptr;
  if (prepack && pass != CK_WEIGHT_GRADIENT) {
    const ck_status status = ck_weights_pack(owner.plan, &host.runtime, operands.weights, &packed);
    if (status != CK_OK) return status;
    operands.packed = packed;
    operands.weights = nullptr;
  }
  const ck_status status = ck_run(owner.plan, &host.runtime, &operands);
  ck_weights_destroy(packed);
  return status;
}

inline std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(ck_algorithm_count()));
  for (int32_t i = 0; i < ck_algorithm_count(); ++i) names.push_back(ck_algorithm_name(i));
  return names;
}

/* Any algorithm may refuse a problem but the last, which takes everything. */
inline bool is_refusal(ck_status status, const std::string &algorithm) {
  return status == CK_UNSUPPORTED && algorithm != ck_algorithm_name(ck_algorithm_count() - 1);
}

/* Every algorithm is exact on small integers but that of transforms: its result may be off by a few roundings of the
 * largest values on the way. */
inline bool is_exact(const std::string &algorithm) { return algorithm != "winograd" && algorithm != "fft"; }

template <typename T>
bool agrees(T got, double wanted, const std::string &algorithm) {
  if (is_exact(algorithm)) return static_cast<double>(got) == wanted;
  const double largest = 4096; /* of any sum in the tests, before its epilogue multiplies by a slope */
  return std::fabs(static_cast<double>(got) - wanted) <=
         40 * largest * static_cast<double>(std::numeric_limits<T>::epsilon());
}

constexpr ck_pass kPasses[] = {CK_FORWARD, CK_ADJOINT, CK_WEIGHT_GRADIENT};

}  // namespace test
#endif
