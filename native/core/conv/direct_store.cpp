/* Results on their way from the stage to their places: rows copied, turned where tile and result have their neighbours
 * in different directions, phases laid side by side. */
#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "../util/numbers.h"
#include "direct_copy.h"
#include "plan.h"

namespace convkit {
namespace {

/* What one panel of a line of products needs on its way. */
template <typename T>
struct Store {
  const Problem &problem;
  const DirectForm &f;
  const DirectBand &band;
  const T *stage;
  T *result;
  int64_t channel_step;
  void (*zip_rows)(const RowsZip<T> *);
  bool streams;
  KnownPhases *known;

  /* Steps of the stage between positions and between rows of the product. */
  int64_t position_step() const { return f.pixels_in_lanes ? 1 : f.stage_step; }
  int64_t row_step() const { return f.pixels_in_lanes ? f.line_products * f.stage_step : 1; }
  /* From one product of the line to the next. */
  int64_t product_step() const { return f.pixels_in_lanes ? f.stage_step : f.panels.width; }
  int64_t position(int64_t z, int64_t y, int64_t x) const { return z * f.stage_plane + y * f.pitch + x; }

  /* `channels` neighbours of one phase, from the row at `from` on. */
  void channels(const int64_t phase[3], const T *from, int64_t channel, int64_t channels) const {
    Range r[3];
    phase_ranges(f, band, phase, r);
    if (r[0].empty() || r[1].empty() || r[2].empty()) return;
    const ResultPlace place = result_place(problem, f, band, phase);
    /* rows of the product between channels: joint rows may have phases in between */
    const int64_t apart = row_step() * (f.joint && f.phase_inner ? f.phases : 1);
    T *const out = result + channel * channel_step + place.origin;
    for (int64_t z = r[0].begin; z < r[0].end; ++z) {
      for (int64_t y = r[1].begin; y < r[1].end; ++y) {
        move_block(channels, r[2].end - r[2].begin, from + position(z, y, r[2].begin) * position_step(), apart,
                   position_step(), out + z * place.step[0] + y * place.step[1] + r[2].begin * place.step[2],
                   channel_step, place.step[2]);
      }
    }
  }

  const PhasesOfRow &find_row(const int64_t of[3], int64_t first, int64_t count) const {
    const int64_t line = of[0] * f.axes[1].phases + of[1], width = f.axes[2].phases;
    const int64_t number = (line * width + first) * width + count - 1;
    PhasesOfRow &row = known->kept[line % KnownPhases::kKept];
    if (row.number == number) return row;
    row.number = number;
    int64_t phase[3] = {of[0], of[1], first + count - 1};
    phase_ranges(f, band, phase, row.ranges);
    row.last = row.ranges[2];
    phase[2] = first;
    phase_ranges(f, band, phase, row.ranges);
    row.place = result_place(problem, f, band, phase);
    return row;
  }

  /* Phases first .. first + count - 1 along the width of some channels, `apart` elements apart in the stage, whose rows
   * `channel_rows` apart are channels. The result elements of a position are neighbours; at the ends of a row, some of
   * them do not exist. */
  void phases(const int64_t phase[3], const T *from, int64_t apart, int64_t channel, int64_t first, int64_t count,
              int64_t channels, int64_t channel_rows) const {
    const PhasesOfRow &row = find_row(phase, first, count);
    const Range *const r = row.ranges, &last = row.last;
    const ResultPlace &place = row.place;
    if (r[0].empty() || r[1].empty()) return;
    const bool pairs = count == 2 && place.step[2] == 2 && position_step() == 1 && !r[2].empty() && !last.empty();
    for (int64_t c = 0; c < channels; ++c) {
      const T *const stage_row = from + c * channel_rows;
      T *const out = result + (channel + c) * channel_step + place.origin;
      for (int64_t z = r[0].begin; z < r[0].end; ++z) {
        if (pairs) {
          zip(r, last, place, stage_row, apart, z, out);
        } else {
          interleave(r, last, place, stage_row, apart, z, first, count, out);
        }
      }
    }
  }

