/* Forward: features[feature][pixel] = sum over (channel, tap) of weights[feature] * columns[pixel], both as they lie: a
 * product of rows with rows, terms in lanes, float32 alone. All units share the columns of some images, which are
 * gathered first. */
#include "../gemm/copy.h"
#include "few_pixels_unit.h"
#include "im2col.h"

namespace convkit {
namespace {

constexpr int64_t kUnits = 4;          /* of a slot */
constexpr int64_t kGathered = 1 << 17; /* elements between two looks at a cancellation */

struct Scratch {
  Run *runs;
  Place *places;
  float *sums; /* [feature][pixel] */
  int64_t pixels;

  Scratch(const Problem &problem, const FewPixelsForm &f, int64_t rows, Carver *carver)
      : pixels(f.images * problem.feature_pixels) {
    runs = carver->take<Run>(kChunk);
    places = carver->take<Place>(problem.feature_pixels * problem.taps);
    sums = carver->take<float>(rows * pixels);
  }
};

struct Forward : FewPixels<float> {
  const DotSet &dots;
  float *const columns;

  explicit Forward(const RunContext &run)
      : FewPixels<float>(run), dots(run.plan->kernels->dots), columns(reinterpret_cast<float *>(run.shared)) {}

  Scratch scratch_of(int32_t slot) const {
    Carver carver(context.scratch + slot * context.plan->blocking.slot_bytes);
    return Scratch(problem, f, dots.rows, &carver);
  }

  ck_status run() const {
    const ck_plan &plan = *context.plan;
    for (int64_t group = 0; group < problem.given.groups; ++group) {
      for (int64_t first = 0; first < problem.given.batch; first += f.images) {
        const int64_t images = smaller(f.images, problem.given.batch - first);
        const auto gather = [&](int64_t unit, int32_t slot) { gather_part(group, unit, first, images, slot); };
        const auto multiply = [&](int64_t unit, int32_t slot) { multiply_part(group, unit, first, images, slot); };
        ck_status status = for_each_unit(*context.host, f.channel_blocks, plan.small, gather);
        if (status == CK_OK) status = for_each_unit(*context.host, f.units, plan.small, multiply);
        if (status != CK_OK) return status;
      }
    }
    return CK_OK;
  }

  void gather_part(int64_t group, int64_t unit, int64_t first, int64_t images, int32_t slot) const {
    const Scratch scratch = scratch_of(slot);
    const int64_t channel = unit * f.channel_block;
    const int64_t places = list_places(problem, f.pitch, scratch.runs, scratch.places);
    gather({group, channel, smaller(f.channel_block, problem.group_channels - channel),
            columns + channel * problem.taps, scratch.places, places},
           first, images);
  }

  /* Some features of all pixels, as many rows as a tile at a time; the last ones again, if they are fewer. */
  void multiply_part(int64_t group, int64_t unit, int64_t image, int64_t images, int32_t slot) const {
    const Scratch scratch = scratch_of(slot);
    const int64_t begin = unit * f.depth, end = smaller(begin + f.depth, problem.group_features);
    const float *const weights = static_cast<const float *>(context.operands->weights) + problem.weights.origin +
                                 group * problem.group_features * problem.weights.feature;
    DotCall call = {};
    call.a_step = problem.weights.feature;
    call.b_step = f.pitch;
    call.depth = problem.depth;
    call.c_step = scratch.pixels;
    for (int64_t row = begin; row < end; row += dots.rows) {
      const int64_t first = smaller(row, problem.group_features - dots.rows);
      call.a = weights + first * call.a_step;
      call.fetched = row + dots.rows < end ? call.a + dots.rows * call.a_step : nullptr;
      for (int64_t p = 0, pixels = images * problem.feature_pixels, some; p < pixels; p += some) {
        if (cancelled(*context.host)) return; /* rows may be long */
        some = pixels - p < dots.columns ? 1 : dots.columns;
        call.b = columns + p * f.pitch;
        call.c = scratch.sums + p;
        (some > 1 ? dots.many : dots.one)(&call);
        call.fetched = nullptr;
      }
      const int64_t rows = smaller(dots.rows, end - row);
      store(group * problem.group_features + row, rows, image, images, scratch.sums + (row - first) * scratch.pixels);
    }
  }

  void store(int64_t feature, int64_t rows, int64_t first, int64_t images, const float *sums) const {
    const int64_t pixels = problem.feature_pixels;
    float *const result = static_cast<float *>(context.operands->features_out) + first * problem.features.batch;
    for (int64_t row = 0; row < rows; ++row, ++feature, sums += f.images * pixels) {
      Epilogue<float> epilogue;
      const Epilogue<float> *const finish = make_epilogue(context, feature, &epilogue);
      for (int64_t i = 0; i < images; ++i) {
        float *const to = result + i * problem.features.batch + feature * problem.features.channel;
        copy_run(sums + i * pixels, pixels, to);
        if (finish) tiles.finish(to, problem.features.channel, 1, pixels, finish);
      }
    }
  }
};

}  // namespace

void block_few_pixels_forward(ck_plan *plan, int32_t slots) {
  const Problem &problem = plan->problem;
  const DotSet &dots = plan->kernels->dots;
  FewPixelsForm &f = plan->few_pixels;
  f.height = dots.rows;
  f.width = dots.columns;
  /* Columns take no more room than the packed weights that they spare. */
  const int64_t together = smaller(kMostPixels, problem.group_features) / problem.feature_pixels;
  f.images = clamp(together, 1, larger(problem.given.batch, 1));
  f.pitch = row_pitch(problem.depth);
  const int64_t units = slots > 1 ? kUnits * slots : 1;
  const int64_t most = larger(kGathered / (f.images * problem.feature_pixels * problem.taps), 1);
  f.channel_block = balanced(problem.group_channels, smaller(ceil_div(problem.group_channels, units), most));
  f.channel_blocks = ceil_div(problem.group_channels, f.channel_block);
  f.depth = round_up(ceil_div(problem.group_features, units), f.height);
  f.units = ceil_div(problem.group_features, f.depth);
  Blocking &b = plan->blocking;
  b.slot_bytes = larger(b.slot_bytes, bytes_of<Scratch>(problem, f, f.height));
  b.shared_bytes = f.images * problem.feature_pixels * f.pitch * static_cast<int64_t>(sizeof(float));
}

ck_status run_few_pixels_forward(const RunContext &context) { return Forward(context).run(); }

}  // namespace convkit
