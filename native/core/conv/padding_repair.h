/* The weight gradient multiplies every feature by the zeros of its padding too, which costs nothing while all
 * numbers are finite. But 0 * NaN and 0 * infinity are NaN, and a tap that lies in the padding has no term
 * there. So sums that came out as NaN are looked at again, which happens only with non-finite operands. */
#ifndef CONVKIT_CONV_PADDING_REPAIR_H
#define CONVKIT_CONV_PADDING_REPAIR_H

#include "../gemm/pack_patches.h"
#include "plan.h"

namespace convkit {

/* How the sums of a block lie: sums[f * feature + t * tap + c * channel], counted from the block's first of each. */
struct SumSteps {
  int64_t feature, tap, channel;
};

/* The sums of features feature .. feature + features - 1 of one group. */
template <typename T>
void repair_padding(const RunContext &context, int64_t feature, int64_t features, const ColumnBlock &block,
                    const SumSteps &steps, Run *runs, T *sums);

/* Is there a NaN; is there a NaN or an infinity? */
template <typename T>
bool any_nan(const T *x, int64_t count);
template <typename T>
bool any_non_finite(const T *x, int64_t count);

}  // namespace convkit
#endif