  /* Two phases, of rows r[1] of one depth. If a row begins with the second of them, that is paired with the first of
   * the next position:
   *
   *     phase      0  1  0  1  0  1          1  0  1  0  1  0  1
   *     position   0  0  1  1  2  2          0  1  1  2  2  3  3
   *     pairs     (    )(    )(    )        (    )(    )(    )      and an element that may be left over */
  void zip(const Range r[3], const Range &last, const ResultPlace &place, const T *from, int64_t apart, int64_t z,
           T *out) const {
    const bool swapped = last.begin < r[2].begin;
    const int64_t begin = last.begin, end = swapped ? smaller(last.end, r[2].end - 1) : last.end;
    const int64_t rows = r[1].end - r[1].begin,
                  left = r[2].end - r[2].begin + last.end - last.begin - 2 * (end - begin);
    const T *const here = from + position(z, r[1].begin, begin);
    const T *const even = swapped ? here + apart : here, *const odd = swapped ? here + 1 : here + apart;
    T *const to = out + z * place.step[0] + r[1].begin * place.step[1] + 2 * begin + (swapped ? 1 : 0);
    const RowsZip<T> call = {even, odd, f.pitch, end - begin, rows, to, place.step[1], streams};
    zip_rows(&call);
    for (int64_t y = 0; y < rows && left > 0; ++y) {
      to[y * place.step[1] + 2 * (end - begin)] = even[y * f.pitch + end - begin];
    }
  }

  /* After all pairs: others may read them. */
  void fence() const {
    const RowsZip<T> none = {};
    if (streams) zip_rows(&none);
  }

