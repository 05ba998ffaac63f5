/* The copy under a band (see direct_form.h) and the way of staged results to their places. */
#ifndef CONVKIT_CONV_DIRECT_COPY_H
#define CONVKIT_CONV_DIRECT_COPY_H

#include "direct_form.h"

namespace convkit {

/* Rows of so few elements, under all planes or phases, are moved one by one: calls take longer. */
constexpr int64_t kFewElements = 48;

/* Positions first .. first + count - 1 of a residue class, on each axis. */
struct DirectBand {
  int64_t residue[3], first[3], count[3];
};

/* `source` is the first of the channels, of one group or some, of one image; `tiles` those of the plan, or null for a
 * plain copy. */
template <typename T>
void copy_grid(const Problem &problem, const DirectForm &form, int64_t channels, const DirectBand &band,
               const T *source, T *grid, const TileSet<T> *tiles = nullptr);

/* What stands before the first element under a band in a source that is read in place. */
int64_t source_place(const Problem &problem, const DirectForm &form, const DirectBand &band);

/* Where position 0 of a band lies in a map of results, and the steps between positions; in elements. */
struct ResultPlace {
  int64_t origin, step[3];
};
ResultPlace result_place(const Problem &problem, const DirectForm &form, const DirectBand &band,
                         const int64_t phase[3]);

/* The positions of a band that exist in a phase, counted from the band's first. */
void phase_ranges(const DirectForm &form, const DirectBand &band, const int64_t phase[3], Range ranges[3]);

/* Phases of a row of results, where they lie: the same for all channels of a band, so those met last are kept. (With
 * small maps, finding them took half of the time.) */
struct PhasesOfRow {
  int64_t number = -1; /* of the first phase and their count */
  Range ranges[3], last;
  ResultPlace place;
};
struct KnownPhases {
  static constexpr int64_t kKept = 16;
  PhasesOfRow kept[kKept];
};

/* Rows first_row .. first_row + rows - 1 of a line of products, from the stage to `result`, the first channel of a
 * group of the image. `line` is the phase of the line; its width is ignored. `known` is the band's. */
template <typename T>
void store_stage(const Problem &problem, const DirectForm &form, const DirectBand &band, const int64_t line[3],
                 int64_t first_row, int64_t rows, const T *stage, T *result, const TileSet<T> &tiles,
                 KnownPhases *known);

/* Where the kernel is shorter than the stride, some phases have no taps: their results are constant, and filled in by
 * whole rows before others are stored. So it is for lines of which no product has a tap; and for any line if there are
 * gaps between the products that do. (Of two, a pair is stored together.) */
bool is_empty_line(const DirectForm &form, const int64_t line[3]);
bool has_gaps(const DirectForm &form);

/* The rows of the result that belong to a line, all phases along the width: what the epilogue of rows first_row ..
 * first_row + rows - 1 makes of zero, or zero. `values` is room for one element of each row. */
template <typename T>
void fill_line(const Problem &problem, const DirectForm &form, const DirectBand &band, const int64_t line[3],
               int64_t first_row, int64_t rows, const Epilogue<T> *epilogue, const TileSet<T> &tiles, T *values,
               T *result);

}  // namespace convkit
#endif
