#include "depthwise_last_rows.h"

namespace convkit {
namespace {

/* Results first, first + step, ... of a row, `count` of them. All taps of begin .. end - 1 lie inside the source. */
struct Sequence {
  int64_t first, step, count, begin, end;
  int64_t tap, taps, tap_step, source; /* the taps; where the first of them reads for the first result */
  int64_t shift; /* the first tap reads for result m + shift what the next one reads for result m; 0: for none */
};

Sequence sequence_at(const ck_problem &p, bool adjoint, int64_t phase) {
  const int64_t s = p.stride[2], d = p.dilation[2], last = p.kernel[2] - 1, pad = p.pad_begin[2];
  if (!adjoint) {
    const int64_t begin = clamp(ceil_div(pad, s), 0, p.features[2]);
    const int64_t end = clamp(ceil_div(p.image[2] + pad - last * d, s), begin, p.features[2]);
    return {0, 1, p.features[2], begin, end, 0, last + 1, 1, -pad, d % s == 0 ? d / s : 0};
  }
  const int64_t common = greatest_divisor(s, d), tap_step = s / common, count = ceil_div(p.image[2] - phase, s);
  int64_t least = 0;
  while (least <= smaller(last, tap_step) && (phase + pad - least * d) % s != 0) ++least;
  if (least > smaller(last, tap_step)) return {phase, s, count, 0, count, 0, 0, 1, 0, 0};
  const int64_t taps = (last - least) / tap_step + 1, most = least + (taps - 1) * tap_step;
  const int64_t begin = clamp(ceil_div(most * d - pad - phase, s), 0, count);
  const int64_t end = clamp(ceil_div((p.features[2] - 1) * s + least * d + 1 - pad - phase, s), begin, count);
  return {phase, s, count, begin, end, least, taps, tap_step, (phase + pad - least * d) / s, -(d / common)};
}

template <typename T>
class Rows {
 public:
  Rows(const RunContext &context, const Problem &part, const LastTables<T> &scratch)
      : problem(part),
        f(context.plan->depthwise),
        kernels(depthwise_of<T>(*context.plan->kernels)),
        tiles(tiles_of<T>(*context.plan->kernels)),
        tables(scratch),
        adjoint(context.plan->pass == CK_ADJOINT) {}

  void cover_row(const LastRow<T> &row) {
    const ck_problem &p = problem.given;
    const int64_t *const size = adjoint ? p.image : p.features;
    const int64_t pitch = (adjoint ? problem.image : problem.features).pixel;
    T *const to = row.result + (row.z * size[1] + row.y) * size[2] * pitch;
    list_sources(row);
    const int64_t planes = adjoint ? 1 : multiplier(), phases = adjoint ? smaller(p.stride[2], size[2]) : 1;
    DepthwiseLastCall<T> call = {};
    call.offsets = tables.offsets;
    call.numbers = tables.numbers;
    call.weight_step = f.pitch;
    call.channels = p.groups;
    call.streams = f.streams;
    call.epilogue = planes > 1 ? nullptr : row.finish;
    for (int64_t n = 0; n < planes; ++n) {
      call.weights = row.weights + n * problem.taps * f.pitch;
      T *const results = planes > 1 ? tables.planes + n * plane() - row.first * p.groups : to;
      for (int64_t phase = 0; phase < phases; ++phase) {
        cover_sequence(sequence_at(p, adjoint, phase), row.first, row.last, call, results);
      }
    }
    if (planes == 1) return;
    const int64_t count = smaller(row.last, size[2]) - row.first;
    T *const mixed = to + row.first * pitch;
    kernels.interleave(tables.planes, plane(), planes, count * p.groups, mixed);
    if (row.finish) tiles.finish(mixed, pitch, count, pitch, row.finish);
  }

 private:
  const Problem &problem;
  const DepthwiseForm &f;
  const DepthwiseSet<T> &kernels;
  const TileSet<T> &tiles;
  const LastTables<T> &tables;
  const bool adjoint;
  /* Where the rows of taps read that meet a row of results: offsets in `data`, the map or the planes. */
  const T *data = nullptr;
  int64_t rows = 0;

  int64_t multiplier() const { return problem.group_features; }

