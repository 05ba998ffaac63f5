/* The fast algorithm: convolution by tiles that read the image itself, forward and adjoint. See direct_geometry.h for
 * the idea and direct_form.h for how work is cut. */
#ifndef CONVKIT_CONV_DIRECT_H
#define CONVKIT_CONV_DIRECT_H

#include "plan.h"

namespace convkit {

extern const Algorithm direct_algorithm;

/* Forward and adjoint: direct_unit.cpp. */
template <typename T>
int64_t direct_scratch(const DirectForm &form); /* bytes of a slot */
template <typename T>
ck_status run_direct(const RunContext &context);

template <typename T>
ck_status pack_direct_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);

/* Some source channels of one panel of one product. */
template <typename T>
void pack_direct_block(const Problem &problem, const DirectForm &form, const T *weights, int64_t group, int64_t panel,
                       int64_t product, int64_t first, int64_t channels, T *out);

}  // namespace convkit
#endif
