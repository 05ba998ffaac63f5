/* Convolution by Toom-Cook / Winograd transforms: the gather of the direct algorithm with fewer multiplications. See
 * winograd_form.h for how work is cut, kernels/winograd_points.h for the transforms. */
#ifndef CONVKIT_CONV_WINOGRAD_H
#define CONVKIT_CONV_WINOGRAD_H

#include "plan.h"

namespace convkit {

extern const Algorithm winograd_algorithm;

template <typename T>
ck_status pack_winograd_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);

/* Cycles of one image by the models of winograd_cost.h, for vectors of 16 elements; with the packing of the weights
 * where each run does that. -1: it is refused. */
double winograd_call_cost(const Problem &problem, ck_pass pass, const KernelTable &kernels, bool packs);

}  // namespace convkit
#endif
