/* The fast algorithm: convolution by tiles that read the image itself, forward and adjoint. See direct_geometry.h for
 * the idea and direct_form.h for how work is cut. */
#ifndef CONVKIT_CONV_DIRECT_H
#define CONVKIT_CONV_DIRECT_H

#include "plan.h"

namespace convkit {

extern const Algorithm direct_algorithm;

template <typename T>
ck_status pack_direct_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);

}  // namespace convkit
#endif
