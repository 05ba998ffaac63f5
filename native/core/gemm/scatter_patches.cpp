#include "scatter_patches.h"

namespace convkit {
namespace {

template <typename T>
void add(const T *x, int64_t count, T *out, int64_t step) {
  if (step == 1) {
    for (int64_t i = 0; i < count; ++i) out[i] += x[i];
  } else {
    for (int64_t i = 0; i < count; ++i) out[i * step] += x[i];
  }
}

}  // namespace

template <typename T>
void scatter_patches(const Problem &problem, const T *columns, int64_t pitch, int64_t first, int64_t count,
                     const ColumnBlock &block, PatchIndex *index, T *image) {
  const bool pixels_in_lanes = problem.given.layout == CK_CHANNELS_FIRST;
  const int64_t step = run_step(problem), channel_step = problem.image.channel;
  for (int64_t t = 0; t < block.taps; ++t) {
    const int32_t runs = list_runs(problem, block.first_tap + t, first, count, index->runs);
    for (int32_t r = 0; r < runs; ++r) {
      const Run &run = index->runs[r];
      if (run.source == kZeros) continue;
      T *const target = image + block.first_channel * channel_step + run.source;
      const int64_t row = t * block.channels;
      if (pixels_in_lanes) {
        for (int64_t c = 0; c < block.channels; ++c) {
          add(columns + (row + c) * pitch + run.column, run.count, target + c * channel_step, step);
        }
      } else {
        for (int32_t i = 0; i < run.count; ++i) {
          add(columns + (run.column + i) * pitch + row, block.channels, target + i * step, channel_step);
        }
      }
    }
  }
}

template void scatter_patches(const Problem &, const float *, int64_t, int64_t, int64_t, const ColumnBlock &,
                              PatchIndex *, float *);
template void scatter_patches(const Problem &, const double *, int64_t, int64_t, int64_t, const ColumnBlock &,
                              PatchIndex *, double *);

}  // namespace convkit
