#include "im2col.h"

#include "../util/host.h"

namespace convkit {

void block_chunks(const Problem &problem, Blocking *b) {
  /* Equal chunks share the work evenly; multiples of 32 keep whole vectors whole. */
  b->chunk = smaller(problem.feature_pixels, round_up(balanced(problem.feature_pixels, kChunk), 32));
  b->chunks = ceil_div(problem.feature_pixels, b->chunk);
  b->pitch = row_pitch(b->chunk);
}

/* Rows of the column matrix are cut into blocks of whole channels where the taps allow it, of at most
 * kChunk rows. More blocks than that are made if they are wanted for threads, but not of too few rows. */
void block_columns(const Problem &problem, int64_t blocks_wanted, Blocking *b) {
  constexpr int64_t kFewestRows = 48;
  const int64_t most = larger(kChunk / problem.taps, 1);
  const int64_t fewest = smaller(ceil_div(kFewestRows, problem.taps), most);
  const int64_t wanted = clamp(ceil_div(problem.group_channels, larger(blocks_wanted, 1)), fewest, most);
  b->channel_block = balanced(problem.group_channels, wanted);
  b->channel_blocks = ceil_div(problem.group_channels, b->channel_block);
  b->tap_block = balanced(problem.taps, kChunk);
  b->tap_blocks = ceil_div(problem.taps, b->tap_block);
}

void set_b_offsets(int64_t step, Blocking *b) {
  for (int64_t k = 0; k < kMostDepth; ++k) b->b_offsets[k] = k * step;
}

template <typename T>
int64_t block_weights(const Problem &problem, const TileSet<T> &tiles, int64_t rows, int64_t depth, int64_t blocks,
                      Blocking *b) {
  b->weights =
      pixels_in_lanes(problem) ? broadcast_panels(rows, tiles.rows) : lane_panels(rows, tiles.columns, tiles.lanes);
  b->weight_panel_step = b->weights.step * depth;
  b->weight_blocks = blocks;
  b->weight_block_step = b->weights.count * b->weight_panel_step;
  return problem.given.groups * blocks * b->weight_block_step * static_cast<int64_t>(sizeof(T));
}

namespace {

/* The weights of one group as rows and terms of the product, and how many rows a block of them has. */
template <typename T>
Matrix<T> weight_matrix(const ck_plan &plan, const T *weights, int64_t group, int64_t block, int64_t *rows) {
  const Problem &p = plan.problem;
  const Blocking &b = plan.blocking;
  const T *const origin = weights + p.weights.origin + group * p.group_features * p.weights.feature;
  if (plan.pass == CK_FORWARD) { /* rows: features; terms: channel * taps + tap */
    *rows = p.group_features;
    return {origin, Axis::plain(p.weights.feature), Axis::composite(p.taps, p.weights.tap, p.weights.channel)};
  }
  /* rows: tap * channels + channel of a block of columns; terms: features */
  const int64_t channel = block / b.tap_blocks * b.channel_block, tap = block % b.tap_blocks * b.tap_block;
  const int64_t channels = smaller(b.channel_block, p.group_channels - channel);
  *rows = channels * smaller(b.tap_block, p.taps - tap);
  return {origin + channel * p.weights.channel + tap * p.weights.tap,
          Axis::composite(channels, p.weights.channel, p.weights.tap), Axis::plain(p.weights.feature)};
}

}  // namespace

/* Memory is read in its own order: panel by panel where the terms are neighbours, else some terms of all panels. */
template <typename T>
ck_status pack_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  constexpr int64_t kTermsAtOnce = 8, kTermsOfPanel = 1 << 13; /* of a unit */
  const Blocking &b = plan.blocking;
  const T *const source = static_cast<const T *>(weights);
  const int64_t terms = plan.pass == CK_FORWARD ? plan.problem.depth : plan.problem.group_features;
  int64_t unused;
  const bool by_panel = weight_matrix(plan, source, 0, 0, &unused).term.is_plain(1);
  const int64_t most = by_panel ? kTermsOfPanel : kTermsAtOnce, cuts = ceil_div(terms, most);
  const int64_t parts = by_panel ? b.weights.count * cuts : cuts;

