#include "few_pixels.h"

#include "../gemm/copy.h"
#include "../gemm/transpose.h"
#include "few_pixels_unit.h"
#include "im2col.h"
#include "padding_repair.h"

namespace convkit {
namespace {

constexpr int64_t kMostPatch = 1 << 12; /* pixels x taps: a table of places, and columns of kWholeVectors channels */
constexpr int64_t kColumnBytes = 512 << 10; /* of the columns of a unit, half of the second-level cache */
constexpr int64_t kMostColumns = 1 << 15;   /* between two looks at a cancellation */
constexpr int64_t kLeastFeatures = 8;       /* the tallest tile of dots on any instruction set, which must not decide */
/* Who writes weights beside what another writes takes cache lines from it, the more so the shorter the rows are. */
constexpr int64_t kWeightUnits = 1;        /* of a slot */
constexpr int64_t kRowsAtOnce = 6;         /* of weights, that are written side by side */
constexpr int64_t kHeavyWeights = 1 << 20; /* bytes: of lighter ones, packing reads the cache */
constexpr int64_t kLongRow = 2048;         /* weights of a feature, of which each slot has a part */
constexpr double kLeastShare = 0.5;        /* of taps that are not in the padding: `direct` leaves out those that are */
constexpr int64_t kFewDots = 4;            /* pixels, forward; with more, and a batch, packing pays */
/* Pixels in all, of a weight gradient: with more, packing costs little. Channels last, several taps leave out the
 * padding. */
constexpr int64_t kFewTerms = 56, kLastTerms = 224, kLastTermsOfOneTap = 16;

template <typename T>
struct Scratch {
  Run *runs;
  Place *places;       /* tap by tap */
  RowsScratch<T> rows; /* of the weight gradient, a panel of features in it */
  T *columns;

  Scratch(const Problem &problem, const FewPixelsForm &f, Carver *carver)
      : runs(carver->take<Run>(kChunk)),
        places(carver->take<Place>(problem.feature_pixels * problem.taps)),
        rows(f, f.images * problem.feature_pixels, carver),
        columns(carver->take<T>(f.images * problem.feature_pixels * f.pitch)) {}
};

template <typename T>
struct Unit : ColumnsPart<T> {
  const Scratch<T> &scratch;
  int64_t width; /* channels x taps */
};

/* Adjoint and weight gradient. */
template <typename T>
struct Rows : FewPixels<T> {
  using FewPixels<T>::context;
  using FewPixels<T>::problem;
  using FewPixels<T>::f;
  using FewPixels<T>::tiles;

  explicit Rows(const RunContext &run) : FewPixels<T>(run) {}

  void operator()(int64_t number, int32_t slot) const {
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    const Scratch<T> scratch(problem, f, &carver);
    const int64_t part = number % f.channel_blocks, rest = number / f.channel_blocks, first = part * f.channel_block;
    const int64_t channels = smaller(f.channel_block, problem.group_channels - first);
    const int64_t places = list_places(problem, f.pitch, scratch.runs, scratch.places);
    const Unit<T> unit = {{rest % problem.given.groups, first, channels, scratch.columns, scratch.places, places},
                          scratch,
                          channels * problem.taps};
    if (context.plan->pass == CK_ADJOINT) {
      add_up_image(unit, rest / problem.given.groups * f.images);
    } else {
      add_up_weights(unit);
    }
  }

  /* Features x pixels of some images; channels first. */
  Matrix<T> features(const Unit<T> &unit, int64_t image, int64_t images) const {
    const T *const data = static_cast<const T *>(context.operands->features_in) + image * problem.features.batch +
                          unit.group * problem.group_features * problem.features.channel;
    const Axis joint = Axis::composite(problem.feature_pixels, 1, problem.features.batch);
    return {data, images == 1 ? Axis::plain(1) : joint, Axis::plain(problem.features.channel)};
  }

