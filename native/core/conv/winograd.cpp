/* A unit of work: a block of tiles of one group of one image, or a part of it (see winograd_form.h).
 *
 * One chain of multiply-adds for each row, tile and point, in the order source channel, plane, piece; blocks, panels
 * and orientation leave no trace in the results. */
#include "winograd.h"

#include "../util/text.h"
#include "im2col.h"
#include "winograd_cost.h"
#include "winograd_unit.h"
#include "winograd_weights.h"

namespace convkit {
namespace {

/* A table of offsets stays in the first-level cache; beyond it, it is repeated. */
constexpr int64_t kTableTerms = 128;

}  // namespace

int64_t winograd_table_terms(const WinogradForm &f) {
  const int64_t of_channel = f.depth / f.channels;
  return of_channel * clamp(kTableTerms / of_channel, 1, f.channels);
}

namespace {

template <typename T>
struct Winograd {
  const RunContext &context;
  const Problem &problem;
  const WinogradForm &f;
  const TileSet<T> &tiles;
  const WinogradSet<T> &transforms;

  /* A block of one group of one image. */
  struct Place {
    WinogradBlock block;
    int64_t group;
    const T *source;
    T *result;
  };

  Place place(int64_t number) const {
    Place p;
    for (int a = 2; a >= 0; --a) {
      const WinogradAxis &axis = f.axes[a];
      const Range across = axis.tiles_of(number % axis.blocks);
      number /= axis.blocks;
      p.block.tiles[a] = across.end - across.begin;
      p.block.band.residue[a] = 0;
      p.block.band.first[a] = across.begin * axis.outputs;
      p.block.band.count[a] = smaller(axis.positions(p.block.tiles[a]), axis.geometry.count - p.block.band.first[a]);
    }
    p.block.lanes = f.box_lanes(p.block.tiles);
    p.group = number % problem.given.groups;
    const int64_t image = number / problem.given.groups;
    const Flow<T> flow(context);
    p.source = flow.source + image * flow.in.batch + p.group * f.channels * flow.in.channel;
    p.result = flow.result + image * flow.out.batch + p.group * f.rows * flow.out.channel;
    return p;
  }

  WinogradScratch<T> scratch_of(int32_t slot) const {
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    WinogradScratch<T> scratch(f, &carver);
    if (f.shared) scratch.data = reinterpret_cast<T *>(context.shared);
    return scratch;
  }

  ck_status run() const {
    const ck_runtime &host = *context.host;
    const bool small = context.plan->small;
    const int64_t blocks = winograd_blocks(problem, f);
    if (!f.shared) {
      const auto whole = [&](int64_t unit, int32_t slot) {
        const Place p = place(unit / f.parts);
        const WinogradScratch<T> scratch = scratch_of(slot);
        transform(p, {0, f.channels}, scratch);
        multiply_panels(p, unit % f.parts, scratch);
      };
      return for_each_unit(host, blocks * f.parts, small, whole);
    }
    const int64_t run = round_up(ceil_div(f.channels, f.parts), f.chunk);
    for (int64_t number = 0; number < blocks; ++number) {
      const Place p = place(number);
      const auto channels = [&](int64_t part, int32_t slot) {
        transform(p, {part * run, smaller((part + 1) * run, f.channels)}, scratch_of(slot));
      };
      ck_status status = for_each_unit(host, ceil_div(f.channels, run), small, channels);
      if (status != CK_OK) return status;
      const auto panels = [&](int64_t part, int32_t slot) { multiply_panels(p, part, scratch_of(slot)); };
      status = for_each_unit(host, f.parts, small, panels);
      if (status != CK_OK) return status;
    }
    return CK_OK;
  }

  void transform(const Place &p, const Range &channels, const WinogradScratch<T> &scratch) const {
    const WinogradUnit<T> steps = {context, problem, f, tiles, transforms, p.block, scratch};
    steps.transform_source(p.source, Flow<T>(context).in.channel, channels);
  }

