#include "winograd_form.h"

#include "../util/numbers.h"
#include "winograd_cost.h"

namespace convkit {
namespace {

/* Sizes of V that are tried. The least fit into a second-level cache of 1 MiB beside everything else; more is taken
 * where large weights pass by too often otherwise. */
constexpr int64_t kUsualData = 640 << 10;
constexpr int64_t kDataTried[] = {192 << 10, 384 << 10, kUsualData, 1 << 20, 2 << 20, kMostWinogradData};
constexpr int64_t kLeastChannels = 32;     /* that a tile is counted with: its results take room as well */
constexpr int64_t kChunkBytes = 128 << 10; /* of the source that is copied at a time */
constexpr int64_t kMostAxisTaps = 64, kMostPlanes = 256, kMostPhases = 1 << 13;

constexpr int64_t kUnitsPerSlot = 4;
constexpr int64_t kRowParts = 8; /* a block costs that part of a row of its tiles */
/* In rows of the product, by the time they take: to transform the source along one axis or two, and to read what
 * another thread has transformed. */
constexpr int64_t kSourceRows[3] = {0, 12, 48}, kOthersRows = 12;
constexpr int64_t kLeastPartRows = 64; /* of a part of the panels that transforms the source for itself */

const char *make_axis(WinogradAxis *axis) {
  DirectAxis &g = axis->geometry;
  axis->inner = 1;
  axis->taps = g.taps;
  if (g.adjoint && g.stride > 1) {
    if (g.dilation > 1) return "phases of a dilated kernel cannot be joint";
    axis->taps = ceil_div(g.taps, g.stride);
  } else if (g.dilation % g.stride == 0) {
    axis->inner = g.taps > 1 ? g.dilation / g.stride : 1;
  } else if (g.dilation > 1) {
    return "strides that do not divide the dilation";
  } else {
    axis->taps = ceil_div(g.taps, g.planes);
  }
  if (axis->taps > kMostAxisTaps) return "the kernel is too long";
  return nullptr;
}

bool can_use(const WinogradAxis &axis, int32_t scheme) {
  const WinogradScheme s = kWinogradScheme[scheme];
  return axis.taps == s.taps || (axis.taps > s.taps && s.outputs == s.taps);
}

void use(int32_t scheme, WinogradAxis *axis) {
  const WinogradScheme s = kWinogradScheme[scheme];
  axis->scheme = scheme;
  axis->outputs = s.outputs;
  axis->points = s.points;
  axis->pieces = ceil_div(axis->taps, s.taps);
  axis->piece_step = s.taps / s.outputs * axis->inner;
  axis->halo = (axis->pieces - 1) * axis->piece_step;
  DirectAxis &g = axis->geometry;
  const int64_t run = s.outputs * axis->inner;
  axis->tiles = g.count / run * axis->inner + smaller(axis->inner, g.count % run);
  /* Taps of zeros that fill up the last piece read as far as real ones do. */
  g.span = (axis->pieces * s.taps - 1) * axis->inner;
  g.span_begin = g.adjoint ? -g.span : 0;
}

const char *prepare(const Problem &problem, ck_pass pass, WinogradForm *f) {
  *f = {};
  DirectAxis axes[3];
  if (const char *const reason = direct_axes(problem, pass, axes)) return reason;
  f->planes = f->phases = 1;
  for (int a = 0; a < 3; ++a) {
    f->axes[a].geometry = axes[a];
    if (const char *const reason = make_axis(f->axes + a)) return reason;
    f->planes *= axes[a].planes;
    f->phases *= axes[a].phases;
    if (f->planes > kMostPlanes || f->phases > kMostPhases) return "the stride is too large";
  }
  if (f->axes[1].taps == 1 && f->axes[2].taps == 1) return "one tap along both axes";
  const bool adjoint = pass == CK_ADJOINT;
  f->channels = adjoint ? problem.group_features : problem.group_channels;
  f->rows = adjoint ? problem.group_channels : problem.group_features;
  f->product_rows = f->rows * f->phases;
  return nullptr;
}

/* The largest block whose data are at most `most` elements; false if there is none. */
bool choose_block(int64_t most, WinogradForm *f) {
  const double per_tile = static_cast<double>(f->points * larger(f->channels * f->planes, kLeastChannels));
  double left = static_cast<double>(most) / per_tile;
  for (int a = 0; a < 3; ++a)
    left /= static_cast<double>(smaller(f->axes[a].inner, f->axes[a].tiles) + f->axes[a].halo);
  if (left < 1) return false;
  for (int a = 2; a >= 0; --a) {
    WinogradAxis &axis = f->axes[a];
    const int64_t least = smaller(axis.inner, axis.tiles);
    left *= static_cast<double>(least + axis.halo);
    int64_t room = axis.tiles;
    if (left < static_cast<double>(axis.tiles + axis.halo)) {
      room = larger(static_cast<int64_t>(left) - axis.halo, least);
    }
    axis.block = smaller(round_up(balanced(axis.tiles, room), axis.inner), axis.tiles);
    if (axis.block + axis.halo > static_cast<int64_t>(left) && axis.block > axis.inner) axis.block -= axis.inner;
    axis.blocks = ceil_div(axis.tiles, axis.block);
    left /= static_cast<double>(axis.grid());
  }
  return true;
}

/* Sizes that follow from the block and the panels. */
void lay_out(const Problem &problem, int64_t lanes, WinogradForm *f) {
  const WinogradAxis &z = f->axes[0], &y = f->axes[1], &x = f->axes[2];
  const int64_t tiles = z.grid() * y.grid() * x.grid();
  f->by_row = source_steps(problem, y.geometry.adjoint).rows() && problem.given.padding_mode == CK_ZEROS;
  /* Whole vectors are written past the end of each depth. The last one's, of a channel or plane, may come after the
   * first of the next: so they are kept apart. */
  const bool depth_by_depth = z.grid() > 1 && (!f->by_row || f->planes > 1);
  f->tile_step = round_up(tiles + (depth_by_depth ? lanes : 0), 4);
  f->data_step = odd_lines(f->channels * f->planes * f->tile_step + lanes);
  f->edge_step = odd_lines(f->planes * f->tile_step + lanes);
  const int64_t width = f->block_lanes();
  f->lanes_step = f->tiles_in_lanes ? round_up(width, lanes) : f->panels.width;
  f->product_step = odd_lines((f->tiles_in_lanes ? f->panels.width : width) * f->lanes_step);

  const int64_t rows_apart = ceil_div(y.grid(), y.inner) + (y.points - 1) / y.outputs;
  f->line = rows_apart * y.inner * x.grid() + 16;
  f->line_step = odd_lines(f->line * y.outputs);
  f->stream_step = odd_lines(x.grid() + (x.points - 1) / x.outputs * x.inner + 16);

  DirectForm &copy = f->copy, &store = f->store;
  int64_t extent[3];
  for (int a = 0; a < 3; ++a) {
    const WinogradAxis &axis = f->axes[a];
    copy.axes[a] = axis.geometry;
    extent[a] = axis.positions(axis.block);
    copy.grid[a] = extent[a] + axis.geometry.span;
  }
  copy.planes = f->planes;
  copy.pitch = copy.grid[2];
  copy.plane_size = odd_lines(copy.grid[1] * copy.pitch + 4); /* one depth at a time */
  copy.channel_size = f->planes * copy.plane_size;
  f->chunk = clamp(kChunkBytes / element_bytes(problem) / copy.channel_size, 1, f->channels);
  const int64_t line = 64 / element_bytes(problem); /* of channels, if they are last */
  if (f->chunk > 4 && f->chunk < f->channels) f->chunk -= f->chunk % (f->chunk > line ? line : 4);
  if (f->by_row) f->chunk = 1;

  store = copy;
  store.rows = f->rows;
  store.phases = f->phases;
  store.joint = f->phases > 1;
  store.phase_inner = result_steps(problem, y.geometry.adjoint).rows();
  store.line_products = 1;
  store.panels = f->panels;
  store.pixels_in_lanes = f->tiles_in_lanes;
  store.pitch = extent[2];
  store.stage_plane = extent[1] * extent[2];
  store.stage_step = f->tiles_in_lanes ? odd_lines(extent[0] * store.stage_plane) : f->panels.width;
  f->in_place = f->phases == 1 && f->tiles_in_lanes == store.phase_inner;
}

/* All tiles for the given block, or only the usual ones; leaves the best in *f and returns its cost. */
template <typename T>
double choose_tile(const Problem &problem, const TileSet<T> &tiles, bool all_tiles, WinogradForm *f) {
  WinogradForm best = *f;
  double least = -1;
  const int64_t together = result_steps(problem, f->axes[0].geometry.adjoint).rows() ? f->axes[2].geometry.phases : 1;
  for (int way = 0; way < 2; ++way) {
    const int32_t usual = tiles.columns / tiles.lanes;
    for (int32_t v = all_tiles ? 1 : usual; v <= (all_tiles ? kMostVectors : usual); ++v) {
      f->tiles_in_lanes = way == 0;
      f->vectors = v;
      f->height = tiles.heights[v - 1];
      if (v > 1 && all_tiles && (way == 0 ? f->block_lanes() : f->product_rows) <= (v - 1) * tiles.lanes) break;
      if (way == 0) {
        const bool whole = together <= f->height;
        int64_t width = balanced(f->product_rows, whole ? f->height - f->height % together : f->height);
        if (whole) width = round_up(width, together);
        f->panels = {ceil_div(f->product_rows, width), static_cast<int32_t>(width),
                     static_cast<int32_t>(round_up(width, 4))};
      } else {
        f->panels = lane_panels(f->product_rows, v * tiles.lanes, tiles.lanes);
      }
      lay_out(problem, tiles.lanes, f);
      const double cost = winograd_cost(*f, tiles.lanes, sizeof(T));
      if (least >= 0 && cost >= least) continue;
      least = cost;
      best = *f;
    }
  }
  *f = best;
  return least;
}

}  // namespace

/* The seven points are accurate enough on one axis only; see the table in README.md. */
bool winograd_is_accurate(int32_t y, int32_t x) {
  const auto points = [](int32_t scheme) { return kWinogradScheme[scheme].points; };
  return points(y) == 1 || points(x) == 1 || (points(y) < kMostPoints && points(x) < kMostPoints);
}

namespace {

/* Calls visit for each pair of schemes that the axes can use. */
template <typename Visit>
void each_form(WinogradForm *f, const Visit &visit) {
  for (int32_t y = 0; y < kWinogradSchemes; ++y) {
    for (int32_t x = 0; x < kWinogradSchemes; ++x) {
      if (y + x == 0 || !can_use(f->axes[1], y) || !can_use(f->axes[2], x) || !winograd_is_accurate(y, x)) continue;
      use(0, f->axes);
      use(y, f->axes + 1);
      use(x, f->axes + 2);
      f->points = f->axes[1].points * f->axes[2].points;
      f->depth = f->channels * f->planes;
      for (const WinogradAxis &axis : f->axes) f->depth *= axis.pieces;
      visit();
    }
  }
}

/* With about this much data in a block; -1: none fits. */
template <typename T>
double cost_with(const Problem &problem, const TileSet<T> &tiles, int64_t bytes, bool all_tiles, WinogradForm *f) {
  if (!choose_block(bytes / static_cast<int64_t>(sizeof(T)), f)) return -1;
  double blocks = static_cast<double>(problem.given.groups);
  for (const WinogradAxis &axis : f->axes) blocks *= static_cast<double>(axis.tiles) / static_cast<double>(axis.block);
  return blocks * choose_tile(problem, tiles, all_tiles, f);
}

}  // namespace

const char *winograd_refuses(const Problem &problem, ck_pass pass) {
  if (pass == CK_WEIGHT_GRADIENT) return "the weight gradient has no such form";
  if (pass == CK_ADJOINT && problem.given.padding_mode != CK_ZEROS) return "the adjoint of this padding mode";
  WinogradForm f;
  if (const char *const reason = prepare(problem, pass, &f)) return reason;
  bool fits = false;
  each_form(&f, [&] { fits = fits || choose_block(kMostWinogradData / element_bytes(problem), &f); });
  return fits ? nullptr : "the transformed data of a few tiles do not fit into the cache";
}

template <typename T>
double make_winograd_form(const Problem &problem, ck_pass pass, const TileSet<T> &tiles, bool packs,
                          WinogradForm *form) {
  WinogradForm f;
  prepare(problem, pass, &f);
  f.tile_parts = tiles.parts;
  double least = -1;
  const auto consider = [&](int64_t bytes, bool last) {
    double cost = cost_with(problem, tiles, bytes, last, &f);
    if (cost < 0) return;
    if (last && packs) cost += winograd_packing_cost(problem, f);
    if (least >= 0 && cost >= least) return;
    least = cost;
    *form = f;
  };
  /* First the forms with blocks of one size, then blocks for the best of them. */
  each_form(&f, [&] { consider(kUsualData, false); });
  if (least < 0) each_form(&f, [&] { consider(kMostWinogradData, false); });
  f = *form;
  least = -1;
  for (const int64_t bytes : kDataTried) consider(bytes, true);
  return least;
}

template double make_winograd_form(const Problem &, ck_pass, const TileSet<float> &, bool, WinogradForm *);
template double make_winograd_form(const Problem &, ck_pass, const TileSet<double> &, bool, WinogradForm *);

int64_t winograd_blocks(const Problem &problem, const WinogradForm &form) {
  int64_t blocks = problem.given.batch * problem.given.groups;
  for (const WinogradAxis &axis : form.axes) blocks *= axis.blocks;
  return blocks;
}

namespace {

/* As many blocks as let the slots end together: up to twice as many as fit into the cache. In rows of tiles, what the
 * slot with the most has to do; each block costs a part of a row more. */
void even_blocks(int64_t others, int64_t slots, WinogradAxis *axis) {
  const int64_t rows = ceil_div(axis->tiles, axis->inner), most = smaller(2 * axis->blocks, rows);
  int64_t least = 0;
  for (int64_t blocks = axis->blocks, first = blocks; blocks <= most; ++blocks) {
    const int64_t each = kRowParts * (rows / blocks) + 1, more = kRowParts * ceil_div(others * (rows % blocks), slots);
    const int64_t cost = ceil_div(others * blocks, slots) * each + more;
    if (blocks > first && cost >= least) continue;
    least = cost;
    axis->blocks = blocks;
  }
}

}  // namespace

/* Either each slot transforms the source for itself, for all panels of a block or for a part of them, and the number of
 * such units decides when the last has ended; or all slots share one block after the other. */
void share_winograd(const Problem &problem, int32_t slots, WinogradForm *form) {
  for (WinogradAxis &axis : form->axes) {
    if (axis.blocks == 1) continue;
    even_blocks(winograd_blocks(problem, *form) / axis.blocks, slots, &axis);
    break;
  }
  const int64_t blocks = larger(winograd_blocks(problem, *form), 1), panels = form->panels.count;
  const int64_t source = kSourceRows[(form->axes[1].points > 1) + (form->axes[2].points > 1)];
  const int64_t wanted = smaller(panels, slots == 1 ? 1 : int64_t{kUnitsPerSlot} * slots);
  int64_t least = 0;
  const auto consider = [&](bool shared, int64_t parts) {
    const int64_t each = ceil_div(panels, parts), rows = each * form->panels.width;
    const int64_t cost = shared ? blocks * (ceil_div(source, slots) + kOthersRows + ceil_div(parts, slots) * rows)
                                : ceil_div(blocks * parts, slots) * (source + rows);
    if (least > 0 && cost >= least) return;
    least = cost;
    form->shared = shared;
    form->part_panels = each;
    form->parts = ceil_div(panels, each);
  };
  const int64_t most = clamp(form->product_rows / kLeastPartRows, 1, ceil_div(wanted, blocks));
  for (int64_t parts = 1; parts <= most; ++parts) consider(false, parts);
  if (slots > 1) consider(true, wanted);
}

}  // namespace convkit