  void add_up_image(const Unit<T> &unit, int64_t first) const {
    const ck_operands &operands = *context.operands;
    const int64_t images = smaller(f.images, problem.given.batch - first), pixels = images * problem.feature_pixels;
    const Panels panels = broadcast_panels(pixels, static_cast<int32_t>(f.height));
    const Matrix<T> matrix = features(unit, first, images);
    for (int64_t k = 0; k < problem.group_features; k += f.depth) {
      if (cancelled(*context.host)) return;
      const int64_t depth = smaller(f.depth, problem.group_features - k);
      for (int64_t p = 0; p < panels.count; ++p) {
        const int64_t row = p * panels.width;
        pack_panel(matrix, row, smaller(panels.width, pixels - row), k, depth, panels.step,
                   unit.scratch.rows.pixels + p * depth * panels.step);
      }
      const T *const weights = static_cast<const T *>(operands.weights) + this->weights_at(unit, k);
      this->multiply_rows({unit.scratch.rows.pixels, panels, pixels, depth, weights, problem.weights.feature,
                           unit.width, unit.columns, f.pitch, k > 0, k + depth < problem.group_features, nullptr},
                          unit.scratch.rows);
    }
    T *image = static_cast<T *>(operands.image_out) + first * problem.image.batch +
               this->image_channel(unit) * problem.image.channel;
    const T *columns = unit.columns;
    for (int64_t i = 0; i < images; ++i, image += problem.image.batch, columns += problem.feature_pixels * f.pitch) {
      memset(image, 0, static_cast<size_t>(unit.channels * problem.image.channel) * sizeof(T));
      this->for_each_place(unit, [&](int64_t column, int64_t element) { image[element] += columns[column]; });
      finish(unit, image);
    }
  }

  void finish(const Unit<T> &unit, T *image) const {
    Epilogue<T> epilogue;
    for (int64_t c = 0; c < unit.channels; ++c, image += problem.image.channel) {
      if (!make_epilogue(context, this->image_channel(unit) + c, &epilogue)) return;
      tiles.finish(image, problem.image.channel, 1, problem.image_pixels, &epilogue);
    }
  }

  void add_up_weights(const Unit<T> &unit) const {
    T *const weights = static_cast<T *>(context.operands->weight_gradient) + this->weights_at(unit, 0);
    const int64_t pixels = f.images * problem.feature_pixels;
    this->gather(unit, 0, f.images);
    for (int64_t k = 0; k < pixels; ++k) unit.scratch.rows.offsets[k] = k * f.pitch;
    const Matrix<T> matrix = features(unit, 0, f.images);
    TileCall<T> call = {};
    call.b = by_table<T>(unit.scratch.rows.offsets);
    call.depth = call.period = pixels;
    call.c_step = problem.weights.feature;
    for (int64_t row = 0; row < problem.group_features; row += f.height) {
      if (cancelled(*context.host)) return;
      const int64_t rows = smaller(f.height, problem.group_features - row), step = round_up(rows, 4);
      pack_panel<T>({matrix.data, matrix.term, matrix.row}, row, rows, 0, pixels, step, unit.scratch.rows.pixels);
      call.a = by_step<T>(step);
      for (int64_t j = 0; j < unit.width; j += f.width) {
        call.columns = static_cast<int32_t>(smaller(f.width, unit.width - j));
        call.a.at = unit.scratch.rows.pixels;
        call.b.at = unit.columns + j;
        call.c = weights + row * call.c_step + j;
        const bool more = j + f.width < unit.width;
        this->fetch_tile(more ? call.c + f.width : weights + (row + rows) * call.c_step, rows, call.c_step);
        tiles.tiles[(rows - 1) * kMostVectors + ceil_div(call.columns, tiles.lanes) - 1](&call);
      }
    }
    repair(unit, weights);
  }