  void multiply_panels(const Place &p, int64_t part, const WinogradScratch<T> &scratch) const {
    const WinogradUnit<T> steps = {context, problem, f, tiles, transforms, p.block, scratch};
    fill_table(scratch.table);
    Epilogue<T> group_epilogue;
    const Epilogue<T> *const epilogue = make_epilogue(context, p.group * f.rows, &group_epilogue);
    const int64_t panel_size = f.points * f.depth * f.panels.step;
    const T *const weights = context.weights
                                 ? reinterpret_cast<const T *>(context.weights) + p.group * f.panels.count * panel_size
                                 : nullptr;
    WinogradPacker<T> packer(*context.plan, context.operands->weights);
    KnownPhases known;
    const int64_t end = smaller(f.panels.count, (part + 1) * f.part_panels);
    for (int64_t panel = part * f.part_panels; panel < end; ++panel) {
      if (cancelled(*context.host)) return;
      const int64_t first_row = panel * f.panels.width, rows = smaller(f.panels.width, f.product_rows - first_row);
      if (weights) {
        multiply(p.block, weights + panel * panel_size, {0, f.channels, f.depth * f.panels.step}, rows, scratch);
      } else {
        for (int64_t c = 0; c < f.channels; c += f.packed_channels) {
          const int64_t channels = smaller(f.packed_channels, f.channels - c);
          packer.pack(p.group, panel, c, channels, scratch.weights, f.packed_step());
          multiply(p.block, scratch.weights, {c, channels, f.packed_step()}, rows, scratch);
        }
      }
      Epilogue<T> rows_epilogue;
      const Epilogue<T> *const finish =
          epilogue ? panel_epilogue(*epilogue, first_row, rows, scratch, &rows_epilogue) : nullptr;
      if (f.tiles_in_lanes) {
        steps.finish_rows(first_row, rows, finish, p.result);
      } else {
        steps.finish_channels(first_row, rows, finish, p.result);
      }
      const int64_t line[3] = {0, 0, 0};
      if (!f.in_place) {
        store_stage(problem, f.store, p.block.band, line, first_row, rows, scratch.stage, p.result, tiles, &known);
      }
    }
  }

  /* Where the terms of a chain lie in V, from a tile on. */
  void fill_table(int64_t *table) const {
    const int64_t y_grid = f.axes[1].grid(), x_grid = f.axes[2].grid(), terms = winograd_table_terms(f);
    for (int64_t k = 0; k < terms; ++k) {
      int64_t rest = k;
      const int64_t px = rest % f.axes[2].pieces;
      rest /= f.axes[2].pieces;
      const int64_t py = rest % f.axes[1].pieces;
      rest /= f.axes[1].pieces;
      const int64_t pz = rest % f.axes[0].pieces, channel = rest / f.axes[0].pieces;
      table[k] = channel * f.tile_step + (pz * f.axes[0].piece_step * y_grid + py * f.axes[1].piece_step) * x_grid +
                 px * f.axes[2].piece_step;
    }
  }

  /* Source channels whose products are added to M; and how far each point's weights are from those of the next. */
  struct Channels {
    int64_t first, count, point_step;
  };