  const auto pack = [&](int64_t unit, int32_t) {
    const int64_t part = unit % parts, block = unit / parts % b.weight_blocks, group = unit / parts / b.weight_blocks;
    const int64_t first_panel = by_panel ? part / cuts : 0, panels = by_panel ? 1 : b.weights.count;
    const int64_t k = part % cuts * most, depth = smaller(most, terms - k);
    int64_t rows;
    const Matrix<T> matrix = weight_matrix(plan, source, group, block, &rows);
    T *const out = reinterpret_cast<T *>(packed) + (group * b.weight_blocks + block) * b.weight_block_step;
    for (int64_t p = first_panel; p < first_panel + panels; ++p) {
      const int64_t row = p * b.weights.width;
      if (row >= rows) break; /* the last block may have fewer panels */
      pack_panel(matrix, row, smaller(b.weights.width, rows - row), k, depth, b.weights.step,
                 out + p * b.weight_panel_step + k * b.weights.step);
    }
  };
  const int64_t units = plan.problem.given.groups * b.weight_blocks * parts;
  return for_each_unit(host, units, plan.small || plan.weights_bytes < (1 << 16), pack);
}

template <typename T>
const Epilogue<T> *make_epilogue(const RunContext &context, int64_t channel, Epilogue<T> *out) {
  const ck_epilogue *const given = context.operands->epilogue;
  if (!given || (!given->bias && given->activation == CK_LINEAR)) return nullptr;
  const T *const bias = static_cast<const T *>(given->bias), *const slope = static_cast<const T *>(given->slope);
  out->bias = bias ? bias + channel : nullptr;
  out->slope = given->activation == CK_PRELU ? slope + channel : nullptr;
  out->a = static_cast<T>(given->a);
  out->b = static_cast<T>(given->b);
  out->activation = given->activation;
  out->channels_in_lanes = !pixels_in_lanes(context.plan->problem);
  return out;
}

namespace {

const char *refuses_nothing(const Problem &, ck_pass) { return nullptr; }

/* From a run-time pass to the functions of the three files. */
template <typename T>
void block(ck_plan *plan, int32_t slots) {
  if (plan->pass == CK_FORWARD) {
    block_forward<T>(plan, slots);
  } else if (plan->pass == CK_ADJOINT) {
    block_adjoint<T>(plan, slots);
  } else {
    block_weight_gradient<T>(plan, slots);
  }
  block_few_pixels<T>(plan, slots);
}

template <typename T>
ck_status run(const RunContext &context) {
  if (context.plan->few_pixels.taken && !context.operands->packed) return run_few_pixels<T>(context);
  if (context.plan->pass == CK_FORWARD) return run_forward<T>(context);
  if (context.plan->pass == CK_ADJOINT) return run_adjoint<T>(context);
  return run_weight_gradient<T>(context);
}

void describe(const ck_plan &plan, Text *id, Text *key) {
  const KernelTable &table = *plan.kernels;
  const FewPixelsForm &few = plan.few_pixels;
  const bool f32 = is_f32(plan.problem);
  if (few.taken) {
    id->add("/").add(few.height).add("x").add(few.width).add("/in-place");
  } else {
    id->add("/").add(f32 ? table.f32.rows : table.f64.rows).add("x").add(f32 ? table.f32.columns : table.f64.columns);
    id->add("/kc").add(plan.blocking.depth);
  }
  key->add("/").add(plan.blocking.channel_block);
}

template <typename T>
constexpr TypedAlgorithm typed = {nullptr, block<T>, pack_weights<T>, run<T>};

}  // namespace

const Algorithm im2col_algorithm = {"im2col", refuses_nothing, describe, typed<float>, typed<double>};

template int64_t block_weights(const Problem &, const TileSet<float> &, int64_t, int64_t, int64_t, Blocking *);
template int64_t block_weights(const Problem &, const TileSet<double> &, int64_t, int64_t, int64_t, Blocking *);
template const Epilogue<float> *make_epilogue(const RunContext &, int64_t, Epilogue<float> *);
template const Epilogue<double> *make_epilogue(const RunContext &, int64_t, Epilogue<double> *);

}  // namespace convkit
