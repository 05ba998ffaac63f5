/* What the runs of all forms have in common: the way of a bundle from a map, and back to one. */
#ifndef CONVKIT_CONV_FFT_RUN_H
#define CONVKIT_CONV_FFT_RUN_H

#include "fft_epilogue.h"
#include "fft_sequences.h"
#include "plan.h"

namespace convkit {

/* Bundles that are moved between two looks at a cancellation: 0.5 MiB and their first touch. */
constexpr int64_t kMovedBundles = 256;

/* Units of products for each slot, at least, where there are so many frequencies. */
constexpr int64_t kProductUnits = 4;

template <typename T>
struct FftRun {
  const RunContext &context;
  const Problem &problem;
  const FftForm &f;
  const FftSet<T> &kernels;
  const TileSet<T> &tiles;
  FftTables<T> tables;

  FftRun(const RunContext &run, const FftTables<T> &of_run)
      : context(run),
        problem(run.plan->problem),
        f(run.plan->fft),
        kernels(fft_of<T>(*run.plan->kernels)),
        tiles(tiles_of<T>(*run.plan->kernels)),
        tables(of_run) {}

  char *scratch(int32_t slot) const { return context.scratch + slot * context.plan->blocking.slot_bytes; }
  FftBundle<T> bundle(const FftBuffers<T> &buffers) const { return {f, kernels, tables, buffers}; }
  FftBundle<T> bundle(int32_t slot) const {
    Carver carver(scratch(slot));
    return bundle(FftBuffers<T>(f, &carver));
  }

  /* Spectra lie in pieces: a block of frequencies of a bundle. */
  int64_t piece() const { return kFftBlockVectors * f.lanes; }
  int64_t block_pairs(int64_t block) const { return smaller(kFftBlockPairs, f.pairs - block * kFftBlockPairs); }

  /* A unit of the products: pairs of frequencies of a block, fewer than all where the blocks would not go round. */
  struct Frequencies {
    int64_t block, first, pairs;
    int64_t place; /* in each piece */
  };
  int64_t unit_pairs() const {
    static_assert((kFftBlockPairs & (kFftBlockPairs - 1)) == 0, "units are halves of halves of a block");
    const int64_t slots = context.host->slots;
    int64_t pairs = kFftBlockPairs;
    while (slots > 1 && pairs > 1 && pairs * kProductUnits * slots > f.pairs) pairs /= 2;
    return pairs;
  }
  int64_t product_units() const { return ceil_div(f.pairs, unit_pairs()); }
  Frequencies frequencies(int64_t unit) const {
    const int64_t most = unit_pairs(), block = unit * most / kFftBlockPairs, first = unit * most % kFftBlockPairs;
    return {block, first, smaller(most, block_pairs(block) - first), first * 4 * f.lanes};
  }

  /* Calls visit(pairs, block) for the blocks of frequencies of a bundle. */
  template <typename Visit>
  void each_block(const FftBundle<T> &b, const Visit &visit) const {
    for (int64_t block = 0; block < f.blocks; ++block) {
      const FftPairs<T> pairs = b.pairs(block * kFftBlockPairs, block_pairs(block));
      visit(pairs, block);
    }
  }

  /* Calls move(first, count) for bundles, which may be tens of megabytes, in parts. False after a cancellation. */
  template <typename Move>
  bool move_bundles(int64_t bundles, const Move &move) const {
    for (int64_t first = 0; first < bundles; first += kMovedBundles) {
      if (cancelled(*context.host)) return false;
      move(first, smaller(kMovedBundles, bundles - first));
    }
    return true;
  }

  /* The source under the tiles, or (`of_result`) the results themselves, transformed. */
  void load(const FftBundle<T> &b, const FftRound &round, int64_t number, bool of_result) const {
    FftLanes lanes;
    fft_lanes(problem, f, round, number, of_result, &lanes);
    int64_t filled[3], valid[3];
    fft_extents(f, filled, valid);
    const ck_operands &o = *context.operands;
    b.load(lanes, of_result ? valid : filled,
           static_cast<const T *>(of_result == f.adjoint ? o.image_in : o.features_in));
  }

  /* Results: transformed back, with their epilogue. */
  void store(const FftBundle<T> &b, const FftRound &round, int64_t number) const {
    FftLanes lanes;
    fft_lanes(problem, f, round, number, true, &lanes);
    int64_t filled[3], valid[3];
    fft_extents(f, filled, valid);
    const FftEpilogue<T> epilogue(context, round, number);
    const ck_operands &o = *context.operands;
    b.store(lanes, valid, static_cast<T *>(f.adjoint ? o.image_out : o.features_out),
            [&](T *data, int64_t count) { epilogue.finish(tiles, data, count); });
  }

  /* Gradients of the weights at origin, origin + step, ...: transformed back, scaled. */
  void store_gradient(const FftBundle<T> &b, int64_t origin, int64_t step, int64_t count) const {
    FftLanes lanes;
    fft_weight_lanes(problem, f, origin, step, count, &lanes);
    const T scale = static_cast<T>(fft_scale(f));
    b.store(lanes, lanes.extent, static_cast<T *>(context.operands->weight_gradient), [&](T *data, int64_t rows) {
      for (int64_t i = 0; i < rows * f.lanes; ++i) data[i] *= scale;
    });
  }
};

}  // namespace convkit
#endif
