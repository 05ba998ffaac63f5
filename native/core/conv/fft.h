/* Long kernels by Fourier transforms (overlap-save). Both passes are one correlation:
 *
 *     result[q] = sum over source channels and taps of  weight[tap] * source[q + tap * dilation + offset]
 *
 * (in the adjoint with the taps in reverse). The result is cut into tiles of `valid` positions; the source under a tile
 * has `length` = valid + taps - 1 elements at least, and a circular correlation of that length is right in all of them:
 *
 *     source    . . . . x x x x x x x x x x x x x x . . .         length 12, taps 5, valid 8
 *     tile 0    [---------------------]
 *     tile 1                    [---------------------]
 *     result    |-- valid ---|-- valid ---|
 *
 * With a stride the features are those of stride 1 with the ones in between left out, or zero as a source: long kernels
 * with a short stride have time for that.
 *
 * A sequence is the source under one tile of one channel (a line, an area or a box of it, padding included). Sequences
 * fill the lanes of vectors; `lanes` of them are a bundle (fft_lanes.h). With a dilation, rows of a residue
 * class are neighbours in a tile, as in the direct algorithm.
 *
 * Dense: three steps, each cut into units, over a round of some tiles and groups (fft_dense.cpp):
 *
 *     1. a bundle of source sequences: copy, transform, split into frequencies     -> spectra
 *     2. a block of frequencies: for each, Y = W X over channels, as a real GEMM   spectra -> spectra
 *     3. a bundle of result sequences: merge, transform back, epilogue, store
 *
 * The GEMM has one column for the real and one for the imaginary part of each tile, and two terms for each channel:
 *
 *     [Yr Yi] = [Wr Wi] * [ Xr Xi]
 *                         [-Xi Xr]          so the weights, which are the larger part, lie in memory once
 *
 * One channel to one channel (depthwise): no step 2 is needed and a bundle stays in the cache from its copy to its
 * store (fft_depthwise.cpp). Weight gradients have their own essay: fft_gradient.cpp. What the runs of all of them have
 * in common is in fft_run.h. */
#ifndef CONVKIT_CONV_FFT_H
#define CONVKIT_CONV_FFT_H

#include "../gemm/panels.h"
#include "../kernels/sets_of.h"
#include "../util/host.h"
#include "problem.h"

struct ck_plan;

namespace convkit {

struct Algorithm;
struct RunContext;

extern const Algorithm fft_algorithm;

struct FftAxis {
  int64_t taps, dilation, offset; /* of the correlation above */
  int64_t stride;                 /* of the features, which lie so far apart, zeros between them */
  int64_t source, result;         /* extents, those zeros included */
  int64_t length, valid;          /* of a tile, in elements of its residue class */
  int64_t residues, tiles;        /* tiles of one residue class */
  int64_t points;                 /* complex: half the length along x */
  int64_t step;                   /* complex elements between neighbours */
  int32_t passes, radices[kMostFftPasses];
};

constexpr int64_t kFftBlockPairs = 8; /* pairs of frequencies that lie together in the spectra of a bundle */
constexpr int64_t kFftBlockVectors = 4 * kFftBlockPairs;
constexpr int32_t kMostLanes = 16;

struct FftForm {
  FftAxis axes[3];
  bool adjoint, gradient, depthwise;
  int64_t inputs, outputs; /* channels of a group, of the source and of the result */
  int64_t tiles;           /* of an image */
  int64_t pairs, blocks;   /* pairs of frequencies, and blocks of them */
  int64_t buffer;          /* complex elements of a transform, rows padded */
  int64_t lanes;
  /* Sequences are numbered channel by channel (tiles are neighbours), or tile by tile (channels are). */
  bool source_channels_inner, result_channels_inner;
  int64_t round_groups, round_tiles;    /* of a round */
  int64_t bundles;                      /* of a round: room in the spectra */
  Panels panels;                        /* of the weights of a frequency */
  int64_t group_weights;                /* elements of packed weights, without the tables */
  int64_t pack_block;                   /* channels of the source that are packed together */
  int64_t tables_bytes;                 /* in front of the packed weights */
  int64_t channel_block, feature_block; /* weight gradient: of the sums */
};

/* Why there are no tiles, or null; and the choice of them. Batch, threads and instruction set have no say. */
const char *fft_refuses(const Problem &problem, ck_pass pass);
void fft_axes(const Problem &problem, ck_pass pass, FftForm *form);
/* Cycles for a group of an image: with these tiles, to pack the weights of the group, and by other algorithms. */
double fft_cost(const Problem &problem, const FftForm &form);
double fft_pack_cost(const FftForm &form);
double fft_direct_cost(const Problem &problem, ck_pass pass);

/* Twiddles of the axes, and the pairs. They lie in front of the packed weights. */
template <typename T>
struct FftTables {
  T *axes[3], *pairs;
  int32_t *places;
  FftTables(const FftForm &form, Carver *carver);
  void fill(const FftForm &form, const ck_runtime &host) const; /* in part, after a cancellation */
};

/* Weights as [group][pair][panel][channel][4][row], or depthwise [bundle of channels or channel][pair][4]. */
template <typename T>
ck_status pack_fft_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);
template <typename T>
int64_t fft_pack_scratch(const FftForm &form);

template <typename T>
void block_fft_dense(ck_plan *plan);
template <typename T>
ck_status run_fft_dense(const RunContext &context);
template <typename T>
void block_fft_gradient(ck_plan *plan);
template <typename T>
ck_status run_fft_gradient(const RunContext &context);
template <typename T>
void block_fft_depthwise_gradient(ck_plan *plan);
template <typename T>
ck_status run_fft_depthwise_gradient(const RunContext &context);
template <typename T>
void block_fft_depthwise(ck_plan *plan);
template <typename T>
ck_status run_fft_depthwise(const RunContext &context);

}  // namespace convkit
#endif
