/* What an instruction set brings: its tiles, their sizes, and the epilogue as a pass of its own.
 *
 * This header is read by files that are built with ISA flags and by files that are not, so it holds
 * plain data only: no function with a body, nothing from the standard library. Otherwise the linker might keep an
 * AVX-512 copy of a shared inline function for a CPU without AVX-512.
 *
 * The contract of a tile
 * ----------------------
 *     C[i][j]  (+)=  sum over k of  A[place of k in a + i] * B[place of k in b + j]      i < rows, j < columns
 *
 *        B (lanes)        +----------------+  `vectors` whole vectors are read
 *                         | k              |
 *                         +----------------+
 *     A (broadcast) +---+ +----------------+
 *                   | k | | C: rows x      |  c + i * c_step: exactly `columns` elements are
 *                   |   | |    columns     |  read (if it continues) and written
 *                   +---+ +----------------+
 *
 * - Every element of C is one chain of multiply-adds in the order of k, begun at +0 or at the stored C
 *   when `continues` is set. Neither tile shape nor blocking changes it: a float is stored exactly.
 * - A tile that does not continue never reads C.
 * - A side is a base pointer and a way from term to term (TileSide): an image read in place goes by a table of offsets,
 *   a packed panel by a constant step. At least one side goes by a table; both do where terms are left out.
 * - The sides may change places: an image on the broadcast side means that neighbouring rows of C are neighbouring
 *   pixels and the lanes hold channels.
 * - The epilogue is given with the last block of k only. */
#ifndef CONVKIT_KERNEL_TABLE_H
#define CONVKIT_KERNEL_TABLE_H

#include <stdint.h>