  void interleave(const Range r[3], const Range &last, const ResultPlace &place, const T *from, int64_t apart,
                  int64_t z, int64_t first, int64_t count, T *out) const {
    const Range whole = {larger(r[2].begin, last.begin),
                         larger(smaller(r[2].end, last.end), larger(r[2].begin, last.begin))};
    const int64_t begin = smaller(r[2].begin, last.begin), end = larger(r[2].end, last.end);
    const GridMap map = result_map(f.axes[2], first, band.residue[2]);
    const int64_t before =
        -((band.first[2] + begin) * map.step + map.offset); /* phases missing at the first position */
    const int64_t left = f.axes[2].result - (band.first[2] + end - 1) * map.step - map.offset; /* phases at the last */
    const int64_t step = place.step[2], unit = step / f.axes[2].phases, across = position_step();
    const bool few = (end - begin) * count <= kFewElements;
    for (int64_t y = r[1].begin; y < r[1].end; ++y) {
      const T *const in = from + position(z, y, 0) * across;
      T *const line = out + z * place.step[0] + y * place.step[1];
      if (!few) {
        move_block(whole.end - whole.begin, count, in + whole.begin * across, across, apart, line + whole.begin * step,
                   step, unit);
      }
      for (int64_t x = begin; x < end; ++x) {
        if (!few && x == whole.begin) x = whole.end;
        if (x >= end) break;
        const int64_t stop = x < end - 1 ? count : smaller(left, count);
        const T *element = in + x * across;
        T *const to = line + x * step;
        for (int64_t p = x > begin ? 0 : larger(before, 0); p < stop; ++p) to[p * unit] = element[p * apart];
      }
    }
  }
};

/* Phases along the width, from this one on and of so many at most, that exist at the same positions. Where pixels have
 * no channels but those of the product, they are a run of the result, as they are of the rows. At least one. */
int64_t phases_in_one(const DirectForm &f, const DirectBand &band, const int64_t first[3], int64_t most) {
  const int64_t end = smaller(f.axes[2].phases, first[2] + most);
  int64_t phase[3] = {first[0], first[1], first[2]};
  Range wanted[3], r[3];
  phase_ranges(f, band, phase, wanted);
  while (++phase[2] < end) {
    phase_ranges(f, band, phase, r);
    if (r[2].begin != wanted[2].begin || r[2].end != wanted[2].end) break;
  }
  return phase[2] - first[2];
}

/* Phases that are neighbours along the width fill it. */
bool fills_rows(const DirectForm &f) {
  const DirectAxis &x = f.axes[2];
  return !f.joint && !f.in_place && x.adjoint && x.phases == x.stride && x.residues == 1;
}

}  // namespace

bool is_empty_line(const DirectForm &f, const int64_t line[3]) {
  return fills_rows(f) && (phase_taps(f.axes[0], line[0]).count == 0 || phase_taps(f.axes[1], line[1]).count == 0);
}
bool has_gaps(const DirectForm &f) { return fills_rows(f) && f.line_products > 2 && f.axes[2].taps < f.axes[2].stride; }

template <typename T>
void store_stage(const Problem &problem, const DirectForm &f, const DirectBand &band, const int64_t line[3],
                 int64_t first_row, int64_t rows, const T *stage, T *result, const TileSet<T> &tiles,
                 KnownPhases *known) {
  const MapSteps &steps = result_steps(problem, f.axes[0].adjoint);
  const bool first = steps.rows();
  const bool streams = first && streams_result(problem, f.axes[0].adjoint);
  const Store<T> store = {problem, f, band, stage, result, steps.channel, tiles.zip_rows, streams, known};
  int64_t phase[3] = {line[0], line[1], 0};
  if (!f.joint) {
    /* The stage holds (channel, phase along the width) pairs. */
    if (first && f.pixels_in_lanes && f.line_products == 2) {
      store.phases(phase, stage, store.product_step(), first_row, 0, 2, rows, store.row_step());
      return store.fence();
    }
    for (int64_t p = 0; p < f.line_products; ++p) {
      if (has_gaps(f) && phase_taps(f.axes[2], p).count == 0) continue;
      phase[2] = p;
      store.channels(phase, stage + p * store.product_step(), first_row, rows);
    }
    return;
  }
  if (f.phase_inner) {
    int64_t channel = first_row / f.phases;
    split_phase(f, first_row % f.phases, phase);
    for (int64_t i = 0; i < rows; phase[2] = 0) {
      const int64_t count = smaller(rows - i, f.axes[2].phases - phase[2]);
      store.phases(phase, stage + i * store.row_step(), store.row_step(), channel, phase[2], count, 1, 0);
      i += count;
      if (++phase[1] < f.axes[1].phases) continue;
      phase[1] = 0;
      if (++phase[0] < f.axes[0].phases) continue;
      phase[0] = 0, ++channel;
    }
    return store.fence();
  }
  for (int64_t i = 0; i < rows;) {
    const int64_t row = first_row + i;
    split_phase(f, row / f.rows, phase);
    int64_t count = smaller(rows - i, f.rows - row % f.rows);
    if (row % f.rows == 0 && f.rows == steps.pixel) count *= phases_in_one(f, band, phase, (rows - i) / f.rows);
    store.channels(phase, stage + i * store.row_step(), row % f.rows, count);
    i += count;
  }
  store.fence();
}

template <typename T>
void fill_line(const Problem &problem, const DirectForm &f, const DirectBand &band, const int64_t line[3],
               int64_t first_row, int64_t rows, const Epilogue<T> *epilogue, const TileSet<T> &tiles, T *values,
               T *result) {
  fill_zeros(values, rows);
  if (epilogue) {
    Epilogue<T> in_lanes = *epilogue;
    in_lanes.channels_in_lanes = 1;
    tiles.finish(values, rows, 1, rows, &in_lanes);
  }
  const MapSteps &steps = problem.image;
  const int64_t phase[3] = {line[0], line[1], 0};
  Range r[3];
  phase_ranges(f, band, phase, r);
  const ResultPlace place = result_place(problem, f, band, phase);
  const GridMap map = result_map(f.axes[2], 0, 0);
  const int64_t at = band.first[2] * map.step + map.offset; /* where the first position begins */
  const int64_t begin = larger(at, 0), end = smaller(at + band.count[2] * map.step, f.axes[2].result);
  T *const first = result + place.origin + first_row * steps.channel + (begin - at) * steps.pixel;
  const auto each_row = [&](const auto &fill) {
    for (int64_t z = r[0].begin; z < r[0].end; ++z) {
      for (int64_t y = r[1].begin; y < r[1].end; ++y) fill(first + z * place.step[0] + y * place.step[1]);
    }
  };
  for (int64_t i = 0; i < rows && steps.pixel == 1; ++i) {
    each_row([&](T *row) { fill_run(values[i], end - begin, row + i * steps.channel); });
  }
  if (steps.pixel == 1) return;
  each_row([&](T *row) {
    for (int64_t x = begin; x < end; ++x, row += steps.pixel) copy_run(values, rows, row);
  });
}

template void fill_line(const Problem &, const DirectForm &, const DirectBand &, const int64_t[3], int64_t, int64_t,
                        const Epilogue<float> *, const TileSet<float> &, float *, float *);
template void fill_line(const Problem &, const DirectForm &, const DirectBand &, const int64_t[3], int64_t, int64_t,
                        const Epilogue<double> *, const TileSet<double> &, double *, double *);
template void store_stage(const Problem &, const DirectForm &, const DirectBand &, const int64_t[3], int64_t, int64_t,
                          const float *, float *, const TileSet<float> &, KnownPhases *);
template void store_stage(const Problem &, const DirectForm &, const DirectBand &, const int64_t[3], int64_t, int64_t,
                          const double *, double *, const TileSet<double> &, KnownPhases *);

}  // namespace convkit
