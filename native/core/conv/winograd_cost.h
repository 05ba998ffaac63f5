/* The cost model of the Winograd algorithm, by which its forms, blocks and tiles are chosen. */
#ifndef CONVKIT_CONV_WINOGRAD_COST_H
#define CONVKIT_CONV_WINOGRAD_COST_H

#include "winograd_form.h"

namespace convkit {

/* The most V of a block takes. */
constexpr int64_t kMostWinogradData = 4 << 20;

/* A whole block in multiply-adds of a whole vector, each about a cycle; elements have so many bytes, and vectors so
 * many lanes. */
double winograd_cost(const WinogradForm &form, int64_t lanes, int64_t element_bytes);

/* What a run costs more that packs the weights itself. */
double winograd_packing_cost(const Problem &problem, const WinogradForm &form);

}  // namespace convkit
#endif