  /* Features are fewer than weights, so these say whether it is worth a look. */
  void repair(const Unit<T> &unit, T *weights) const {
    const int64_t elements = problem.group_features * problem.features.channel;
    bool finite = true;
    for (int64_t image = 0; image < problem.given.batch; ++image) {
      finite = finite && !any_non_finite(features(unit, image, 1).data, elements);
    }
    if (finite) return;
    const ColumnBlock block = {unit.first, unit.channels, 0, problem.taps};
    repair_padding(context, unit.group * problem.group_features, problem.group_features, block,
                   {problem.weights.feature, 1, problem.taps}, unit.scratch.runs, weights);
  }
};

/* The tile that takes so many rows, at most `tallest` at a time, with the fewest instructions a vector. */
template <typename T>
void choose_tile(const TileSet<T> &tiles, int64_t rows, int64_t tallest, FewPixelsForm *f) {
  constexpr double kLoad = 2, kTile = 4;
  double least = 0;
  for (int64_t v = 1; v <= kMostVectors; ++v) {
    if (tiles.heights[v - 1] == 0 || tiles.parts[v - 1] != v) continue;
    const int64_t height = balanced(rows, smaller(tiles.heights[v - 1], tallest));
    const double vectors = static_cast<double>(v), sums = static_cast<double>(height) * vectors;
    const double cost = static_cast<double>(ceil_div(rows, height)) * (sums + kLoad * vectors + kTile) / vectors;
    if (least > 0 && cost > least) continue;
    least = cost;
    f->height = height;
    f->width = v * tiles.lanes;
  }
}

/* Of all pairs of a pixel and a tap, the part that is not in the padding. */
double share_of_places(const Problem &p) {
  double share = 1;
  for (int a = 0; a < 3; ++a) {
    const ck_problem &g = p.given;
    int64_t places = 0;
    for (int64_t pixel = 0; pixel < g.features[a]; ++pixel) {
      for (int64_t tap = 0; tap < g.kernel[a]; ++tap) {
        const int64_t at = pixel * g.stride[a] + tap * g.dilation[a] - g.pad_begin[a];
        places += at >= 0 && at < g.image[a];
      }
    }
    share *= static_cast<double>(places) / static_cast<double>(g.features[a] * g.kernel[a]);
  }
  return share;
}

/* With channels last, features of a weight are neighbours: they are lanes forward, and terms in the adjoint. */
bool is_last(const Problem &p) { return p.given.layout == CK_CHANNELS_LAST; }

bool stays_last(const ck_plan &plan) {
  const Problem &p = plan.problem;
  if (p.weights.feature != 1 || p.weights.tap <= 0 || p.feature_pixels <= 0) return false;
  if (p.group_features % kWholeVectors != 0 || p.group_features > kMostColumns) return false;
  if (plan.pass == CK_FORWARD) {
    return !plan.prepared && p.feature_pixels <= kMostPixels && p.taps <= kMostPatch / p.feature_pixels;
  }
  return plan.pass == CK_WEIGHT_GRADIENT && p.given.batch > 0 && p.given.batch <= kMostDepth / p.feature_pixels;
}

bool stays(const ck_plan &plan) {
  const Problem &p = plan.problem;
  if (is_last(p)) return stays_last(plan);
  if (plan.pass != CK_WEIGHT_GRADIENT && plan.prepared) return false;
  if (p.feature_pixels <= 0 || p.feature_pixels > kMostPixels || p.taps > kMostPatch / p.feature_pixels) return false;
  if (plan.pass == CK_FORWARD) {
    if (!is_f32(p) || plan.kernels->dots.rows == 0 || p.group_features < larger(kLeastFeatures, p.feature_pixels))
      return false;
  } else if (plan.pass == CK_ADJOINT) {
    if (p.image_pixels > p.feature_pixels * p.taps) return false; /* gaps, which may be far larger than the columns */
  } else if (p.given.batch == 0 || p.given.batch > smaller(kMostDepth, kMostPatch / p.taps) / p.feature_pixels) {
    return false;
  }
  return p.weights.tap == 1 && p.weights.channel == p.taps && p.depth % kWholeVectors == 0;
}

}  // namespace

int64_t list_places(const Problem &problem, int64_t pitch, Run *runs, Place *places) {
  int64_t count = 0;
  for (int64_t tap = 0; tap < problem.taps; ++tap) {
    const int32_t listed = list_runs(problem, tap, 0, problem.feature_pixels, runs);
    for (int32_t r = 0; r < listed; ++r) {
      const Run &run = runs[r];
      for (int32_t i = 0; i < run.count && run.source != kZeros; ++i) {
        places[count++] = {(run.column + i) * pitch + tap, run.source + i * run_step(problem)};
      }
    }
  }
  return count;
}

const char *few_pixels_pay(const ck_plan &plan) {
  const Problem &p = plan.problem;
  if (!stays(plan) || (!is_last(p) && p.depth < kLongRow)) return nullptr;
  if (p.group_features * p.depth < kHeavyWeights / element_bytes(p)) return nullptr;
  const char *const reason = "heavy weights under few pixels are better read, or written, where they lie";
  const int64_t pixels = p.given.batch * p.feature_pixels;
  if (is_last(p) && plan.pass == CK_WEIGHT_GRADIENT) {
    return pixels > (p.taps > 1 ? kLastTerms : kLastTermsOfOneTap) ? nullptr : reason;
  }
  if (plan.pass == CK_FORWARD && !is_last(p) && p.feature_pixels > kFewDots) return nullptr;
  if (p.given.padding_mode == CK_ZEROS && share_of_places(p) < kLeastShare) return nullptr;
  /* (How an image is computed in the other passes must not depend on the batch.) */
  if (plan.pass == CK_WEIGHT_GRADIENT && pixels > kFewTerms) return nullptr;
  return reason;
}

template <typename T>
void block_few_pixels(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const TileSet<T> &tiles = tiles_of<T>(*plan->kernels);
  FewPixelsForm &f = plan->few_pixels;
  f.taken = stays(*plan);
  if (!f.taken) return;
  plan->packs_inside = true;
  if (plan->pass == CK_FORWARD && !is_last(problem)) return block_few_pixels_forward(plan, slots);
  const bool adjoint = plan->pass == CK_ADJOINT, last = is_last(problem);
  const int64_t together =
      smaller(kMostPixels, last ? kMostPixels : kMostPatch / problem.taps) / problem.feature_pixels;
  f.images =
      plan->pass == CK_WEIGHT_GRADIENT ? problem.given.batch : clamp(together, 1, larger(problem.given.batch, 1));
  const int64_t pixels = f.images * problem.feature_pixels;
  if (last) {
    if (plan->pass == CK_FORWARD) {
      choose_tile(tiles, pixels, tiles.rows, &f);
    } else {
      choose_tile(tiles, problem.group_channels, kRowsAtOnce, &f);
    }
    return block_few_pixels_last<T>(plan, slots);
  }
  f.depth = balanced(adjoint ? problem.group_features : pixels, tiles.depth);
  choose_tile(tiles, adjoint ? pixels : problem.group_features, adjoint ? tiles.rows : kRowsAtOnce, &f);

  /* Channels in such numbers that whole vectors have whole columns. */
  const int64_t columns = smaller(kColumnBytes / static_cast<int64_t>(sizeof(T)) / pixels, kMostColumns);
  const int64_t most = larger(columns / problem.taps / kWholeVectors, 1) * kWholeVectors;
  const int64_t share =
      ceil_div(problem.group_channels, slots > 1 ? (adjoint ? kImageUnits : kWeightUnits) * slots : 1);
  f.channel_block = smaller(smaller(most, round_up(share, kWholeVectors)), problem.group_channels);
  f.channel_blocks = ceil_div(problem.group_channels, f.channel_block);
  f.pitch = row_pitch(f.channel_block * problem.taps);
  f.units =
      ceil_div(adjoint ? problem.given.batch : 1, adjoint ? f.images : 1) * problem.given.groups * f.channel_blocks;
  plan->blocking.slot_bytes = larger(plan->blocking.slot_bytes, bytes_of<Scratch<T>>(problem, f));
}

template <typename T>
ck_status run_few_pixels(const RunContext &context) {
  const ck_plan &plan = *context.plan;
  if (is_last(plan.problem)) return run_few_pixels_last<T>(context);
  if (plan.pass == CK_FORWARD) return run_few_pixels_forward(context);
  const Rows<T> body(context);
  return for_each_unit(*context.host, plan.few_pixels.units, plan.small, body);
}

template void block_few_pixels<float>(ck_plan *, int32_t);
template void block_few_pixels<double>(ck_plan *, int32_t);
template ck_status run_few_pixels<float>(const RunContext &);
template ck_status run_few_pixels<double>(const RunContext &);

}  // namespace convkit
