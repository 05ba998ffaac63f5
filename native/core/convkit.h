/* convkit core: one problem, three passes, no Node, no threads of its own.
 *
 * A convolution is a sparse matrix C that takes an *image* to *features*. Everything convkit offers is
 * one of three passes over C:
 *
 *     CK_FORWARD          features = C  . image        conv forward,          convTranspose gradInput
 *     CK_ADJOINT          image    = C' . features     convTranspose forward, conv gradInput
 *     CK_WEIGHT_GRADIENT  weights  = sum features (x) patches(image)          both gradWeights
 *
 * The problem stores the sizes of both sides, so nothing below needs to know how a size came about
 * (output padding, 'same', an explicit output shape). Per axis, feature o reads image
 *
 *     i = o * stride + j * dilation - pad_begin          for tap j = 0 .. kernel - 1
 *
 * where an i outside 0 .. image - 1 is zero, or is mapped back into the image by the padding mode.
 *
 * Rules of this header: plain C, no exception crosses it, nothing is printed, nothing aborts. All
 * memory comes from the host's ck_runtime. Every function checks what it is given in 64-bit
 * arithmetic before it allocates, and reports failure by status; outputs are then untouched. */
#ifndef CONVKIT_H
#define CONVKIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ck_status {
  CK_OK = 0,
  CK_INVALID = 1,       /* the problem or an argument contradicts itself; a bug in the host */
  CK_OUT_OF_MEMORY = 2, /* ck_runtime.alloc returned null, or a size does not fit */
  CK_UNSUPPORTED = 3,   /* the named algorithm cannot take this problem: ck_plan_error tells why */
  CK_CANCELLED = 4      /* ck_runtime.cancelled said so; the output holds partial results */
} ck_status;

typedef enum ck_type { CK_FLOAT32 = 0, CK_FLOAT64 = 1 } ck_type;
typedef enum ck_pass { CK_FORWARD = 0, CK_ADJOINT = 1, CK_WEIGHT_GRADIENT = 2 } ck_pass;
typedef enum ck_layout { CK_CHANNELS_FIRST = 0, CK_CHANNELS_LAST = 1 } ck_layout;
typedef enum ck_padding_mode { CK_ZEROS = 0, CK_REFLECT = 1, CK_REPLICATE = 2, CK_CIRCULAR = 3 } ck_padding_mode;

/* f(x) of the epilogue. a and b are the parameters named here. Every one maps NaN to NaN. */
typedef enum ck_activation {
  CK_LINEAR = 0,
  CK_CLIP = 1,       /* min(max(x, a), b); relu = clip(0, inf), relu6 = clip(0, 6) */
  CK_LEAKY_RELU = 2, /* x < 0 ? a * x : x */
  CK_PRELU = 3,      /* x < 0 ? slope[channel] * x : x */
  CK_ELU = 4,        /* x < 0 ? a * (exp(x) - 1) : x */
  CK_SIGMOID = 5,    /* 1 / (1 + exp(-x)) */
  CK_TANH = 6,
  CK_SILU = 7,         /* x * sigmoid(x), 0 at -inf */
  CK_HARD_SIGMOID = 8, /* min(max(x / 6 + 1/2, 0), 1) */
  CK_HARD_SWISH = 9    /* x * hard_sigmoid(x), 0 at -inf */
} ck_activation;

/* Axes are depth, height, width; a lower rank has leading axes of extent 1 (stride and dilation 1).
 * Image:    [batch, image_channels, ...image]       or channels-last [batch, ...image, image_channels]
 * Features: [batch, feature_channels, ...features]  or channels-last
 * Weights:  [feature_channels, image_channels / groups, ...kernel]
 *           or channels-last [...kernel, image_channels / groups, feature_channels] */
typedef struct ck_problem {
  int32_t image_type, weight_type, accumulator_type, feature_type; /* ck_type; all equal today */
  int64_t batch;                                                   /* >= 0 */
  int64_t groups, image_channels, feature_channels;                /* >= 1 */
  int64_t image[3], kernel[3], features[3];                        /* >= 1 */
  int64_t stride[3], dilation[3];                                  /* >= 1 */
  int64_t pad_begin[3];                                            /* >= 0 */
  int32_t padding_mode;                                            /* ck_padding_mode */
  int32_t flip_kernel;                                             /* 1: spatial axes of the weights reversed */
  int32_t layout, weight_layout;                                   /* ck_layout */
} ck_problem;

