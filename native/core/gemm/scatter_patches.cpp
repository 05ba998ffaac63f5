#include "scatter_patches.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

/* The part of a run whose image elements are begin .. end - 1. */
Run cut_run(const Run &run, int64_t step, int64_t begin, int64_t end) {
  const int64_t first = clamp(ceil_div(begin - run.source, step), 0, run.count);
  const int64_t last = clamp(ceil_div(end - run.source, step), first, run.count);
  return {run.column + static_cast<int32_t>(first), static_cast<int32_t>(last - first), run.source + first * step};
}

}  // namespace

template <typename T>
void scatter_patches(const Problem &problem, const T *columns, int64_t pitch, int64_t first, int64_t count,
                     const ColumnBlock &block, const TileSet<T> &tiles, int64_t begin, int64_t end, PatchIndex *index,
                     T *image) {
  const bool pixels_in_lanes = problem.given.layout == CK_CHANNELS_FIRST;
  const int64_t step = run_step(problem), channel_step = problem.image.channel;
  for (int64_t t = 0; t < block.taps; ++t) {
    const int32_t runs = list_runs(problem, block.first_tap + t, first, count, index->runs);
    for (int32_t r = 0; r < runs; ++r) {
      if (index->runs[r].source == kZeros) continue;
      const Run run = cut_run(index->runs[r], step, begin, end);
      T *const target = image + block.first_channel * channel_step + run.source;
      const int64_t row = t * block.channels;
      if (pixels_in_lanes) {
        for (int64_t c = 0; c < block.channels; ++c) {
          tiles.add_row(columns + (row + c) * pitch + run.column, run.count, step, target + c * channel_step);
        }
      } else {
        for (int32_t i = 0; i < run.count; ++i) {
          tiles.add_row(columns + (run.column + i) * pitch + row, block.channels, channel_step, target + i * step);
        }
      }
    }
  }
}

template void scatter_patches(const Problem &, const float *, int64_t, int64_t, int64_t, const ColumnBlock &,
                              const TileSet<float> &, int64_t, int64_t, PatchIndex *, float *);
template void scatter_patches(const Problem &, const double *, int64_t, int64_t, int64_t, const ColumnBlock &,
                              const TileSet<double> &, int64_t, int64_t, PatchIndex *, double *);

}  // namespace convkit
