/* The planner: an ordered list of algorithms; the first that takes the problem wins, and each refusal
 * keeps its reason. */
#include "plan.h"

#include <string.h>

#include "../util/text.h"
#include "depthwise.h"
#include "direct.h"
#include "fft.h"
#include "im2col.h"
#include "winograd.h"

namespace convkit {
namespace {

const Algorithm *const algorithms[] = {&fft_algorithm, &depthwise_algorithm, &winograd_algorithm, &direct_algorithm,
                                       &im2col_algorithm};

/* A problem below this runs on the calling thread: waking others would take longer. */
constexpr double kSmallFlops = 2e6;

void add_refusal(Text *text, bool *any, const char *name, const char *reason) {
  if (*any) text->add("; ");
  *any = true;
  text->add(name).add(": ").add(reason);
}

const Algorithm *choose(const char *wanted, ck_plan *plan, char why[160]) {
  ck_plan_info *const info = &plan->info;
  Text refused(info->refused);
  bool any = false;
  for (const Algorithm *algorithm : algorithms) {
    if (wanted && strcmp(wanted, algorithm->name) != 0) continue;
    const char *reason = algorithm->refuses(plan->problem, plan->pass);
    const auto unprofitable = algorithm->of(plan->problem).unprofitable;
    if (!reason && !wanted && unprofitable) reason = unprofitable(plan);
    if (!reason) {
      Text(info->reason).add(wanted ? "asked for by name" : "first in the planner's order that takes the problem");
      return algorithm;
    }
    add_refusal(&refused, &any, algorithm->name, reason);
  }
  Text text(why, 160);
  if (any) {
    text.add(info->refused);
  } else {
    text.add(wanted).add(": no such algorithm");
  }
  return nullptr;
}

void describe(ck_plan *plan, int32_t slots) {
  static const char *const passes[] = {"forward", "adjoint", "gradient"};
  const Blocking &b = plan->blocking;
  const Problem &problem = plan->problem;
  const ck_problem &p = problem.given;
  ck_plan_info &info = plan->info;
  Text(info.algorithm).add(plan->algorithm->name);
  Text id(info.id), key(info.weights_key);
  id.add(plan->algorithm->name);
  /* All that the packed form depends on: what is packed, and the panels it is packed into. */
  key.add(plan->algorithm->name)
      .add("/")
      .add(passes[plan->pass])
      .add(is_f32(problem) ? "/f32/" : "/f64/")
      .add(plan->kernels->name);
  key.add("/").add(p.layout).add(p.weight_layout).add(p.flip_kernel ? "f" : "n");
  key.add("/").add(p.groups).add("x").add(problem.group_features).add("x").add(problem.group_channels);
  key.add("/").add(p.kernel[0]).add("x").add(p.kernel[1]).add("x").add(p.kernel[2]);
  plan->algorithm->describe(*plan, &id, &key);
  id.add("/").add(plan->kernels->name);
  info.weights_bytes = plan->weights_bytes;
  const int64_t used = plan->small ? 1 : slots;
  info.workspace_bytes = plan->weights_bytes + b.shared_bytes + (b.slot_bytes + b.pack_bytes) * used;
}

}  // namespace

int32_t algorithm_count() { return static_cast<int32_t>(sizeof algorithms / sizeof algorithms[0]); }

const Algorithm *algorithm_at(int32_t index) {
  return index >= 0 && index < algorithm_count() ? algorithms[index] : nullptr;
}

ck_status make_plan(const ck_problem &given, ck_pass pass, const char *algorithm, const char *isa, int32_t slots,
                    ck_plan *plan, char why[160]) {
  if (pass != CK_FORWARD && pass != CK_ADJOINT && pass != CK_WEIGHT_GRADIENT) {
    Text(why, 160).add("unknown pass");
    return CK_INVALID;
  }
  if (const char *const fault = check_problem(given, &plan->problem)) {
    Text(why, 160).add(fault);
    return CK_INVALID;
  }
  plan->pass = pass;
  plan->kernels = find_kernel_table(isa);
  if (!plan->kernels) {
    Text(why, 160).add(isa).add(": this instruction set does not exist or cannot run here");
    return CK_UNSUPPORTED;
  }
  plan->algorithm = choose(algorithm, plan, why);
  if (!plan->algorithm) return CK_UNSUPPORTED;
  plan->small = plan->problem.flops < kSmallFlops;
  plan->algorithm->of(plan->problem).block(plan, slots);
  describe(plan, slots);
  return CK_OK;
}

}  // namespace convkit
