/* The planner's row of the direct algorithm: how a plan is cut, and what it is called. */
#include "direct.h"

#include "../util/text.h"
#include "direct_rows.h"

namespace convkit {
namespace {

template <typename T>
void block(ck_plan *plan, int32_t slots) {
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  if (plan->pass == CK_WEIGHT_GRADIENT) {
    DirectGradientForm &g = plan->direct_gradient;
    make_direct_gradient_form(plan->problem, tiles, slots, &g);
    plan->blocking.units = g.blocks(plan->problem) * g.parts;
    plan->blocking.slot_bytes = direct_gradient_slot_bytes<T>(g);
    if (g.parts > 1)
      plan->blocking.shared_bytes = plan->blocking.units * g.block_elements() * static_cast<int64_t>(sizeof(T));
    return;
  }
  DirectForm &f = plan->direct;
  make_direct_form(plan->problem, plan->pass, tiles, slots, &f);
  int64_t bands = 1;
  for (int a = 0; a < 3; ++a) bands *= f.bands[a] * f.axes[a].residues;
  plan->blocking.units = (f.images ? 1 : plan->problem.given.batch) * f.bundles * bands * f.parts;
  plan->packs_inside = f.packs_inside;
  plan->weights_bytes = plan->problem.given.groups * f.group_weights * static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = direct_scratch<T>(f);
}

template <typename T>
ck_status run(const RunContext &context) {
  return context.plan->pass == CK_WEIGHT_GRADIENT ? run_direct_gradient<T>(context) : run_direct<T>(context);
}

void describe_gradient(const ck_plan &plan, Text *id) {
  const DirectGradientForm &f = plan.direct_gradient;
  const int64_t lanes = lanes_of(plan);
  id->add("/").add(f.height).add("x").add(f.vectors * lanes).add(f.features_in_lanes ? "/features" : "/channels");
  if (f.parts > 1) id->add("/parts").add(f.parts);
}

/* Spatial sizes are not in the key, only what they decide: which taps are used, and the panels. */
void describe(const ck_plan &plan, Text *id, Text *key) {
  if (plan.pass == CK_WEIGHT_GRADIENT) return describe_gradient(plan, id);
  const DirectForm &f = plan.direct;
  const int64_t lanes = lanes_of(plan);
  id->add("/")
      .add(f.height)
      .add("x")
      .add(f.vectors * lanes)
      .add(f.by_rows           ? "/rows"
           : f.pixels_in_lanes ? "/pixels"
                               : "/channels");
  if (f.phases > 1) id->add(f.joint ? "/joint" : "/phases").add(f.phases);
  key->add(f.by_rows ? "/r" : f.pixels_in_lanes ? "/p" : "/c").add(f.panels.width).add(f.joint ? "j" : "s");
  for (const DirectAxis &a : f.axes) {
    key->add("/").add(a.first_tap).add("+").add(a.taps);
    if (a.adjoint) key->add("s").add(a.stride).add("d").add(a.dilation % a.stride);
  }
}

template <typename T>
constexpr TypedAlgorithm typed = {columns_pay, block<T>, pack_direct_weights<T>, run<T>};

}  // namespace

const Algorithm direct_algorithm = {"direct", direct_refuses, describe, typed<float>, typed<double>};

}  // namespace convkit