  void list_sources(const LastRow<T> &row) {
    const ck_problem &p = problem.given;
    const int64_t *const size = adjoint ? p.features : p.image;
    const int64_t pitch = (adjoint ? problem.features : problem.image).pixel;
    const bool apart = adjoint && multiplier() > 1;
    const Range under = apart ? source_under(row.first, row.last) : Range{0, 0};
    data = apart ? tables.planes : row.source;
    rows = 0;
    each_source(p, adjoint, 0, row.z, [&](int64_t tap_z, int64_t at_z) {
      each_source(p, adjoint, 1, row.y, [&](int64_t tap_y, int64_t at_y) {
        tables.row_numbers[rows] = (tap_z * p.kernel[1] + tap_y) * p.kernel[2];
        const int64_t place = (at_z * size[1] + at_y) * size[2] * pitch;
        if (apart) take_apart(row.source + place, under, tables.planes + rows * multiplier() * plane());
        tables.row_offsets[rows] = apart ? rows * multiplier() * plane() - under.begin * p.groups : place;
        ++rows;
      });
    });
  }

  template <typename Visit>
  void each_row(const Visit &visit) const {
    for (int64_t n = 0; n < (adjoint ? multiplier() : 1); ++n) {
      for (int64_t r = 0; r < rows; ++r) {
        visit(n * problem.taps + tables.row_numbers[r], n * plane() + tables.row_offsets[r]);
      }
    }
  }

  /* From pixel to pixel of the image, and of planes. */
  int64_t pixel() const { return problem.image.pixel; }

  /* From plane to plane. */
  int64_t plane() const {
    return multiplier() > 1 ? last_plane_pixels(problem, adjoint, f.band[2]) * problem.given.groups : 0;
  }

  /* Adjoint: the features of a row under positions first .. last - 1 of all phases. */
  Range source_under(int64_t first, int64_t last) const {
    const ck_problem &p = problem.given;
    const int64_t s = p.stride[2], reach = (p.kernel[2] - 1) * p.dilation[2], pad = p.pad_begin[2];
    const int64_t begin = first * s + pad - reach, end = (last * s - 1 + pad) / s + 1;
    return {clamp(begin > 0 ? begin / s : 0, 0, p.features[2]), clamp(end, 0, p.features[2])};
  }
  void take_apart(const T *row, const Range &under, T *planes) const {
    const int64_t count = (under.end - under.begin) * problem.given.groups;
    const T *const from = row + under.begin * problem.features.pixel;
    for (int64_t m = 0; m < multiplier() && count > 0; ++m) {
      kernels.copy_rows(planes + m * plane(), 0, from + m, 0, multiplier(), count, 1);
    }
  }

  /* Pixels of the source and of results, as far apart as the call says. */
  struct Line {
    const T *source;
    T *result;
    int64_t pixels;
  };

  /* Tiles over a line; the last ones are computed twice rather than few at a time. */
  void cover_line(DepthwiseLastCall<T> call, const Line &line) const {
    const int64_t most = kernels.last_pixels, begin = call.begin, end = call.end;
    const bool varies = kernels.last_runs[0] != kernels.last_runs[1];
    const bool shorter = varies && round_up(line.pixels, most - 1) < round_up(line.pixels, most);
    int64_t height = shorter ? most - 1 : most, number = shorter ? 0 : 1;
    if (call.run == 0) {
      number = 0, height = 1;
      while (2 * height <= smaller(line.pixels, most)) height *= 2, ++number;
    }
    const auto tile = (call.run > 0 ? kernels.last_runs : kernels.last_tiles)[number];
    call.pixels = smaller(height, line.pixels);
    for (int64_t i = 0; i < line.pixels; i += height) {
      const int64_t first = smaller(i, line.pixels - call.pixels);
      call.source = line.source + first * call.source_step;
      call.result = line.result + first * call.result_step;
      call.begin = begin - first;
      /* A tile may be higher than what is wanted of it, and read no more for that. */
      call.end = larger(call.begin, smaller(end - first, call.pixels + call.run - 1));
      tile(&call);
    }
  }

