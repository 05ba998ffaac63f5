#include "pack_patches.h"

#include "copy.h"
#include "transpose.h"

namespace convkit {
namespace {

template <typename T>
void gather_run(const T *source, int64_t step, int64_t count, T *out) {
  for (int64_t i = 0; i < count; ++i) out[i] = source[i * step];
}

/* out[i * pitch + c] = source[c * channel_step + i * step] */
template <typename T>
void transpose_run(const T *source, int64_t channel_step, int64_t channels, int64_t step, int64_t count, int64_t pitch,
                   T *out) {
  int64_t c = 0;
  for (; step == 1 && c + 4 <= channels; c += 4) {
    const T *const from = source + c * channel_step;
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
      const T *const here[4] = {from + i, from + channel_step + i, from + 2 * channel_step + i,
                                from + 3 * channel_step + i};
      transpose4(here, out + i * pitch + c, pitch);
    }
    for (; i < count; ++i) {
      for (int q = 0; q < 4; ++q) out[i * pitch + c + q] = from[q * channel_step + i];
    }
  }
  for (; c < channels; ++c) {
    for (int64_t i = 0; i < count; ++i) out[i * pitch + c] = source[c * channel_step + i * step];
  }
}

/* The place of each pixel under a tap, run by run. */
int64_t *list_sources(const Problem &problem, int64_t tap, int64_t first, int64_t count, PatchIndex *index) {
  const int64_t step = run_step(problem);
  const int32_t runs = list_runs(problem, tap, first, count, index->runs);
  for (int32_t r = 0; r < runs; ++r) {
    const Run &run = index->runs[r];
    for (int32_t i = 0; i < run.count; ++i) {
      index->sources[run.column + i] = run.source == kZeros ? kZeros : run.source + i * step;
    }
  }
  return index->sources;
}

}  // namespace

/* Terms channel * taps + tap of one tap are `taps` apart, so each tap is listed once and serves all its
 * channels in the block of terms. */
template <typename T>
void pack_patch_rows(const Problem &problem, const T *image, int64_t first, int64_t count, int64_t first_term,
                     int64_t terms, int64_t pitch, PatchIndex *index, T *out) {
  const int64_t step = run_step(problem), padded = round_up(count, 16);
  for (int64_t t = 0; t < smaller(problem.taps, terms); ++t) {
    const int64_t tap = (first_term + t) % problem.taps;
    const int32_t runs = list_runs(problem, tap, first, count, index->runs);
    for (int64_t term = t; term < terms; term += problem.taps) {
      const T *const channel = image + (first_term + term) / problem.taps * problem.image.channel;
      T *const row = out + term * pitch;
      for (int32_t r = 0; r < runs; ++r) {
        const Run &run = index->runs[r];
        if (run.source == kZeros) {
          fill_zeros(row + run.column, run.count);
        } else if (step == 1) {
          copy_run(channel + run.source, run.count, row + run.column);
        } else {
          gather_run(channel + run.source, step, run.count, row + run.column);
        }
      }
      fill_zeros(row + count, padded - count);
    }
  }
}

/* Four pixels x four channels at a time where the channels of a pixel are neighbours. */
template <typename T>
void pack_patch_panels(const Problem &problem, const T *image, int64_t first, int64_t count, int64_t first_term,
                       int64_t terms, const Panels &panels, int64_t panel_step, PatchIndex *index, T *out) {
  static const T nothing[4] = {0, 0, 0, 0};
  const int64_t taps = problem.taps, channel_step = problem.image.channel;
  for (int64_t t = 0; t < smaller(taps, terms); ++t) {
    const int64_t tap = (first_term + t) % taps, first_channel = (first_term + t) / taps;
    const int64_t channels = ceil_div(terms - t, taps);
    const int64_t *const sources = list_sources(problem, tap, first, count, index);
    for (int64_t p = 0; p < panels.count; ++p) {
      for (int64_t i = 0; i < panels.step; i += 4) {
        const T *pixel[4];
        int64_t step[4];
        for (int64_t q = 0; q < 4; ++q) {
          const int64_t column = p * panels.width + i + q;
          const bool there = i + q < panels.width && column < count && sources[column] != kZeros;
          pixel[q] = there ? image + sources[column] + first_channel * channel_step : nothing;
          step[q] = there ? channel_step : 0;
        }
        T *const panel = out + p * panel_step + t * panels.step + i;
        const int64_t term_step = taps * panels.step;
        int64_t c = 0;
        if (channel_step == 1) {
          for (; c + 4 <= channels; c += 4) {
            const T *const here[4] = {pixel[0] + c * step[0], pixel[1] + c * step[1], pixel[2] + c * step[2],
                                      pixel[3] + c * step[3]};
            transpose4(here, panel + c * term_step, term_step);
          }
        }
        for (; c < channels; ++c) {
          for (int q = 0; q < 4; ++q) panel[c * term_step + q] = pixel[q][c * step[q]];
        }
      }
    }
  }
}

template <typename T>
void pack_patch_columns(const Problem &problem, const T *image, int64_t first, int64_t count, const ColumnBlock &block,
                        int64_t pitch, PatchIndex *index, T *out) {
  const int64_t step = run_step(problem), channel_step = problem.image.channel;
  const int64_t rows = block.rows(), padded = round_up(rows, 16);
  for (int64_t k = 0; k < count; ++k) fill_zeros(out + k * pitch + rows, padded - rows);
  for (int64_t t = 0; t < block.taps; ++t) {
    const int32_t runs = list_runs(problem, block.first_tap + t, first, count, index->runs);
    for (int32_t r = 0; r < runs; ++r) {
      const Run &run = index->runs[r];
      T *const corner = out + run.column * pitch + t * block.channels;
      if (run.source == kZeros) {
        for (int32_t i = 0; i < run.count; ++i) fill_zeros(corner + i * pitch, block.channels);
        continue;
      }
      const T *const source = image + block.first_channel * channel_step + run.source;
      if (channel_step == 1) {
        for (int32_t i = 0; i < run.count; ++i) copy_run(source + i * step, block.channels, corner + i * pitch);
      } else {
        transpose_run(source, channel_step, block.channels, step, run.count, pitch, corner);
      }
    }
  }
}

#define CONVKIT_INSTANTIATE(T)                                                                                         \
  template void pack_patch_rows(const Problem &, const T *, int64_t, int64_t, int64_t, int64_t, int64_t, PatchIndex *, \
                                T *);                                                                                  \
  template void pack_patch_panels(const Problem &, const T *, int64_t, int64_t, int64_t, int64_t, const Panels &,      \
                                  int64_t, PatchIndex *, T *);                                                         \
  template void pack_patch_columns(const Problem &, const T *, int64_t, int64_t, const ColumnBlock &, int64_t,         \
                                   PatchIndex *, T *);
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
