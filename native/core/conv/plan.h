/* A plan: a checked problem, one pass, one algorithm, one instruction set, and the block sizes.
 *
 * Plain data, made without timing anything and equal for equal questions. The number of slots may change
 * how work is cut into units, but never the bits of a result. */
#ifndef CONVKIT_CONV_PLAN_H
#define CONVKIT_CONV_PLAN_H

#include "../cpu/dispatch.h"
#include "../gemm/panels.h"
#include "../kernels/sets_of.h"
#include "../util/text.h"
#include "depthwise.h"
#include "direct_form.h"
#include "direct_gradient.h"
#include "few_pixels.h"
#include "fft.h"
#include "problem.h"
#include "taps.h"
#include "winograd_form.h"

namespace convkit {

struct Algorithm;

constexpr int64_t kMostDepth = 256; /* KC of any tile set */

/* How a pass cuts the problem. A pass uses what it needs; the rest is zero. */
struct Blocking {
  int64_t chunk, chunks;                                        /* feature pixels at a time; their number per image */
  int64_t depth;                                                /* terms at a time (the KC of this plan) */
  int64_t pitch;                                                /* of row buffers */
  Panels weights;                                               /* of one block of packed weights */
  int64_t weight_panel_step, weight_blocks, weight_block_step;  /* steps in elements */
  int64_t parts, part_panels;                                   /* forward: weight panels shared among units */
  int64_t channel_block, channel_blocks, tap_block, tap_blocks; /* adjoint, weight gradient: of the columns */
  int64_t feature_block, feature_blocks;                        /* weight gradient */
  int64_t band_axis, band, bands;                               /* adjoint: of the image, along an axis */
  int64_t units;                                                /* of work that may run at the same time */
  int64_t slot_bytes;                                           /* scratch of one slot */
  int64_t shared_bytes;                                         /* of all slots together */
  int64_t pack_bytes;                                           /* scratch of one slot while weights are packed */
  int64_t b_offsets[kMostDepth];
};

}  // namespace convkit

/* The name is that of the C header, where it is opaque. */
struct ck_plan {
  ck_runtime host; /* owns the plan's memory */
  convkit::Problem problem;
  ck_pass pass;
  const convkit::Algorithm *algorithm;
  const convkit::KernelTable *kernels;
  convkit::Blocking blocking;
  convkit::DirectForm direct;                  /* of the algorithm 'direct', forward and adjoint */
  convkit::DirectGradientForm direct_gradient; /* and its weight gradient */
  convkit::DepthwiseForm depthwise;            /* of the algorithm 'depthwise' */
  convkit::FftForm fft;                        /* of the algorithm 'fft' */
  convkit::FewPixelsForm few_pixels;           /* of the algorithm 'im2col', where weights stay where they lie */
  convkit::WinogradForm winograd;              /* of the algorithm 'winograd' */
  bool small;                                  /* stays on the calling thread */
  bool prepared;     /* weights will be packed ahead of many runs, so that packing is not counted */
  bool packs_inside; /* weights that come with a call are packed by its units, not before them */
  int64_t weights_bytes;
  ck_plan_info info;
};

namespace convkit {

/* What one run works with. All memory is there; weights are packed. */
struct RunContext {
  const ck_plan *plan;
  const ck_runtime *host;
  const ck_operands *operands;
  const char *weights;
  char *scratch; /* blocking.slot_bytes for each slot */
  char *shared;  /* blocking.shared_bytes */
};

/* The data of a forward pass or of an adjoint, which reads what the other writes. */
template <typename T>
struct Flow {
  const MapSteps &in, &out;
  const T *source;
  T *result;

  explicit Flow(const RunContext &context) : Flow(context, context.plan->pass == CK_ADJOINT) {}

 private:
  Flow(const RunContext &context, bool adjoint)
      : in(source_steps(context.plan->problem, adjoint)),
        out(result_steps(context.plan->problem, adjoint)),
        source(static_cast<const T *>(adjoint ? context.operands->features_in : context.operands->image_in)),
        result(static_cast<T *>(adjoint ? context.operands->image_out : context.operands->features_out)) {}
};

/* What an algorithm does for one element type. Each function is asked only what the one before it allowed. */
struct TypedAlgorithm {
  /* Asked of what is not refused, unless the algorithm was asked for by name: why the next one is faster, or null. It
   * sees problem, pass and kernels, may leave notes for `block` in its own part of the plan, and looks neither at batch
   * (but for a weight gradient) nor at slots. A null pointer: it always pays. */
  const char *(*unprofitable)(ck_plan *plan);
  void (*block)(ck_plan *plan, int32_t slots); /* fills blocking and weights_bytes */
  ck_status (*pack_weights)(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);
  ck_status (*run)(const RunContext &context);
};

/* A row of the planner's table. */
struct Algorithm {
  const char *name;
  const char *(*refuses)(const Problem &problem, ck_pass pass);       /* null: takes it; else the reason */
  void (*describe)(const ck_plan &plan, Text *id, Text *weights_key); /* adds what is its own */
  TypedAlgorithm f32, f64;
  const TypedAlgorithm &of(const Problem &problem) const { return is_f32(problem) ? f32 : f64; }
};

int32_t algorithm_count();
const Algorithm *algorithm_at(int32_t index); /* null outside 0 .. count - 1 */

/* Fills all of *plan but its host and `prepared`. `why` as in ck_plan_create. */
ck_status make_plan(const ck_problem &given, ck_pass pass, const char *algorithm, const char *isa, int32_t slots,
                    ck_plan *plan, char why[160]);

/* Elements of a vector. */
inline int64_t lanes_of(const ck_plan &plan) {
  return is_f32(plan.problem) ? plan.kernels->f32.lanes : plan.kernels->f64.lanes;
}

}  // namespace convkit
#endif