/* What the core needs from its host. parallel_for runs body(arg, index, slot) for index = 0 .. count - 1,
 * in any order, on any threads; slot < slots tells calls that run at the same time apart (it
 * selects the scratch). It returns when all are done. A host without threads loops with slot 0. */
typedef struct ck_runtime {
  void *context;
  void *(*alloc)(void *context, size_t bytes, size_t alignment); /* null when there is none */
  void (*free)(void *context, void *block);
  void (*parallel_for)(void *context, int64_t count, void (*body)(void *arg, int64_t index, int32_t slot), void *arg);
  int32_t slots;                       /* >= 1 */
  int32_t (*cancelled)(void *context); /* asked between blocks, by any thread; may be null; a yes is final */
} ck_runtime;

typedef struct ck_epilogue {
  const void *bias;   /* one per output channel, or null */
  int32_t activation; /* ck_activation */
  double a, b;
  const void *slope; /* CK_PRELU: one per output channel */
} ck_epilogue;

/* ---- instruction sets: an ordered list, best first, of those this CPU and system can run ---- */
int32_t ck_isa_count(void);
const char *ck_isa_name(int32_t index); /* "avx512", "avx2", "neon", "portable" */
/* Peak-like figure for plans and benchmarks is not kept here; the planner's constants are in plan.cpp. */

/* ---- algorithms, in the planner's order ---- */
int32_t ck_algorithm_count(void);
const char *ck_algorithm_name(int32_t index);

typedef struct ck_plan ck_plan;
typedef struct ck_weights ck_weights; /* weights in the form one plan reads */

typedef struct ck_plan_info {
  char id[96]; /* "im2col/14x32/kc256/avx512": for logs and bug reports */
  char algorithm[16];
  char reason[160];        /* why this one */
  char refused[512];       /* "name: reason; name: reason", or empty */
  char weights_key[192];   /* packed weights can be shared by plans with equal keys */
  int64_t workspace_bytes; /* scratch of one run with `slots` threads, weights packed by it included */
  int64_t weights_bytes;   /* of the packed weights alone */
} ck_plan_info;

/* algorithm: a name, or null for the planner's choice. isa: a name from the list, or null for the best. prepared: 1 if
 * weights will be packed ahead of many runs; 0 if each run packs its own, which counts against forms whose packing
 * takes long. Either way a run takes both kinds of weights. On CK_UNSUPPORTED and CK_INVALID, `why` (may be null)
 * receives one line. */
ck_status ck_plan_create(const ck_runtime *runtime, const ck_problem *problem, ck_pass pass, const char *algorithm,
                         const char *isa, int32_t prepared, ck_plan **plan, char why[160]);
void ck_plan_describe(const ck_plan *plan, ck_plan_info *info);
void ck_plan_destroy(ck_plan *plan); /* null is fine */

/* Forward and adjoint plans: weights -> packed weights, once. */
ck_status ck_weights_pack(const ck_plan *plan, const ck_runtime *runtime, const void *weights, ck_weights **packed);
void ck_weights_destroy(ck_weights *packed); /* null is fine */

/* The operands of one run. The pass's result goes to the pointer of its side:
 *   forward:   reads image and weights,    writes features (epilogue over feature channels)
 *   adjoint:   reads features and weights, writes image    (epilogue over image channels)
 *   gradient:  reads image and features,   writes weight_gradient (no epilogue)
 * Either `packed` or `weights` is given. Nothing needs to be initialised or aligned beyond its element.
 * epilogue may be null. The result overlaps no operand. */
typedef struct ck_operands {
  const void *image_in, *features_in, *weights;
  const ck_weights *packed;
  void *image_out, *features_out, *weight_gradient;
  const ck_epilogue *epilogue;
} ck_operands;

ck_status ck_run(const ck_plan *plan, const ck_runtime *runtime, const ck_operands *operands);

/* out[c] = sum over batch and positions of gradient, in one fixed order. [batch, channels, positions] or
 * [batch, positions, channels]. Accumulates in float64. */
ck_status ck_bias_gradient(const ck_runtime *runtime, ck_type type, ck_layout layout, int64_t batch, int64_t channels,
                           int64_t positions, const void *gradient, void *out);

#ifdef __cplusplus
}
#endif
#endif
