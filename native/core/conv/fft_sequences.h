/* Which sequences the lanes of a bundle hold, in a round of some channels and tiles. */
#ifndef CONVKIT_CONV_FFT_SEQUENCES_H
#define CONVKIT_CONV_FFT_SEQUENCES_H

#include "fft_lanes.h"

namespace convkit {

/* Channels are counted through the groups, tiles through the images. */
struct FftRound {
  int64_t first_channel, channels, first_tile, tiles;
  bool channels_inner;
  int64_t lanes;

  /* Channel by channel, lanes are dense; tile by tile, each tile begins a bundle. */
  int64_t channel_bundles() const { return ceil_div(channels, lanes); }
  int64_t bundles() const { return channels_inner ? tiles * channel_bundles() : ceil_div(channels * tiles, lanes); }
};

/* One lane's channel and tile in the round. */
struct FftSequence {
  int64_t channel, tile;
};

inline int64_t fft_sequences(const FftRound &r, int64_t bundle, FftSequence out[kMostLanes]) {
  if (r.channels_inner) {
    const int64_t first = bundle % r.channel_bundles() * r.lanes, count = smaller(r.lanes, r.channels - first);
    for (int64_t i = 0; i < count; ++i) out[i] = {first + i, bundle / r.channel_bundles()};
    return count;
  }
  const int64_t first = bundle * r.lanes, count = smaller(r.lanes, r.channels * r.tiles - first);
  for (int64_t i = 0; i < count; ++i) out[i] = {(first + i) / r.tiles, (first + i) % r.tiles};
  return count;
}

/* Fills the lanes of a bundle of a map: the source under the tiles, or the result (`of_result`). */
inline void fft_lanes(const Problem &problem, const FftForm &f, const FftRound &round, int64_t bundle, bool of_result,
                      FftLanes *lanes) {
  const bool image = of_result == f.adjoint;
  const MapSteps &steps = image ? problem.image : problem.features;
  FftSequence sequences[kMostLanes];
  lanes->count = fft_sequences(round, bundle, sequences);
  lanes->neighbours = round.channels_inner && steps.channel == 1;
  lanes->padding_mode = of_result ? CK_ZEROS : problem.given.padding_mode;
  int64_t step = steps.pixel;
  for (int a = 2; a >= 0; --a) {
    lanes->extent[a] = of_result ? f.axes[a].result : f.axes[a].source;
    lanes->dilation[a] = f.axes[a].dilation;
    lanes->step[a] = step;
    lanes->stride[a] = image ? 1 : f.axes[a].stride;
    step *= (lanes->extent[a] - 1) / lanes->stride[a] + 1;
  }
  for (int64_t i = 0; i < lanes->count; ++i) {
    const int64_t all = round.first_tile + sequences[i].tile;
    lanes->origin[i] = all / f.tiles * steps.batch + (round.first_channel + sequences[i].channel) * steps.channel;
    int64_t tile = all % f.tiles;
    for (int a = 2; a >= 0; --a) {
      const FftAxis &axis = f.axes[a];
      const int64_t number = tile % (axis.residues * axis.tiles);
      tile /= axis.residues * axis.tiles;
      lanes->start[a][i] =
          number / axis.residues * axis.valid * axis.dilation + number % axis.residues + (of_result ? 0 : axis.offset);
    }
  }
}

/* How far the tiles are filled from the source, and with how many results. */
inline void fft_extents(const FftForm &f, int64_t filled[3], int64_t valid[3]) {
  for (int a = 0; a < 3; ++a) {
    valid[a] = f.axes[a].valid;
    filled[a] = smaller(f.axes[a].length, valid[a] + f.axes[a].taps - 1);
  }
}

}  // namespace convkit
#endif
