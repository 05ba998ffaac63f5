/* The base algorithm: im2col + GEMM forward and for the weight gradient, GEMM + col2im for the adjoint.
 * It takes every problem. One file a pass; here is what they share. */
#ifndef CONVKIT_CONV_IM2COL_H
#define CONVKIT_CONV_IM2COL_H

#include "../gemm/gemm.h"
#include "../gemm/pack_matrix.h"
#include "plan.h"

namespace convkit {

extern const Algorithm im2col_algorithm;

/* Which operand's neighbours fill the lanes of a vector: with channels first it is the pixels, with
 * channels last the channels, so that results are stored whole. */
inline bool pixels_in_lanes(const Problem &problem) { return problem.given.layout == CK_CHANNELS_FIRST; }

/* The three passes. `block` fills the blocking, `run` does the work. */
template <typename T>
void block_forward(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_forward(const RunContext &context);
template <typename T>
void block_adjoint(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_adjoint(const RunContext &context);
template <typename T>
void block_weight_gradient(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_weight_gradient(const RunContext &context);

/* What the adjoint of one image costs with channels first, in multiply-adds of whole vectors, as direct_cost has it:
 * the copy of the source, which both make, is not counted. */
template <typename T>
double adjoint_cost(const Problem &problem, const TileSet<T> &tiles);

/* Parts of the blocking that passes have in common. */
void block_chunks(const Problem &problem, Blocking *blocking);
void block_columns(const Problem &problem, int64_t blocks_wanted, Blocking *blocking);
void set_b_offsets(int64_t step, Blocking *blocking);

/* Packed weights lie as [group][block][panel][term][step]. */
template <typename T>
int64_t block_weights(const Problem &problem, const TileSet<T> &tiles, int64_t rows, int64_t depth, int64_t blocks,
                      Blocking *blocking);
template <typename T>
ck_status pack_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);

template <typename T>
const T *weight_block(const RunContext &context, int64_t group, int64_t block) {
  const Blocking &b = context.plan->blocking;
  return reinterpret_cast<const T *>(context.weights) + (group * b.weight_blocks + block) * b.weight_block_step;
}

/* The epilogue of the channels from `channel` on, or null for none. */
template <typename T>
const Epilogue<T> *make_epilogue(const RunContext &context, int64_t channel, Epilogue<T> *epilogue);

}  // namespace convkit
#endif
