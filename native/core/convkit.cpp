/* The C header's functions: check arguments, get memory, hand over. Nothing is written before all
 * memory is there. */
#include "convkit.h"

#include <string.h>

#include "conv/plan.h"
#include "cpu/float_environment.h"
#include "util/host.h"
#include "util/text.h"

using namespace convkit;

struct ck_weights {
  ck_runtime host; /* owns the memory */
  char key[sizeof(ck_plan_info::weights_key)];
};

namespace {

/* Where the panels begin behind the header. */
constexpr int64_t kWeightsHeader = (sizeof(ck_weights) + kAlignment - 1) / kAlignment * kAlignment;

bool usable(const ck_runtime *runtime) {
  return runtime && runtime->alloc && runtime->free && runtime->parallel_for && runtime->slots >= 1;
}

void *allocate(const ck_runtime &host, int64_t bytes) {
  if (static_cast<uint64_t>(bytes) > SIZE_MAX) return nullptr;
  return host.alloc(host.context, static_cast<size_t>(bytes), kAlignment);
}

/* Are the operands of the pass there? With a batch of 0 the maps have no elements and are not looked at. */
bool complete(const ck_plan &plan, const ck_operands &operands) {
  const bool empty = plan.problem.given.batch == 0;
  if (plan.pass == CK_WEIGHT_GRADIENT) {
    return operands.weight_gradient && (empty || (operands.image_in && operands.features_in));
  }
  const bool forward = plan.pass == CK_FORWARD;
  const bool maps = forward ? operands.image_in && operands.features_out : operands.features_in && operands.image_out;
  if (!(maps || empty) || (!operands.packed && !operands.weights)) return false;
  if (operands.packed && strcmp(operands.packed->key, plan.info.weights_key) != 0) return false;
  const ck_epilogue *const e = operands.epilogue;
  if (!e) return true;
  return e->activation >= CK_LINEAR && e->activation <= CK_HARD_SWISH && (e->activation != CK_PRELU || e->slope);
}

}  // namespace

extern "C" {

int32_t ck_isa_count(void) { return kernel_table_count(); }

const char *ck_isa_name(int32_t index) {
  const KernelTable *const table = kernel_table(index);
  return table ? table->name : nullptr;
}

int32_t ck_algorithm_count(void) { return algorithm_count(); }

const char *ck_algorithm_name(int32_t index) {
  const Algorithm *const algorithm = algorithm_at(index);
  return algorithm ? algorithm->name : nullptr;
}

ck_status ck_plan_create(const ck_runtime *runtime, const ck_problem *problem, ck_pass pass, const char *algorithm,
                         const char *isa, int32_t prepared, ck_plan **plan, char why[160]) {
  char unread[160];
  if (!why) why = unread;
  why[0] = 0;
  if (!plan) return CK_INVALID;
  *plan = nullptr;
  if (!usable(runtime) || !problem) {
    Text(why, 160).add("the runtime or the problem is missing or incomplete");
    return CK_INVALID;
  }
  const FloatEnvironment environment; /* the planner's costs are floating-point numbers */
  ck_plan *const made = static_cast<ck_plan *>(allocate(*runtime, sizeof(ck_plan)));
  if (!made) return CK_OUT_OF_MEMORY;
  memset(static_cast<void *>(made), 0, sizeof *made);
  made->host = *runtime;
  made->prepared = prepared != 0;
  const ck_status status = make_plan(*problem, pass, algorithm, isa, runtime->slots, made, why);
  if (status == CK_OK) {
    *plan = made;
  } else {
    ck_plan_destroy(made);
  }
  return status;
}

void ck_plan_describe(const ck_plan *plan, ck_plan_info *info) {
  if (plan && info) *info = plan->info;
}

void ck_plan_destroy(ck_plan *plan) {
  if (plan) plan->host.free(plan->host.context, plan);
}

ck_status ck_weights_pack(const ck_plan *plan, const ck_runtime *runtime, const void *weights, ck_weights **packed) {
  if (!packed) return CK_INVALID;
  *packed = nullptr;
  if (!plan || !usable(runtime) || !weights || plan->pass == CK_WEIGHT_GRADIENT) return CK_INVALID;
  const FloatEnvironment environment;
  void *const block = allocate(*runtime, kWeightsHeader + plan->weights_bytes);
  if (!block) return CK_OUT_OF_MEMORY;
  ck_weights *const made = static_cast<ck_weights *>(block);
  made->host = *runtime;
  memcpy(made->key, plan->info.weights_key, sizeof made->key);
  const ck_status status = plan->algorithm->of(plan->problem)
                               .pack_weights(*plan, *runtime, weights, static_cast<char *>(block) + kWeightsHeader);
  if (status == CK_OK) {
    *packed = made;
  } else {
    ck_weights_destroy(made);
  }
  return status;
}

void ck_weights_destroy(ck_weights *packed) {
  if (!packed) return;
  const ck_runtime host = packed->host;
  host.free(host.context, packed);
}

ck_status ck_run(const ck_plan *plan, const ck_runtime *runtime, const ck_operands *operands) {
  if (!plan || !usable(runtime) || !operands || !complete(*plan, *operands)) return CK_INVALID;
  if (plan->blocking.units == 0) return CK_OK;
  const FloatEnvironment environment;

  const bool pack = plan->pass != CK_WEIGHT_GRADIENT && !operands->packed && !plan->packs_inside;
  const int64_t slot_bytes = plan->blocking.slot_bytes * (plan->small ? 1 : runtime->slots);
  const int64_t scratch_bytes = slot_bytes + plan->blocking.shared_bytes;
  const Block memory(*runtime, scratch_bytes + (pack ? plan->weights_bytes : 0));
  if (!memory.data()) return CK_OUT_OF_MEMORY;

  RunContext context = {plan, runtime, operands, nullptr, memory.data(), memory.data() + slot_bytes};
  if (pack) {
    char *const packed = memory.data() + scratch_bytes;
    const ck_status status =
        plan->algorithm->of(plan->problem).pack_weights(*plan, *runtime, operands->weights, packed);
    if (status != CK_OK) return status;
    context.weights = packed;
  } else if (operands->packed) {
    context.weights = reinterpret_cast<const char *>(operands->packed) + kWeightsHeader;
  }
  return plan->algorithm->of(plan->problem).run(context);
}

}  // extern "C"