  /* M of a panel. */
  void multiply(const WinogradBlock &block, const T *weights, const Channels &channels, int64_t rows,
                const WinogradScratch<T> &s) const {
    const int64_t terms = f.depth / f.channels;
    TileCall<T> call = {};
    call.a = call.b = by_step<T>(f.panels.step);
    call.depth = channels.count * terms;
    call.continues = channels.first > 0;
    call.period = winograd_table_terms(f);
    call.c_step = f.lanes_step;
    (f.tiles_in_lanes ? call.b : call.a) = by_table<T>(s.table, call.period / terms * f.planes * f.tile_step);
    for (int64_t p = 0; p < f.points; ++p) {
      if (call.depth > kLookDepth && cancelled(*context.host)) return;
      const T *const data = s.data + p * f.data_step + channels.first * f.planes * f.tile_step;
      const T *const panel = weights + p * channels.point_step;
      T *const products = s.products + p * f.product_step;
      if (f.tiles_in_lanes) {
        const int64_t widest = f.vectors * tiles.lanes;
        call.a.at = panel;
        for (int64_t i = 0; i < block.lanes; i += widest) {
          const int64_t columns = smaller(widest, block.lanes - i), vectors = ceil_div(columns, tiles.lanes);
          call.b.at = data + i;
          call.c = products + i;
          call.columns = static_cast<int32_t>(vectors * tiles.lanes);
          tiles.tiles[(rows - 1) * kMostVectors + vectors - 1](&call);
        }
      } else {
        const int64_t tallest = balanced(block.lanes, f.height), vectors = ceil_div(rows, tiles.lanes);
        call.b.at = panel;
        call.columns = static_cast<int32_t>(vectors * tiles.lanes);
        for (int64_t i = 0; i < block.lanes; i += tallest) {
          const int64_t height = smaller(tallest, block.lanes - i);
          call.a.at = data + i;
          call.c = products + i * f.lanes_step;
          tiles.tiles[(height - 1) * kMostVectors + vectors - 1](&call);
        }
      }
    }
  }

