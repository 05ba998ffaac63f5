/* Channels first, adjoint and weight gradient: (channel, tap) in lanes. */
#include "few_pixels_unit.h"
#include "im2col.h"
#include "padding_repair.h"

namespace convkit {
namespace {

constexpr int64_t kColumnBytes = 512 << 10; /* of the columns of a unit, half of the second-level cache */
/* Who writes weights beside what another writes takes cache lines from it, the more so the shorter the rows are. */
constexpr int64_t kImageUnits = 4, kWeightUnits = 1; /* of a slot */

template <typename T>
struct Scratch {
  Run *runs;
  Place *places;       /* tap by tap */
  RowsScratch<T> rows; /* of the weight gradient, one panel of features by pixels */
  T *columns;

  Scratch(const Problem &problem, const FewPixelsForm &f, bool adjoint, Carver *carver)
      : runs(carver->take<Run>(kChunk)),
        places(carver->take<Place>(problem.feature_pixels * problem.taps)),
        rows(f, adjoint ? f.images * problem.feature_pixels : f.height, carver),
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
    const bool adjoint = context.plan->pass == CK_ADJOINT;
    const Scratch<T> scratch(problem, f, adjoint, &carver);
    const int64_t part = number % f.channel_blocks, rest = number / f.channel_blocks, first = part * f.channel_block;
    const int64_t channels = smaller(f.channel_block, problem.group_channels - first);
    const int64_t places = list_places(problem, f.pitch, scratch.runs, scratch.places);
    const Unit<T> unit = {{rest % problem.given.groups, first, channels, scratch.columns, scratch.places, places},
                          scratch,
                          channels * problem.taps};
    if (adjoint) {
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
      call.a.at = unit.scratch.rows.pixels;
      call.b.at = unit.columns;
      call.c = weights + row * call.c_step;
      this->write_rows(call, rows, unit.width);
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

template <typename T>
void block_few_pixels_first(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  FewPixelsForm &f = plan->few_pixels;
  const bool adjoint = plan->pass == CK_ADJOINT;
  const int64_t pixels = f.images * problem.feature_pixels;
  f.depth = adjoint ? balanced(problem.group_features, tiles_of<T>(*plan->kernels).depth) : pixels;

  /* Channels in such numbers that whole vectors have whole columns. */
  const int64_t columns = smaller(kColumnBytes / static_cast<int64_t>(sizeof(T)) / pixels, kMostColumns);
  const int64_t most = larger(columns / problem.taps / kWholeVectors, 1) * kWholeVectors;
  const int64_t sets = (adjoint ? ceil_div(larger(problem.given.batch, 1), f.images) : 1) * problem.given.groups;
  const int64_t wanted = slots > 1 ? (adjoint ? kImageUnits : kWeightUnits) * slots : 1;
  const int64_t share = ceil_div(problem.group_channels, ceil_div(wanted, sets));
  f.channel_block = smaller(smaller(most, round_up(share, kWholeVectors)), problem.group_channels);
  f.channel_blocks = ceil_div(problem.group_channels, f.channel_block);
  f.pitch = row_pitch(f.channel_block * problem.taps);
  f.units = problem.given.batch > 0 ? sets * f.channel_blocks : 0;
  plan->blocking.slot_bytes = larger(plan->blocking.slot_bytes, bytes_of<Scratch<T>>(problem, f, adjoint));
}

template <typename T>
ck_status run_few_pixels_first(const RunContext &context) {
  const Rows<T> rows(context);
  return for_each_unit(*context.host, context.plan->few_pixels.units, context.plan->small, rows);
}

template void block_few_pixels_first<float>(ck_plan *, int32_t);
template void block_few_pixels_first<double>(ck_plan *, int32_t);
template ck_status run_few_pixels_first<float>(const RunContext &);
template ck_status run_few_pixels_first<double>(const RunContext &);

}  // namespace convkit
