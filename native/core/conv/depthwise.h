/* Depthwise: each feature channel reads one image channel. Nothing is summed over channels, so a GEMM has no use for
 * its panels, and what counts is to move every element once. Channels first; one channel at a time:
 *
 *     a band of the padded source       depthwise_copy.cpp    stays in the first-level cache
 *     tiles of some rows x vectors      kernels/depthwise.inl.h                       straight into the result
 *
 * Along x the geometry is that of the direct algorithm (direct_geometry.h): a stride splits source rows into planes
 * (forward) or result rows into phases (adjoint), so that lanes are neighbours. Along z and y nothing needs to be
 * split: tap m of position i lies in source row i * position_step + tap_base + m * tap_step.
 *
 * A tile of several rows wants source row = (r * stride + m) * tap_step for its row r and tap m, so that rows share
 * source rows (see the kernel). Its rows are therefore `spacing` apart in the result; in the adjoint, where tap_step is
 * negative, they are taken from the last to the first. */
#ifndef CONVKIT_CONV_DEPTHWISE_H
#define CONVKIT_CONV_DEPTHWISE_H

#include "../kernels/sets_of.h"
#include "../util/host.h"
#include "direct_geometry.h"

struct ck_plan;

namespace convkit {

struct Algorithm;
struct RunContext;

extern const Algorithm depthwise_algorithm;

/* Beyond this many phases of an axis, their tables would be longer than the rows. */
constexpr int64_t kDepthwisePhases = 64;

struct DepthwiseForm {
  DirectAxis axes[3];
  int64_t multiplier;         /* results of one source channel: forward, weight gradient */
  int64_t sources;            /* source channels that add up in one result: adjoint */
  int64_t band[3], bands[3];  /* positions of a unit along each axis; their number */
  int64_t grid[2];            /* rows of the source under a band, along z and y */
  int64_t edge;               /* of a long line: most positions at either end that are near padding; else 0 */
  int64_t plane_pitch, pitch; /* of the planes of a source row; of a source row */
  int64_t pixel;              /* from pixel to pixel of a channel, in the source and the result */
  int64_t channel_block, channel_blocks; /* channels; of a weight gradient with channels in lanes, vectors */
  int64_t merged;        /* channels last: pixels whose channels follow each other in lanes; all passes */
  bool planar;           /* few channels last: each is computed as a plane of its own: depthwise_rows.cpp */
  bool blocks;           /* blocks of channels are moved to maps of their own: depthwise_blocks.cpp */
  bool streams;          /* the result is written past the caches */
  int64_t group_weights; /* elements of the packed weights of an image channel */
};

/* Results along an axis of so many positions, at most. */
int64_t depthwise_results(const DirectAxis &axis, int64_t positions);

/* Source rows under `count` positions. */
int64_t depthwise_rows_under(const DirectAxis &axis, int64_t count);

/* Along z and y: the source row, within the grid of a band, of tap number m of the band's position i. */
struct DepthwiseRows {
  int64_t position_step, tap_base, tap_step;
  int64_t at(int64_t position, int64_t tap) const { return position * position_step + tap_base + tap * tap_step; }
};
DepthwiseRows depthwise_rows(const DirectAxis &axis, const PhaseTaps &taps);

/* Along x: the columns, within a source row, that the taps of a phase read at from its first position on. Returns their
 * number. */
int64_t list_columns(const DepthwiseForm &f, int64_t phase, int64_t *columns);

/* How far tiles read beyond the last of their positions. Two phases are zipped, for which the first of them may be a
 * position ahead. */
inline int64_t depthwise_reach(const DirectAxis &x) { return x.span + (x.phases == 2 ? 1 : 0); }

/* A band: where it begins and how long it is, in positions. */
struct DepthwiseBand {
  int64_t first[3], count[3];
};
DepthwiseBand depthwise_band(const DepthwiseForm &f, int64_t number);

/* The source under a band: a padded copy, or the source itself where no padding is near. Made once for all channels
 * that a unit has in the band; the padding of zeros, too, is written once, since copies leave it as it is. */
template <typename T>
class DepthwiseSource {
 public:
  int64_t pitch, plane; /* from row to row, from depth to depth */

  DepthwiseSource(int32_t padding_mode, const DepthwiseForm &f, const DepthwiseBand &band,
                  const DepthwiseSet<T> &kernels, T *grid, int64_t grids);
  bool in_place() const { return in_place_; }
  /* The beginning of the source under the band; a copy goes to number `at` of the grids. */
  const T *view(const T *channel, int64_t at) const;

 private:
  struct Plane {
    int64_t left, count, start; /* zeros before the real part of a row; its length; where it begins in the source */
  };

  const DepthwiseForm &f_;
  const DepthwiseSet<T> &kernels_;
  const int32_t padding_mode_;
  bool in_place_, splits_;
  T *const grid_;
  int64_t rows_[2], from_[2], step_, begin_, width_;
  Range real_[2]; /* rows along z and y that lie inside the source */
  Plane planes_[kDepthwisePhases];

  void clear(T *grid) const;
  void copy_bent(const T *channel, T *grid) const;
};

/* Elements of the grid of one channel. */
inline int64_t depthwise_grid(const DepthwiseForm &f) { return f.grid[0] * f.grid[1] * f.pitch; }

/* Of a float32 vector: whole vectors of the source are read. */
constexpr int64_t kDepthwiseLanes = 16;

/* Behind the grid, for whole vectors. */
constexpr int64_t kDepthwiseSlack = 64;

template <typename T>
int64_t depthwise_rows_scratch(const DepthwiseForm &f);
template <typename T>
ck_status run_depthwise_rows(const RunContext &context); /* forward and adjoint: depthwise_rows.cpp */
template <typename T>
int64_t depthwise_gradient_scratch(const Problem &problem, const DepthwiseForm &f);
template <typename T>
ck_status run_depthwise_gradient(const RunContext &context);

/* Channels in lanes: depthwise_last.cpp, depthwise_blocks.cpp, depthwise_last_gradient.cpp. With several features of a
 * channel, not everything fits. */
bool fits_depthwise_last(const Problem &problem, bool adjoint);
bool fits_depthwise_last_gradient(const Problem &problem);
template <typename T>
void block_depthwise_last(ck_plan *plan);
template <typename T>
ck_status pack_depthwise_last(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed);
template <typename T>
ck_status run_depthwise_last(const RunContext &context);
template <typename T>
void block_depthwise_blocks(ck_plan *plan, int32_t slots); /* forward and adjoint; the gradient moves them itself */
template <typename T>
ck_status run_depthwise_blocks(const RunContext &context);
template <typename T>
void block_depthwise_last_gradient(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_depthwise_last_gradient(const RunContext &context);

}  // namespace convkit
#endif