  /* The epilogue of a panel; joint rows repeat their channel's bias for each phase. */
  const Epilogue<T> *panel_epilogue(const Epilogue<T> &all, int64_t first_row, int64_t rows,
                                    const WinogradScratch<T> &scratch, Epilogue<T> *out) const {
    *out = all;
    out->channels_in_lanes = !f.tiles_in_lanes;
    const auto spread = [&](const T *from, T *room) -> const T * {
      if (!from || f.phases == 1) return from ? from + first_row : nullptr;
      for (int64_t i = 0; i < rows; ++i) {
        room[i] = from[f.store.phase_inner ? (first_row + i) / f.phases : (first_row + i) % f.rows];
      }
      return room;
    };
    out->bias = spread(all.bias, scratch.bias);
    out->slope = spread(all.slope, scratch.slope);
    return out;
  }
};

/* Transformed filters that are packed where they are used; they stay in a second-level cache of 1 MiB, beside M. */
constexpr int64_t kPackedBytes = 384 << 10;

template <typename T>
void block(ck_plan *plan, int32_t slots) {
  WinogradForm &f = plan->winograd;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  if (f.points == 0) make_winograd_form(plan->problem, plan->pass, tiles, !plan->prepared, &f);
  share_winograd(plan->problem, slots, &f);
  plan->blocking.units = f.shared ? f.parts : winograd_blocks(plan->problem, f) * f.parts;
  plan->blocking.shared_bytes = f.shared ? winograd_data(f) * static_cast<int64_t>(sizeof(T)) : 0;
  /* Each panel serves one unit. */
  f.packed_channels = 0;
  plan->packs_inside = plan->problem.given.batch == 1 && f.one_block();
  if (plan->packs_inside) {
    const int64_t channel_bytes = f.points * (f.depth / f.channels) * f.panels.step * static_cast<int64_t>(sizeof(T));
    f.packed_channels = balanced(f.channels, larger(kPackedBytes / channel_bytes, 1));
  }
  plan->weights_bytes = plan->problem.given.groups * f.panels.count * f.points * f.depth * f.panels.step *
                        static_cast<int64_t>(sizeof(T));
  plan->blocking.slot_bytes = bytes_of<WinogradScratch<T>>(f);
}

template <typename T>
ck_status run(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  const Winograd<T> winograd = {context, plan.problem, plan.winograd, tiles_of<T>(*plan.kernels),
                                winograd_of<T>(*plan.kernels)};
  return winograd.run();
}

/* How much faster than direct the model must say it is: the results are less accurate, and packing takes longer. */
constexpr double kLeastGain = 1.3;
/* And how much, where each run packs the weights as well. */
constexpr double kLeastGainPacked = 1.1;
constexpr double kLeastFlops = 1e6;
/* Terms of a chain: with fewer, its own error does not hide that of the transforms (see README.md). */
constexpr int64_t kLeastDepth = 8;

/* What im2col takes for an image, where direct refuses: products, with their weights on the way; columns, one by one.
 */
double columns_cost(const Problem &problem, int64_t lanes) {
  constexpr double kProduct = 1.9, kColumn = 4;
  const double products = problem.flops / 2 / static_cast<double>(larger(problem.given.batch, 1) * lanes);
  const double columns =
      static_cast<double>(problem.feature_pixels * problem.given.groups) * static_cast<double>(problem.depth);
  return kProduct * products + kColumn * columns;
}

template <typename T>
const char *unprofitable(ck_plan *plan) {
  const Problem &problem = plan->problem;
  if (problem.flops < kLeastFlops * static_cast<double>(larger(problem.given.batch, 1))) return "too little work";
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  const WinogradForm &f = plan->winograd;
  const double cost = make_winograd_form(problem, plan->pass, tiles, !plan->prepared, &plan->winograd);
  if (f.depth < kLeastDepth) return "too few channels";
  const double without_columns = direct_cost(problem, plan->pass, tiles);
  const double direct = without_columns < 0 ? columns_cost(problem, tiles.lanes) : without_columns;
  const double packing = plan->prepared ? 0 : winograd_packing_cost(problem, f);
  const bool fast = direct >= kLeastGain * (cost - packing) && (plan->prepared || direct >= kLeastGainPacked * cost);
  return fast ? nullptr : "the transforms would cost what they save";
}

/* Spatial sizes are not in the key, only what they decide: which taps are used, the forms, and the panels. */
void describe(const ck_plan &plan, Text *id, Text *key) {
  const WinogradForm &f = plan.winograd;
  const int64_t lanes = lanes_of(plan);
  id->add("/f");
  for (int a = 1; a < 3; ++a) {
    const WinogradScheme s = kWinogradScheme[f.axes[a].scheme];
    if (f.axes[a].scheme == 0) continue;
    id->add(".").add(s.outputs).add(".").add(s.taps);
  }
  id->add("/").add(f.height).add("x").add(f.vectors * lanes).add(f.tiles_in_lanes ? "/tiles" : "/channels");
  if (f.phases > 1) id->add("/joint").add(f.phases);
  id->add("/b").add(f.axes[0].block).add(".").add(f.axes[1].block).add(".").add(f.axes[2].block);
  key->add(f.store.phase_inner ? "/p" : "/c").add(f.panels.width).add("x").add(f.panels.step);
  for (const WinogradAxis &a : f.axes) {
    key->add("/").add(a.geometry.first_tap).add("+").add(a.geometry.taps).add("f").add(a.scheme);
    if (a.geometry.adjoint) key->add("s").add(a.geometry.stride);
    key->add("p").add(a.geometry.planes);
  }
}

template <typename T>
constexpr TypedAlgorithm typed = {unprofitable<T>, block<T>, pack_winograd_weights<T>, run<T>};

}  // namespace

double winograd_call_cost(const Problem &problem, ck_pass pass, const KernelTable &kernels, bool packs) {
  if (winograd_refuses(problem, pass)) return -1;
  WinogradForm form;
  const bool f32 = is_f32(problem);
  const double cost = f32 ? make_winograd_form(problem, pass, kernels.f32, packs, &form)
                          : make_winograd_form(problem, pass, kernels.f64, packs, &form);
  return cost * (f32 ? kernels.f32.lanes : kernels.f64.lanes) / 16;
}

const Algorithm winograd_algorithm = {"winograd", winograd_refuses, describe, typed<float>, typed<double>};

}  // namespace convkit
