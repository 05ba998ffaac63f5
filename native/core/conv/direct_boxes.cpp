#include "direct_boxes.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

/* Offsets of the grid and, behind them, of the weights if there are gaps; for the taps of a box and `channels`
 * channels. */
void fill_tables(const DirectForm &f, const PhaseTaps taps[3], const LiveTaps *const run[3], int64_t channels,
                 bool gaps, int64_t *table) {
  int64_t *const weights = table + f.table_terms;
  int64_t terms = 0, m[3];
  for (m[0] = run[0]->taps.begin; m[0] < run[0]->taps.end; ++m[0]) {
    for (m[1] = run[1]->taps.begin; m[1] < run[1]->taps.end; ++m[1]) {
      for (m[2] = run[2]->taps.begin; m[2] < run[2]->taps.end; ++m[2]) {
        int64_t plane = 0, shift[3];
        for (int a = 0; a < 3; ++a) {
          plane = plane * f.axes[a].planes + tap_plane(f.axes[a], m[a]);
          shift[a] = tap_shift(f.axes[a], taps[a], m[a]) - f.axes[a].span_begin;
        }
        if (gaps) weights[terms] = ((m[0] * taps[1].count + m[1]) * taps[2].count + m[2]) * f.panels.step;
        table[terms++] = plane * f.plane_size + shift[0] * f.depth_size + shift[1] * f.pitch + shift[2];
      }
    }
  }
  const int64_t channel_weights = taps[0].count * taps[1].count * taps[2].count * f.panels.step;
  for (int64_t k = terms; k < terms * channels; ++k) {
    table[k] = table[k - terms] + f.channel_size;
    if (gaps) weights[k] = weights[k - terms] + channel_weights;
  }
}

/* Behind the offsets: where the taps along z of all channels are, seen from the first. */
void fill_planes(const DirectForm &f, const DirectProduct &product, int64_t *table) {
  int64_t *const planes = table + f.table_terms, depth = product.along[0], plane_taps = product.taps / depth;
  for (int64_t k = 0; k < f.channels * depth; ++k) {
    planes[k] = k / depth * f.channel_size + table[k % depth * plane_taps] - table[0];
  }
}

}  // namespace

void fill_boxes(const DirectForm &f, const DirectBand &band, const int64_t phase[3], DirectBox *boxes, int64_t *tables,
                DirectProduct *product) {
  PhaseTaps taps[3];
  product->taps = product_taps(f, phase, taps);
  for (int a = 0; a < 3; ++a) product->along[a] = taps[a].count;
  product->channels = clamp(f.table_terms / larger(product->taps, 1), 1, f.channels);
  product->boxes = boxes;
  product->box_count = 0;
  Range ranges[3];
  phase_ranges(f, band, phase, ranges);
  LiveTaps runs[3][kMostLiveTaps];
  int32_t counts[3];
  for (int a = 0; a < 3; ++a) {
    if (f.joint) ranges[a] = {0, band.count[a]};
    if (ranges[a].empty()) return;
    const int64_t begin = band.first[a] + ranges[a].begin, end = band.first[a] + ranges[a].end;
    runs[a][0] = {begin, end, {0, taps[a].count}};
    counts[a] = f.skips[a] ? cut_by_live_taps(f.axes[a], taps[a], band.residue[a], begin, end, runs[a]) : 1;
  }
  for (int32_t i = 0; i < counts[0] * counts[1] * counts[2]; ++i) {
    const LiveTaps *const run[3] = {runs[0] + i / counts[2] / counts[1], runs[1] + i / counts[2] % counts[1],
                                    runs[2] + i % counts[2]};
    DirectBox &box = boxes[product->box_count++];
    box.taps = 1;
    for (int a = 0; a < 3; ++a) {
      box.positions[a] = {run[a]->begin - band.first[a], run[a]->end - band.first[a]};
      box.taps *= run[a]->taps.end - run[a]->taps.begin;
    }
    const bool gaps = box.taps < product->taps;
    fill_tables(f, taps, run, product->channels, gaps, tables);
    box.table = tables;
    box.gaps = gaps ? tables + f.table_terms : nullptr;
    box.planes = f.by_rows ? tables + f.table_terms : nullptr;
    if (f.by_rows && product->taps > 0) fill_planes(f, *product, tables);
    tables += 2 * f.table_terms;
  }
}

}  // namespace convkit