  /* Results m .. m + count - 1 of a sequence, which have the taps of the first. */
  void cover_alike(const Sequence &row, int64_t m, int64_t count, DepthwiseLastCall<T> call, T *to) const {
    const ck_problem &p = problem.given;
    const int64_t x = row.first + m * row.step;
    each_row([&](int64_t number, int64_t offset) {
      each_source(p, adjoint, 2, x, [&](int64_t tap, int64_t at) {
        tables.numbers[call.taps] = number + tap;
        tables.offsets[call.taps++] = offset + at * pixel();
      });
    });
    const Line line = {data, to + x * pixel(), count};
    if (f.merged > 1) {
      const int64_t merged = f.merged * p.groups, whole = count / f.merged, places = whole * merged;
      call.source_step = call.result_step = call.channels = merged;
      if (whole > 0) cover_line(call, {line.source, line.result, whole});
      call.channels = count % f.merged * p.groups;
      if (call.channels > 0) cover_line(call, {line.source + places, line.result + places, 1});
      return;
    }
    call.source_step = adjoint || count == 1 ? pixel() : p.stride[2] * pixel();
    call.result_step = count == 1 ? 0 : row.step * pixel();
    cover_line(call, line);
  }

  /* Results m .. end - 1 of a sequence, in runs. */
  void cover_runs(const Sequence &row, int64_t m, int64_t end, DepthwiseLastCall<T> call, T *to) const {
    const ck_problem &p = problem.given;
    each_row([&](int64_t number, int64_t offset) {
      tables.numbers[call.taps] = number + row.tap;
      tables.offsets[call.taps++] = offset;
    });
    call.run = row.taps;
    call.run_step = row.tap_step;
    const int64_t apart = row.shift < 0 ? -row.shift : row.shift, size = adjoint ? p.features[2] : p.image[2];
    for (int64_t i = 0; i < apart; ++i) {
      /* Where taps go backwards, so do pixels. */
      const int64_t pixels = ceil_div(end - m - i, apart), first = m + i + (row.shift < 0 ? (pixels - 1) * apart : 0);
      const int64_t at = row.source + first * (adjoint ? 1 : p.stride[2]); /* of its first tap */
      const int64_t step = row.shift * (adjoint ? 1 : p.stride[2]);
      call.begin = step > 0 ? ceil_div(-at, step) : ceil_div(at - size + 1, -step);
      call.end = step > 0 ? ceil_div(size - at, step) : ceil_div(at + 1, -step);
      call.source_step = step * pixel();
      call.result_step = row.shift * row.step * pixel();
      cover_line(call, {data + at * pixel(), to + (row.first + first * row.step) * pixel(), pixels});
    }
  }

  /* Results first .. last - 1 of a sequence. */
  void cover_sequence(const Sequence &row, int64_t first, int64_t last, const DepthwiseLastCall<T> &call, T *to) const {
    const int64_t end = smaller(last, row.count), apart = row.shift < 0 ? -row.shift : row.shift;
    const int64_t least = kernels.last_pixels / 2 + 1; /* of which a run is made, else too much of it is thrown away */
    const bool shares = apart > 0 && row.taps > 1 && (end - first) / least >= apart;
    const ck_problem &p = problem.given;
    if (shares && p.groups >= tiles.lanes && p.padding_mode == CK_ZEROS && !reaches_far(p)) {
      return cover_runs(row, first, end, call, to);
    }
    const auto border = [&](int64_t begin, int64_t stop) {
      for (int64_t m = larger(first, begin); m < smaller(end, stop); ++m) cover_alike(row, m, 1, call, to);
    };
    const int64_t inner = larger(first, row.begin), inner_end = smaller(end, row.end);
    border(0, row.begin);
    if (inner_end > inner) cover_alike(row, inner, inner_end - inner, call, to);
    border(row.end, row.count);
  }
};

}  // namespace

int64_t last_plane_pixels(const Problem &problem, bool adjoint, int64_t band) {
  const ck_problem &p = problem.given;
  return adjoint ? band + (p.kernel[2] - 1) * p.dilation[2] / p.stride[2] + 2 : band;
}

template <typename T>
void cover_last_row(const RunContext &context, const Problem &problem, const LastTables<T> &tables,
                    const LastRow<T> &row) {
  Rows<T>(context, problem, tables).cover_row(row);
}

template void cover_last_row<float>(const RunContext &, const Problem &, const LastTables<float> &,
                                    const LastRow<float> &);
template void cover_last_row<double>(const RunContext &, const Problem &, const LastTables<double> &,
                                     const LastRow<double> &);

}  // namespace convkit
