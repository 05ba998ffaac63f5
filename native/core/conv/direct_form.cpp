#include "direct_form.h"

#include <math.h>

#include "../gemm/tile_fetch.h"
#include "direct_bands.h"
#include "direct_gradient.h"

namespace convkit {
namespace {

constexpr int64_t kStageBytes = 192 << 10; /* beside kGridBytes and kWeightBlock */

/* A table covers channels up to this many terms, so it stays in the first-level cache. */
constexpr int64_t kTableTerms = 128;
constexpr int64_t kMostTaps = 1 << 12;  /* of one product, so that its table is small against the copy */
constexpr int64_t kLineTerms = 1 << 14; /* of the tables of a line of products: 128 KiB */
constexpr int64_t kBoxTerms = 1 << 13;  /* and where taps are left out, each box has two tables: 128 KiB */
constexpr int64_t kMostSeparatePhases = 256;

/* Units that make up for their differences in size; and multiply-adds per copied element that make a copy cheap. */
constexpr int64_t kUnitsPerSlot = 4;
constexpr int64_t kLeastWork = 256;

bool can_join(const DirectForm &f) {
  for (const DirectAxis &a : f.axes) {
    if (a.phases > 1 && (a.dilation != 1 || a.taps % a.phases != 0)) return false;
  }
  return f.phases > 1;
}

const char *prepare(const Problem &problem, ck_pass pass, DirectForm *f) {
  *f = {};
  if (const char *const reason = direct_axes(problem, pass, f->axes)) return reason;
  const bool adjoint = pass == CK_ADJOINT;
  f->channels = adjoint ? problem.group_features : problem.group_channels;
  f->rows = adjoint ? problem.group_channels : problem.group_features;
  f->held = f->channels;
  const ck_problem &p = problem.given;
  f->images = p.batch > 1 && p.image[0] == 1 && p.features[0] == 1 && p.kernel[0] == 1 && p.pad_begin[0] == 0;
  if (f->images) f->axes[0].source = f->axes[0].result = f->axes[0].count = p.batch;
  f->phases = f->axes[0].phases * f->axes[1].phases * f->axes[2].phases;
  f->phase_inner = result_steps(problem, adjoint).rows();
  return nullptr;
}

/* Phase 0 has tap 0, so no phase has more taps. */
int64_t most_taps(const DirectForm &f) {
  int64_t taps = 1;
  for (const DirectAxis &a : f.axes) taps *= phase_taps(a, 0).count;
  return taps;
}

/* Of an image. */
int64_t all_bands(const DirectForm &f) {
  int64_t bands = 1;
  for (int a = 0; a < 3; ++a) bands *= f.bands[a] * f.axes[a].residues;
  return bands;
}

/* The two ways to order phases, joint and separate, if they are possible; true when one is. */
bool choose_bands(const Problem &problem, bool deep, DirectForm forms[2], bool possible[2]) {
  DirectForm *const joint = forms, *const separate = forms + 1;
  if (deep) joint->held = smaller(kLeastHeld, joint->channels);
  *separate = *joint;
  joint->joint = true;
  possible[0] = can_join(*joint) && choose_band(problem, joint);
  const int64_t line_terms = separate->axes[2].phases * larger(kTableTerms, most_taps(*separate));
  possible[1] = separate->phases <= kMostSeparatePhases && line_terms <= kLineTerms && choose_band(problem, separate);
  return possible[0] || possible[1];
}

/* Units are shared out by panels where there are too few bands, as long as each copy serves enough rows; then by rows.
 */
void share_out(const Problem &problem, int32_t slots, DirectForm *f) {
  f->items = f->lines() * f->panels.count;
  int64_t units = (f->images ? 1 : larger(problem.given.batch, 1)) * problem.given.groups;
  int64_t work = f->rows, planes = 1; /* work: multiply-adds on one element of the grid; a tap reads one plane of it */
  for (int a = 0; a < 3; ++a) {
    units *= f->bands[a] * f->axes[a].residues;
    work *= f->axes[a].taps;
    planes *= f->axes[a].planes;
  }
  work /= planes;
  const int64_t wanted = slots == 1 ? 1 : kUnitsPerSlot * slots;
  if (f->images && f->band[0] > 1 && units < wanted) {
    const int64_t most = larger(f->band[0] * units / wanted, 1);
    const int64_t band[3] = {balanced(problem.given.batch, most), f->band[1], f->band[2]};
    units = units / f->bands[0];
    lay_out_band(problem, band, f);
    units *= f->bands[0];
  }
  f->part_items = ceil_div(f->items, clamp(ceil_div(wanted, units), 1, clamp(work / kLeastWork, 1, f->items)));
  f->parts = ceil_div(f->items, f->part_items);
  if (slots == 1 || units * f->parts >= slots) return;
  for (int a = 0; a < 3; ++a) {
    const int64_t length = f->axes[a].most_positions();
    if (length < int64_t{4} * slots) continue;
    int64_t band[3] = {f->band[0], f->band[1], f->band[2]};
    band[a] = smaller(band[a], ceil_div(length, int64_t{2} * slots));
    return lay_out_band(problem, band, f);
  }
}

/* May tiles write to the result itself? */
bool writes_in_place(const Problem &problem, const DirectForm &f) {
  const bool first = result_steps(problem, f.axes[0].adjoint).rows();
  const bool gaps = f.stacked && f.grid[1] * f.pitch > 1;
  if (!f.pixels_in_lanes && !gaps && is_one_position(problem, f)) return true;
  if (f.phases > 1 || f.pixels_in_lanes != first) return false;
  const bool rows_join = f.pitch == f.axes[2].result && f.bands[2] == 1 && f.axes[1].residues == 1;
  if (f.stacked) {
    const MapSteps &out = result_steps(problem, f.axes[0].adjoint);
    const int64_t plane = f.axes[1].result * f.axes[2].result;
    return rows_join && f.bands[1] == 1 && f.grid[1] == f.axes[1].result && f.axes[0].residues == 1 &&
           depth_step(f, out, plane) == plane * out.pixel;
  }
  return !f.joined || rows_join;
}

/* A copy that serves so many rows a channel costs nothing, and its vectors are aligned. */
constexpr int64_t kManyRows = 16;

/* With channels last, a tile whose pixels nobody else reads turns them itself, into the first-level cache if there are
 * few channels. */
constexpr int64_t kMostTurned = 128 << 10, kFewTurned = 3;
bool turns_tiles(const Problem &problem, const DirectForm &f, int64_t tail_width) {
  const bool once = f.panels.count == 1 && f.phases == 1 && f.bundle == 1 && f.channels > kFewTurned;
  const int64_t bytes = f.channels * element_bytes(problem);
  return once && f.pixels_in_lanes && bytes * tail_width <= kMostTurned && bytes * f.panels.step <= kMostTurned;
}

/* Is the source as good as a copy? It is where each term is read once for a panel (one tap), padding and strides have
 * no part in it, and its rows follow each other as those of the copy would. With more taps a large source is read
 * slowly from where it lies, as much as a third. */
bool reads_in_place(const Problem &problem, const DirectForm &f, int64_t tail_width) {
  const bool last = !source_steps(problem, f.axes[0].adjoint).rows();
  if (f.planes > 1 || f.by_rows || (last && !turns_tiles(problem, f, tail_width))) return false;
  if (f.product_rows > kManyRows * f.channels) return false;
  for (const DirectAxis &a : f.axes) {
    const GridMap map = grid_map(a, 0, 0);
    const int64_t begin = a.span_begin + map.offset;
    if (a.span > 0 || map.step > 1 || begin < 0 || begin + a.count > a.source) return false;
  }
  const bool rows_join = f.grid[2] == f.axes[2].source || f.grid[0] * f.grid[1] == 1;
  const bool depths_join = (!f.images && f.grid[1] == f.axes[1].source) || f.grid[0] == 1;
  const int64_t most_tail = kGridBytes / element_bytes(problem);
  return rows_join && (depths_join || !f.stacked) && f.channels * tail_width <= most_tail;
}

/* The steps of the source become those of the grid. */
void read_in_place(const Problem &problem, int64_t tail_width, DirectForm *f) {
  const MapSteps &in = source_steps(problem, f->axes[0].adjoint);
  f->reads_source = true;
  f->held = f->channels;
  f->tail_width = in.pixel > 1 ? tail_width + 16 : tail_width; /* turned: not a power of two */
  f->pitch = f->axes[2].source;
  f->depth_size = depth_step(*f, in, f->axes[1].source * f->pitch) / in.pixel;
  f->channel_size = in.channel;
}

/* With channels last, a cache line holds channels of several groups: these are copied together, and stored soon after
 * each other. Lines come in pairs. */
constexpr int64_t kBundleBytes = 128;

int64_t choose_bundle(const Problem &problem, int32_t slots, const DirectForm &f) {
  if (problem.given.layout == CK_CHANNELS_FIRST) return 1;
  const int64_t bytes = element_bytes(problem), room = kGridBytes / bytes / (f.channels * f.channel_size);
  int64_t units = (f.images ? 1 : larger(problem.given.batch, 1)) * problem.given.groups * f.parts;
  for (int a = 0; a < 3; ++a) units *= f.bands[a] * f.axes[a].residues;
  const int64_t most = slots == 1 ? problem.given.groups : units / (kUnitsPerSlot * slots);
  return clamp(kBundleBytes / bytes / f.channels, 1, clamp(smaller(room, most), 1, problem.given.groups));
}

void finish_form(const Problem &problem, int32_t slots, int64_t lanes, DirectForm *f) {
  share_out(problem, slots, f);
  f->bundle = choose_bundle(problem, slots, *f);
  f->bundles = ceil_div(problem.given.groups, f->bundle);
  f->in_place = writes_in_place(problem, *f);
  if (f->stacked) f->stage_plane = f->grid[1] * f->pitch;
  const int64_t tail_width = f->pixels_in_lanes ? f->vectors * lanes : 0;
  if (reads_in_place(problem, *f, tail_width)) read_in_place(problem, tail_width, f);

  if (f->pixels_in_lanes) {
    f->stage_step = row_pitch(stage_positions(*f, f->stacked));
  } else {
    f->stage_step = f->panels.width * f->line_products;
  }

  f->boxes = f->tables = 1;
  for (int a = 0; a < 3; ++a) {
    if (f->skips[a]) f->boxes *= most_live_runs(*f, a);
  }
  if (f->by_rows || f->skips[0] || f->skips[1] || f->skips[2]) f->tables = 2 * f->boxes;
  f->table_terms = f->by_rows ? larger(kTableTerms, f->channels * f->axes[0].taps) : kTableTerms;
  f->group_weights = 0;
  const int64_t terms = f->channels * f->panels.count * f->panels.step;
  int64_t phase[3];
  for (int64_t r = 0; r < (f->joint ? 1 : f->phases); ++r) {
    split_phase(*f, r, phase);
    PhaseTaps taps[3];
    const int64_t count = product_taps(*f, phase, taps);
    f->table_terms = larger(f->table_terms, count);
    f->group_weights += count * terms;
  }
  int64_t units = f->images ? 1 : problem.given.batch;
  for (int a = 0; a < 3; ++a) units *= f->bands[a] * f->axes[a].residues;
  if (units > 1) return; /* each block serves several units: packed beforehand */
  const int64_t bytes = element_bytes(problem), tap = problem.weights.tap;
  const bool alone = f->joint || f->phases == 1 || tap > 1 || tap < -1; /* each phase reads memory of its own */
  f->packs_inside = alone && f->table_terms * f->panels.step * bytes <= kWeightBlock;
}

}  // namespace

int32_t most_live_runs(const DirectForm &f, int axis) {
  const DirectAxis &a = f.axes[axis];
  int32_t most = 1;
  for (int64_t phase = 0; phase < (f.joint ? 1 : a.phases); ++phase) {
    for (int64_t residue = 0; residue < a.residues; ++residue) {
      LiveTaps runs[kMostLiveTaps];
      const int64_t count = ceil_div(a.count - residue, a.residues);
      const int32_t found = cut_by_live_taps(a, phase_taps(a, phase), residue, 0, count, runs);
      if (found == 0) return 0;
      if (found > most) most = found;
    }
  }
  return most;
}

void split_phase(const DirectForm &f, int64_t number, int64_t phase[3]) {
  phase[2] = number % f.axes[2].phases;
  phase[1] = number / f.axes[2].phases % f.axes[1].phases;
  phase[0] = number / f.axes[2].phases / f.axes[1].phases;
}

int64_t stage_positions(const DirectForm &f, bool stacked) {
  const int64_t plane = (f.band[1] - 1) * f.pitch + f.band[2];
  return stacked ? (f.band[0] - 1) * f.grid[1] * f.pitch + plane : f.band[0] * plane;
}

int64_t stage_elements(const DirectForm &f) {
  return f.stage_step * (f.pixels_in_lanes ? f.panels.width * f.line_products : stage_positions(f, f.stacked));
}

bool fits_stage(const DirectForm &f, int64_t width, int64_t bytes, bool stacked) {
  return stage_positions(f, stacked) * width * f.line_products * bytes <= kStageBytes;
}

int64_t depth_step(const DirectForm &f, const MapSteps &map, int64_t plane_pixels) {
  return f.images ? map.batch : plane_pixels * map.pixel;
}

bool is_one_position(const Problem &problem, const DirectForm &f) {
  for (int a = 0; a < 3; ++a) {
    if (a == 0 && f.images) continue;
    if (f.axes[a].count != 1 || f.axes[a].result != f.axes[a].phases) return false;
  }
  if (problem.given.layout == CK_CHANNELS_FIRST) return f.joint || f.phases == 1;
  return f.joint && problem.given.groups == 1;
}

bool fits_boxes(const DirectForm &f, int64_t boxes) {
  return boxes * f.line_products * larger(kTableTerms, most_taps(f)) <= kBoxTerms;
}

const char *direct_refuses(const Problem &problem, ck_pass pass) {
  if (pass == CK_WEIGHT_GRADIENT) return direct_gradient_refuses(problem);
  if (pass == CK_ADJOINT && problem.given.padding_mode != CK_ZEROS)
    return "the adjoint of this padding mode is not direct";
  DirectForm forms[2];
  if (const char *const reason = prepare(problem, pass, &forms[0])) return reason;
  if (most_taps(forms[0]) > kMostTaps) return "the kernel has too many taps";
  bool possible[2];
  for (int deep = 0; deep < 2; ++deep) {
    prepare(problem, pass, &forms[0]);
    if (choose_bands(problem, deep == 1, forms, possible)) return nullptr;
  }
  return "the source under the smallest band does not fit into the cache";
}

namespace {

/* Joint phases are stored one soon after the other, which for large results is worth some percent. */
constexpr double kJointGain = 0.96;

/* Weights that come from beyond the second-level cache for each band, in cycles of a vector. */
constexpr double kFarVector = 10;
/* What some channels at a time must promise. */
constexpr double kDeepGain = 0.9;

/* The cheaper of the two ways to order phases, and its cost per term of a chain; `skips` as in choose_direct_tile. */
template <typename T>
double choose_order(const Problem &problem, ck_pass pass, bool deep, const TileSet<T> &tiles, const bool *skips,
                    DirectForm *form) {
  DirectForm forms[2]; /* joint, separate */
  prepare(problem, pass, &forms[0]);
  bool possible[2];
  if (!choose_bands(problem, deep, forms, possible)) return -1;
  double costs[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    if (!possible[i]) continue;
    costs[i] = choose_direct_tile(problem, tiles, skips, &forms[i]) * static_cast<double>(all_bands(forms[i]));
    possible[i] = costs[i] < HUGE_VAL;
  }
  if (!possible[0] && !possible[1]) return -1;
  const int best = possible[0] && (!possible[1] || kJointGain * costs[0] <= costs[1]) ? 0 : 1;
  *form = forms[best];
  return costs[best];
}

/* With all channels at once, or some at a time: where there is no room for more, or where weights would pass by for
 * many small bands. */
template <typename T>
double choose_form(const Problem &problem, ck_pass pass, const TileSet<T> &tiles, const bool *skips, DirectForm *form) {
  prepare(problem, pass, form);
  const double cost = choose_order(problem, pass, false, tiles, skips, form);
  const int64_t bytes = element_bytes(problem), taps = form->axes[0].taps * form->axes[1].taps * form->axes[2].taps;
  const bool heavy = form->rows * form->channels * taps * bytes > kFarWeights;
  if (cost >= 0 && (!heavy || all_bands(*form) == 1 || form->channels < 2 * kLeastHeld)) return cost;
  const auto with_weights = [&](const DirectForm &f, double of) {
    const double vectors = static_cast<double>(f.rows * f.phases) / static_cast<double>(tiles.lanes);
    return of + (heavy ? kFarVector * vectors * static_cast<double>(all_bands(f)) : 0);
  };
  DirectForm deep;
  const double other = choose_order(problem, pass, true, tiles, skips, &deep);
  if (other < 0 || (cost >= 0 && with_weights(deep, other) >= kDeepGain * with_weights(*form, cost))) return cost;
  *form = deep;
  return cost < 0 ? other : cost; /* the planner's choice is as sure as it was */
}

}  // namespace

template <typename T>
void make_direct_form(const Problem &problem, ck_pass pass, const TileSet<T> &tiles, int32_t slots, DirectForm *form) {
  /* What is skipped does not depend on the batch: a weight that is not finite shows whether its tap in the padding is
   * multiplied. */
  Problem single = problem;
  single.given.batch = 1;
  choose_form(single, pass, tiles, nullptr, form);
  if (problem.given.batch > 1) {
    const bool skips[3] = {form->skips[0], form->skips[1], form->skips[2]};
    choose_form(problem, pass, tiles, skips, form);
  }
  finish_form(problem, slots, tiles.lanes, form);
}

template <typename T>
double direct_cost(const Problem &problem, ck_pass pass, const TileSet<T> &tiles) {
  if (direct_refuses(problem, pass)) return -1;
  Problem single = problem;
  single.given.batch = 1;
  DirectForm f;
  const double cost = choose_form(single, pass, tiles, nullptr, &f);
  const double terms = static_cast<double>(f.axes[0].taps * f.axes[1].taps * f.axes[2].taps * f.channels);
  return cost * terms / static_cast<double>(f.phases) * static_cast<double>(problem.given.groups);
}

template double direct_cost(const Problem &, ck_pass, const TileSet<float> &);
template double direct_cost(const Problem &, ck_pass, const TileSet<double> &);

template void make_direct_form(const Problem &, ck_pass, const TileSet<float> &, int32_t, DirectForm *);
template void make_direct_form(const Problem &, ck_pass, const TileSet<double> &, int32_t, DirectForm *);

int64_t product_taps(const DirectForm &form, const int64_t phase[3], PhaseTaps taps[3]) {
  int64_t count = 1;
  for (int a = 0; a < 3; ++a) {
    taps[a] = phase_taps(form.axes[a], form.joint ? 0 : phase[a]);
    count *= taps[a].count;
  }
  return count;
}

}  // namespace convkit
