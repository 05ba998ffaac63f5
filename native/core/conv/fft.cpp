#include "fft.h"

#include "../util/text.h"
#include "plan.h"
#include "winograd.h"

namespace convkit {
namespace {

/* Below this, a call is too short to tell, and results stay exact where the other algorithms' are. */
constexpr double kLeastWork = 1e7; /* multiply-adds of an image */
/* With fewer, spectra of large maps are bound by memory: 3 x 3 is as fast as direct at best. */
constexpr int64_t kLeastTaps = 10;
/* Kernels that are shorter along every axis are better served by Winograd. */
constexpr int64_t kLeastLength = 5;
/* It must win clearly: the model is coarse, others use less memory, and sums of spectra take most of it. */
constexpr double kMargin = 1.15, kGradientMargin = 1.4;
constexpr double kWinogradMargin = 1.1;

const char *unprofitable(ck_plan *plan) {
  const Problem &problem = plan->problem;
  const ck_pass pass = plan->pass;
  const double images = static_cast<double>(problem.given.batch > 0 ? problem.given.batch : 1);
  if (problem.taps < kLeastTaps || problem.flops / 2 < kLeastWork * images) return "few taps, or little work";
  const int64_t *const kernel = problem.given.kernel;
  if (larger(kernel[0], larger(kernel[1], kernel[2])) < kLeastLength) return "a short kernel";
  FftForm form;
  fft_axes(problem, pass, &form);
  const double cost = fft_cost(problem, form) + (plan->prepared ? 0 : fft_pack_cost(form));
  const double margin = pass == CK_WEIGHT_GRADIENT ? kGradientMargin : kMargin;
  if (cost * margin >= fft_direct_cost(problem, pass)) return "transforms would take longer than they save";
  /* Kernels of some ten taps along one axis are pieces of a Winograd form, too; which is less accurate, and so must win
   * clearly but where spectra, which take long to pack, are packed in each call. */
  const double winograd = winograd_call_cost(problem, pass, *plan->kernels, !plan->prepared);
  const double least = winograd * (plan->prepared ? kWinogradMargin : 1);
  const bool better = winograd >= 0 && least < cost * static_cast<double>(problem.given.groups);
  return better ? "winograd takes less time" : nullptr;
}

template <typename T>
void block(ck_plan *plan, int32_t) {
  FftForm &f = plan->fft;
  fft_axes(plan->problem, plan->pass, &f);
  f.lanes = tiles_of<T>(*plan->kernels).lanes;
  f.tables_bytes = bytes_of<FftTables<T>>(f);
  if (f.gradient) return f.depthwise ? block_fft_depthwise_gradient<T>(plan) : block_fft_gradient<T>(plan);
  if (f.depthwise) {
    block_fft_depthwise<T>(plan);
  } else {
    block_fft_dense<T>(plan);
  }
  plan->blocking.pack_bytes = fft_pack_scratch<T>(f);
}

template <typename T>
ck_status run(const RunContext &context) {
  const FftForm &f = context.plan->fft;
  if (f.gradient) return f.depthwise ? run_fft_depthwise_gradient<T>(context) : run_fft_gradient<T>(context);
  return f.depthwise ? run_fft_depthwise<T>(context) : run_fft_dense<T>(context);
}

void describe(const ck_plan &plan, Text *id, Text *key) {
  const FftForm &f = plan.fft;
  Text *const texts[] = {id, key};
  for (Text *const text : texts) {
    text->add("/").add(f.axes[0].length).add("x").add(f.axes[1].length).add("x").add(f.axes[2].length);
    if (!f.gradient) text->add(f.result_channels_inner ? "/channels" : "/tiles");
  }
}

template <typename T>
constexpr TypedAlgorithm typed = {unprofitable, block<T>, pack_fft_weights<T>, run<T>};

}  // namespace

const Algorithm fft_algorithm = {"fft", fft_refuses, describe, typed<float>, typed<double>};

}  // namespace convkit
