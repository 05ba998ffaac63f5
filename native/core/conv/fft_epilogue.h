/* Bias and activation of a bundle, a lane at a time in one call: each lane has its own channel. */
#ifndef CONVKIT_CONV_FFT_EPILOGUE_H
#define CONVKIT_CONV_FFT_EPILOGUE_H

#include "fft_sequences.h"
#include "im2col.h"

namespace convkit {

template <typename T>
struct FftEpilogue {
  T bias[kMostLanes] = {}, slope[kMostLanes] = {};
  Epilogue<T> call;
  bool any;
  int64_t lanes;

  FftEpilogue(const RunContext &context, const FftRound &round, int64_t bundle) : lanes(round.lanes) {
    any = make_epilogue(context, 0, &call) != nullptr;
    if (!any) return;
    FftSequence sequences[kMostLanes];
    const int64_t count = fft_sequences(round, bundle, sequences);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t channel = round.first_channel + sequences[i].channel;
      if (call.bias) bias[i] = call.bias[channel];
      if (call.slope) slope[i] = call.slope[channel];
    }
    if (call.bias) call.bias = bias;
    if (call.slope) call.slope = slope;
    call.channels_in_lanes = 1;
  }

  /* `count` elements of each lane. */
  void finish(const TileSet<T> &tiles, T *data, int64_t count) const {
    if (any) tiles.finish(data, lanes, count, lanes, &call);
  }
};

}  // namespace convkit
#endif
