/* A block of the Winograd algorithm: what its steps share. */
#ifndef CONVKIT_CONV_WINOGRAD_UNIT_H
#define CONVKIT_CONV_WINOGRAD_UNIT_H

#include "../util/host.h"
#include "direct_copy.h"
#include "winograd.h"

namespace convkit {

/* Whole vectors are read and written past the end of each buffer. */
constexpr int64_t kWinogradSlack = int64_t{kMostVectors} * 16;

/* Terms of the table of offsets. */
int64_t winograd_table_terms(const WinogradForm &f);

/* Elements of V of a block. */
inline int64_t winograd_data(const WinogradForm &f) { return f.points * f.data_step + kWinogradSlack; }

template <typename T>
struct WinogradScratch {
  T *grid, *line, *streams, *data, *edge, *products, *half, *stage, *bias, *slope, *weights;
  int64_t *table;

  /* Of one slot; V lies in it unless it is shared. */
  WinogradScratch(const WinogradForm &f, Carver *carver) {
    const WinogradAxis &y = f.axes[1], &x = f.axes[2];
    grid = carver->take<T>(f.chunk * f.copy.channel_size + kWinogradSlack);
    line = carver->take<T>(y.points > 1 ? x.points * f.line_step + kWinogradSlack : 0);
    streams = carver->take<T>(f.copy.grid[1] * x.outputs * f.stream_step + kWinogradSlack);
    data = f.shared ? nullptr : carver->take<T>(winograd_data(f));
    edge = carver->take<T>(f.shared ? f.points * f.edge_step + kWinogradSlack : 0);
    products = carver->take<T>(f.points * f.product_step + kWinogradSlack);
    half = carver->take<T>(y.points > 1 ? y.outputs * x.points * f.lanes_step + kWinogradSlack : 0);
    const int64_t positions = f.copy.grid[0] * f.store.stage_plane;
    stage = carver->take<T>(f.in_place         ? 0
                            : f.tiles_in_lanes ? f.panels.width * f.store.stage_step
                                               : positions * f.store.stage_step);
    bias = carver->take<T>(f.panels.step);
    slope = carver->take<T>(f.panels.step);
    weights = carver->take<T>(f.points * f.packed_step());
    table = carver->take<int64_t>(winograd_table_terms(f));
  }
};

struct WinogradBlock {
  int64_t tiles[3]; /* tiles[a] <= axes[a].block */
  DirectBand band;  /* its positions, those that exist */
  int64_t lanes;
};

template <typename T>
struct WinogradUnit {
  const RunContext &context;
  const Problem &problem;
  const WinogradForm &f;
  const TileSet<T> &tiles;
  const WinogradSet<T> &transforms;
  WinogradBlock block;
  WinogradScratch<T> scratch;

  /* V of some channels of the source. */
  void transform_source(const T *source, int64_t channel_step, const Range &channels) const;

  /* Results from M for the rows of a panel: row by row, with tiles in the lanes; tile by tile, with channels. */
  void finish_rows(int64_t first_row, int64_t rows, const Epilogue<T> *epilogue, T *result) const;
  void finish_channels(int64_t first_row, int64_t rows, const Epilogue<T> *epilogue, T *result) const;
};

/* Rows 0 .. rows - 1 in runs of the same residue, visit(first row, from row to row, rows, residue, place of the
 * first): row (b * m + i) * inner + r has residue i and place b * inner + r. */
template <typename Visit>
void each_run(const WinogradAxis &y, int64_t rows, const Visit &visit) {
  if (y.outputs == 1) return visit(0, 1, rows, 0, 0);
  if (y.inner == 1) {
    for (int64_t i = 0; i < smaller(y.outputs, rows); ++i) {
      visit(i, y.outputs, ceil_div(rows - i, y.outputs), i, 0);
    }
    return;
  }
  for (int64_t run = 0; run * y.inner < rows; ++run) {
    const int64_t start = run * y.inner;
    visit(start, 1, smaller(y.inner, rows - start), run % y.outputs, run / y.outputs * y.inner);
  }
}

}  // namespace convkit
#endif