namespace convkit {

/* Functions of many shapes. On Windows they keep to the rules for registers of all other systems: by its own, each
 * would save ten vectors and restore them. */
#if defined(_WIN64) && defined(__x86_64__)
#define CONVKIT_SHAPED __attribute__((sysv_abi))
#else
#define CONVKIT_SHAPED
#endif
template <typename Call>
using Shaped = void(CONVKIT_SHAPED *)(const Call *);

/* f(sum + bias) as the kernels take it. `activation` is a ck_activation. */
template <typename T>
struct Epilogue {
  const T *bias;  /* of the first channel; null: none */
  const T *slope; /* of the first channel; only CK_PRELU reads it */
  T a, b;
  int32_t activation;
  int32_t channels_in_lanes; /* 1: one channel per column of C; 0: one per row */
};

/* Where the terms of one operand lie (sets_of.h makes both kinds). By a table, {offsets, 1, 0, turn}: term k of a
 * period at `at + offsets[k]`, and after each period the table starts again with `turn` added; so the table of an image
 * is that of a few channels, whatever their number. By steps, {kNoOffset, 0, step, 0}: term k of the chain at `at + k *
 * step`. */
template <typename T>
struct TileSide {
  const T *at;
  const int64_t *offsets;
  int64_t next, step, turn;
};
constexpr int64_t kNoOffset[1] = {0};

template <typename T>
struct TileCall {
  TileSide<T> a, b;
  int64_t depth, period; /* terms in all; in a turn of the tables, at least 1 */
  T *c;
  int64_t c_step;
  int32_t columns;             /* 1 .. columns of the tile */
  int32_t continues;           /* 1: the chains go on from C */
  const Epilogue<T> *epilogue; /* null but in the last block of k; its pointers are those of this tile */
  const T *fetched; /* cache lines that a later tile wants: with term k, so many from here + k * step; or null */
  int64_t fetched_lines, fetched_step;
};

/* Rows y < `rows` of a grid, `width` elements each: zeros but for the rows real_begin .. real_end - 1, which hold
 * `left` zeros, then source[(y - real_begin) * source_step + x * step] for x < count, then zeros. Where out_step is
 * less than width, the zeros at the end of a row are the first of the next. So for `depths` of them, all zeros but
 * depth_begin .. depth_end - 1, of which `source` is in the first. Exactly these elements are read and written. */
template <typename T>
struct RowsCopy {
  const T *source;
  int64_t source_step, step, left, count;
  T *out;
  int64_t out_step, width, rows, real_begin, real_end;
  int64_t depths, depth_begin, depth_end, source_depth, out_depth;
};

/* Rows y < `rows`: out[y * out_step + 2 * i] = even[y * in_step + i], then odd[y * in_step + i], for i < count.
 * `streams`: whole lines may go past the caches, and a call without rows must follow before others may read them. */
template <typename T>
struct RowsZip {
  const T *even, *odd;
  int64_t in_step, count, rows;
  T *out;
  int64_t out_step;
  bool streams;
};

/* Tiles of one row may be this many vectors wide. */
constexpr int32_t kMostVectors = 8;

template <typename T>
struct TileSet {
  int32_t rows;    /* MR: the height of the tile for large problems */
  int32_t columns; /* NR: its width, a multiple of lanes */
  int32_t lanes;   /* elements of one vector */
  int32_t depth;   /* KC: the most terms of one block */
  /* [rows - 1][vectors - 1], kMostVectors a row. A problem with few rows runs a wide and flat tile: heights[vectors -
   * 1] is the tallest tile that the registers hold; above it there is none. */
  const Shaped<TileCall<T>> *tiles;
  int32_t heights[kMostVectors];
  /* [vectors - 1]: not all widths have code of their own; others run as two tiles, of which the first has so many
   * vectors. */
  int32_t parts[kMostVectors];
  /* The epilogue over a rows x columns matrix, for results that no tile finishes. */
  void (*finish)(T *c, int64_t c_step, int64_t rows, int64_t columns, const Epilogue<T> *epilogue);
  /* The ways into a grid and out of a stage. */
  void (*copy_rows)(const RowsCopy<T> *);
  void (*zip_rows)(const RowsZip<T> *);
  void (*add_row)(const T *x, int64_t count, int64_t step, T *out); /* out[i * step] += x[i] */
  /* out[j * out_step + i] = in[i * in_step + j] for a vector of rows and one of columns, or more; what lies
   * `ahead` elements further, if not 0, is fetched. Null where vectors have 128 bits. */
  void (*turn)(int64_t rows, int64_t columns, const T *in, int64_t in_step, T *out, int64_t out_step, int64_t ahead);
};

/* Float32 alone: c[r * c_step + j] = sum over k < depth of a[r * a_step + k] * b[j * b_step + k], where both operands
 * lie as they came; depth is whole times 64 bytes. While it reads, the line of term k of each of as many rows from
 * `fetched` on, if not null, is brought to the second-level cache. */
struct DotCall {
  const float *a, *b;
  int64_t a_step, b_step, depth;
  float *c;
  int64_t c_step;
  const float *fetched;
};
struct DotSet {
  int32_t rows, columns;     /* of `many`; 0: there is none */
  Shaped<DotCall> many, one; /* one: a single column */
};

/* Weights of some taps, [depth][height][count], and where along a row they read. */
template <typename T>
struct DepthwiseTaps {
  const T *weights;
  const int64_t *columns;
  int64_t count; /* along x */
};

/* Depthwise, pixels in lanes. Rows of the result r < ROWS and columns j < width, all of one channel:
 *
 *     result[r * result_step + j] = sum over z < depth, y < height, x < count of
 *         weights[z, y, x] * source[planes[z] + (r * stride + y) * source_step + columns[x] + j]
 *
 * one chain of multiply-adds each, in this order of taps. Either step may be negative. Whole vectors of the source are
 * read. A tile of several rows needs height > stride * (ROWS - 1).
 *
 * A call is for so many tiles, whose sources and results are next_source and next_result apart.
 *
 * A zip (of stride 1) computes element 2 * j by `taps`, 2 * j + 1 by other_taps; swapped, the other way round. */
template <typename T>
struct DepthwiseCall {
  const T *source;
  const int64_t *planes;
  int64_t depth, height; /* of the kernel; 0: no terms */
  DepthwiseTaps<T> taps, other_taps;
  int32_t swapped;
  int64_t stride; /* along y */
  int64_t source_step;
  T *result;
  int64_t result_step;
  int64_t tiles, next_source, next_result;
  int32_t width;               /* 1 .. columns of the tile (of a zip, twice as many); of a line, any */
  int32_t streams;             /* of a line, 1: whole cache lines go past the caches */
  const Epilogue<T> *epilogue; /* of this channel, or null */
};

/* sums[y * sums_step + x * lanes + l] += sum over rows and columns j with j modulo lanes = l of
 *     features[row * features_step + j] * source[row * source_step + y * tap_step + columns[x] + j]
 * with lanes = 64 bytes. Nothing behind the columns is read.
 *
 * In this order: row by row, in each the columns; but where source_step is tap_step, the fused sets take kGradientRows
 * rows at a time, in each column from the first of them to the last. */
template <typename T>
struct DepthwiseGradientCall {
  const T *features, *source;
  int64_t features_step, source_step, tap_step;
  const int64_t *columns;
  int64_t rows, width;
  T *sums;
  int64_t sums_step;
};

/* Depthwise, channels in lanes: result[p * result_step + c] = sum over taps t of
 *     weights[numbers[t] * weight_step + c] * source[offsets[t] + p * source_step + c]
 * for the pixels p of a tile and c < channels. Nothing behind the channels is read but weights, by whole vectors.
 *
 * In a run, each t stands for `run` taps, which reach neighbours, and channels fill a vector at least: tap j < run has
 *     weights[(numbers[t] + j * run_step) * weight_step + c] * source[offsets[t] + (p + j) * source_step + c]
 * where begin <= p + j < end; other pixels are padding, or behind the first `pixels` of the tile, which are the result.
 */
template <typename T>
struct DepthwiseLastCall {
  const T *source, *weights;
  const int64_t *offsets, *numbers;
  int64_t taps, source_step, weight_step;
  int64_t run, run_step, begin, end, pixels;
  T *result;
  int64_t result_step, channels;
  int32_t streams;             /* 1: aligned vectors go past the caches; result_step is a multiple of vectors */
  const Epilogue<T> *epilogue; /* of these channels, or null */
};

/* Rows r and taps t of each, of a block of channels in vectors v, of which the last rather overlaps the one before:
 *     sums[v * sums_step + (numbers[r] + t) * lanes + l] += sum over pixels i, in their order, of
 *         features[i * features_step + c] * source[i * source_step + offsets[r] + t * tap_step + c]
 * where c is the channel of lane l. Whole vectors of sums. */
template <typename T>
struct DepthwiseLastGradientCall {
  const T *features, *source;
  int64_t features_step, source_step, tap_step, pixels;
  const int64_t *offsets, *numbers;
  T *sums;
  int64_t sums_step, channels;
};

constexpr int32_t kLastPixels = 8, kLastTiles = 4;           /* of a tile: 1, 2, 4, 8; or fewer */
constexpr int32_t kLastRuns = 2;                             /* of the most pixels, and of one less */
constexpr int32_t kLastTaps = 4;                             /* of a call of the gradient of one row: the most */
constexpr int32_t kLastRows = 3, kLastRowsTaps = 3;          /* or of so many rows */
constexpr int32_t kDepthwiseRows = 4, kDepthwiseStrides = 2; /* of its tiles: the most */
constexpr int32_t kZipVectors = 2;                           /* of either phase: the most */
constexpr int32_t kLineTaps = 8;                             /* of a line: the most */
constexpr int32_t kGradientTaps = 3;                         /* along an axis, in one call */
constexpr int32_t kGradientRows = 4;                         /* of features, together */

template <typename T>
struct DepthwiseSet {
  const Shaped<DepthwiseCall<T>> *tiles; /* [ROWS - 1][vectors - 1], kMostVectors a row */
  int32_t vectors[kDepthwiseRows];       /* the widest tile of each height */
  /* [ROWS - 1][vectors - 1], null beyond the registers. */
  const Shaped<DepthwiseCall<T>> (*zips)[kZipVectors];
  /* A row of any width, where the kernel is one row of taps: [taps - 1], up to line_taps. */
  const Shaped<DepthwiseCall<T>> *lines;
  int32_t line_taps;
  /* Rows of `count` elements that are `step` apart in the source. With a step of 1, may write zeros behind each row of
   * the result, up to a whole vector. */
  void (*copy_rows)(T *out, int64_t pitch, const T *source, int64_t source_pitch, int64_t step, int64_t count,
                    int64_t rows);
  /* Rows taken apart: even[i] = source[2 * i], odd[i] = source[2 * i + 1]; exactly so many, which differ by one at
   * most.
   */
  void (*split_rows)(T *even, int64_t even_count, T *odd, int64_t odd_count, int64_t pitch, const T *source,
                     int64_t source_pitch, int64_t rows);
  /* out[i * phases + p] = in[p * in_step + i] */
  void (*interleave)(const T *in, int64_t in_step, int64_t phases, int64_t count, T *out);
  const Shaped<DepthwiseGradientCall<T>> (*gradients)[kGradientTaps]; /* [taps along y - 1][along x - 1] */
  int32_t gradient_columns;                                           /* the most taps along x, of several rows */
  /* Channels in lanes: tiles of 1, 2, 4, 8 pixels, up to last_pixels; runs of last_pixels - 1 and of last_pixels (which
   * may be the same); [taps - 1] of one row, and of kLastRows or null. */
  const Shaped<DepthwiseLastCall<T>> *last_tiles, *last_runs;
  int32_t last_pixels;
  const Shaped<DepthwiseLastGradientCall<T>> *last_gradients, *last_gradients_of_rows;
};

/* Fourier transforms, sequences in lanes. A complex element is a vector of real parts, then one of imaginary parts. The
 * essay is kernels/fft.inl.h. */
constexpr int32_t kMostFftPasses = 8;

/* One line of elements `step` apart, in place. The forward transform leaves frequencies in the order of reversed
 * digits, from which the inverse (not scaled) starts. */
template <typename T>
struct FftLine {
  T *data;
  int64_t step; /* in units of T */
  int64_t length;
  int32_t passes;
  const int32_t *radices;
  const T *twiddles;
};

/* Pairs of places k and -k of a transform, each of which holds two frequencies of a real sequence. */
template <typename T>
struct FftPairs {
  int64_t count;
  const int32_t *places; /* two a pair; in vectors from the data */
  const T *twiddles;     /* cos and -sin of the angle by which odd elements lie behind even ones */
};

/* A panel of the GEMM over channels: rows 2 c and 2 c + 1 are [re | im] and [-im | re] of the tiles of channel c. Whole
 * vectors are read and written, so up to a vector behind each row is spoilt. */
template <typename T>
struct FftPanel {
  const T *re, *im; /* channel by channel */
  int64_t channels, tiles;
  T *panel;
  int64_t pitch;
};

template <typename T>
struct FftSet {
  void (*forward)(const FftLine<T> *);
  void (*inverse)(const FftLine<T> *);
  /* Between a transform and its spectra: four vectors a pair (two complex frequencies), doubled by each way. */
  void (*split)(const FftPairs<T> *, const T *data, T *spectra);
  void (*merge)(const FftPairs<T> *, const T *spectra, T *data);
  /* Split, multiplied by four vectors (or four numbers) a pair, and merged, in place. */
  void (*filter_lanes)(const FftPairs<T> *, const T *factors, T *data);
  void (*filter_all)(const FftPairs<T> *, const T *factors, T *data);
  /* sums += spectra of a, times conjugated spectra of b */
  void (*correlate)(const FftPairs<T> *, const T *a, const T *b, T *sums);
  void (*panel)(const FftPanel<T> *);
  /* Vector v of bundle b between bundles + b * step + v * lanes and lines + v * pitch + b * lanes. */
  void (*collect)(const T *bundles, int64_t step, int64_t count, int64_t vectors, T *lines, int64_t pitch);
  void (*distribute)(const T *lines, int64_t pitch, int64_t count, int64_t vectors, T *bundles, int64_t step);
};

/* The transforms of the Winograd algorithm, each along one axis (winograd_points.h), done `repeat` times, in_repeat and
 * out_repeat apart. Lanes are tiles side by side, channels, or anything else; of data, whole vectors are read and
 * written.
 *
 *     split           stream i of a row, out[i * out_step + t], holds the elements i of tiles t < count: tile
 *                     b * inner + r has elements (b * outputs + i) * inner + r, the tiles behind it lend it the rest
 *     data            out[p * out_step + t] = v_p of the elements in[offsets[i] + t]
 *     result          out[i * out_step + t] = y_i of in[p * in_step + t], for i < outputs and exactly t < count
 *     merge           `count` elements of a row from streams in_step apart
 *
 * The epilogue, of a result, is that of one channel or of channels in lanes. */
template <typename T>
struct WinogradCall {
  const T *in;
  T *out;
  int64_t in_step, out_step, count;
  int64_t repeat, in_repeat, out_repeat;
  const int64_t *offsets;
  int64_t inner;
  int32_t outputs;
  const Epilogue<T> *epilogue; /* of results, or null */
};

/* out[(p * x.points + q) * out_step + r] = sum over taps i, j of y.matrix[p][i] * x.matrix[q][j] *
 * filter[(i * x.taps + j) * kFilterRows + r], for rows r < rows. Again for `repeat` filters that follow each other,
 * whose results are out_repeat apart. The second row of a pair of points (see winograd_points.h) is the first with the
 * odd taps negated, times a factor that stands at its beginning: 1, and not read, where the number of points is even.
 */
constexpr int32_t kFilterRows = 16, kFilterTaps = 4;
template <typename T>
struct WinogradFilterAxis {
  const T (*matrix)[kFilterTaps];
  int32_t points, taps;
};
template <typename T>
struct WinogradFilterCall {
  WinogradFilterAxis<T> y, x;
  const T *filter;
  T *out;
  int64_t out_step, rows;
  int64_t repeat, out_repeat;
};

/* Indexed by the number of a scheme. */
template <typename T>
struct WinogradSet {
  const Shaped<WinogradCall<T>> *split;
  const Shaped<WinogradCall<T>> *data;
  const Shaped<WinogradCall<T>> *result;
  const Shaped<WinogradCall<T>> *merge;
  void (*filter)(const WinogradFilterCall<T> *);
  /* A row of the padded source: zeros, elements `step` apart, zeros. May spoil up to a vector behind the row. */
  void (*pad_row)(T *out, int64_t left, const T *source, int64_t step, int64_t count, int64_t width);
};

struct KernelTable {
  const char *name;
  int32_t fused; /* 1: multiply-adds round once, so results agree bit for bit with other fused tables */
  TileSet<float> f32;
  TileSet<double> f64;
  DotSet dots;
  DepthwiseSet<float> depthwise_f32;
  DepthwiseSet<double> depthwise_f64;
  FftSet<float> fft_f32;
  FftSet<double> fft_f64;
  WinogradSet<float> winograd_f32;
  WinogradSet<double> winograd_f64;
};

/* 0, 1, 2, ... for masks. Kernel files do not see the values: each function would have a copy of them on Windows. */
alignas(32) extern const int32_t kLaneNumbers32[8];
alignas(32) extern const int64_t kLaneNumbers64[4];

extern const KernelTable kernels_portable;
extern const KernelTable kernels_avx2;
extern const KernelTable kernels_avx512;
extern const KernelTable kernels_neon;

}  // namespace convkit
#endif
