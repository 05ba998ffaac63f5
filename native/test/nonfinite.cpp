#include "nonfinite.h"

#include <cmath>

namespace test {

template <typename T>
void Spoiled<T>::spoil(std::vector<double> *values, int64_t images, Random &random) {
  if (values->empty()) return;
  const double infinity = std::numeric_limits<double>::infinity();
  const double kinds[] = {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity};
  const int64_t size = static_cast<int64_t>(values->size()) / images, image = random.between(0, images - 1);
  if (images > 1) spoiled_image_ = image;
  for (int64_t count = random.between(1, 2); count > 0; --count) {
    (*values)[static_cast<size_t>(image * size + random.between(0, size - 1))] = kinds[random.between(0, 2)];
  }
}

template <typename T>
Spoiled<T>::Spoiled(const ck_problem &p, ck_pass pass, Random &random)
    : problem_(p), pass_(pass), data_(p, Guard::behind) {
  std::vector<double> image = small_integers(image_size(p), random), features = small_integers(feature_size(p), random),
                      weights = small_integers(weight_size(p), random);
  const int64_t images = p.batch > 0 && pass != CK_WEIGHT_GRADIENT ? p.batch : 1;
  if (random.chance(50)) {
    spoil(pass == CK_ADJOINT ? &features : &image, images, random);
  } else if (pass == CK_WEIGHT_GRADIENT) {
    spoil(&features, 1, random);
  } else {
    spoil(&weights, 1, random);
    weights_spoiled_ = true;
  }
  wanted_ = pass == CK_FORWARD   ? reference_forward(p, image, weights)
            : pass == CK_ADJOINT ? reference_adjoint(p, features, weights)
                                 : reference_gradient(p, image, features);
  copy_into(image, data_.image);
  copy_into(features, data_.features);
  copy_into(weights, data_.weights);
}

template <typename T>
bool Spoiled<T>::legal(double got, size_t index, bool exact) const {
  const double wanted = wanted_[index];
  if (std::isnan(wanted)) return std::isnan(got);
  if (std::isinf(wanted)) return exact && !weights_spoiled_ ? got == wanted : !std::isfinite(got);
  if (exact) return got == wanted || (weights_spoiled_ && std::isnan(got));
  if (std::isfinite(got)) return std::fabs(got - wanted) < 0.25;
  const int64_t image =
      spoiled_image_ < 0 ? -1 : static_cast<int64_t>(index * static_cast<size_t>(problem_.batch) / wanted_.size());
  return image == spoiled_image_;
}

template <typename T>
std::string Spoiled<T>::fault(const char *isa, const std::string &algorithm, int32_t slots, bool prepack) const {
  Host host(slots);
  const Buffer<T> out(result_size(problem_, pass_));
  const ck_status status = run_pass(host, problem_, pass_, isa, data_, nullptr, prepack, out.data(), algorithm.c_str());
  const std::string what = algorithm + " " + describe(problem_, isa) + " pass " + std::to_string(pass_);
  if (is_refusal(status, algorithm)) return "";
  if (status != CK_OK) return what + ": status " + std::to_string(status);
  for (size_t i = 0; i < out.size(); ++i) {
    if (legal(static_cast<double>(out[i]), i, is_exact(algorithm))) continue;
    return what + (weights_spoiled_ ? ", weights spoiled" : ", map spoiled") + ": element " + std::to_string(i) +
           " is " + std::to_string(out[i]) + ", the formula gives " + std::to_string(wanted_[i]);
  }
  return "";
}

template class Spoiled<float>;
template class Spoiled<double>;

}  // namespace test
