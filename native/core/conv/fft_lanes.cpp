#include "fft_lanes.h"

#include <string.h>

#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "taps.h"

namespace convkit {
namespace {

constexpr int64_t kNothing = -1;

/* Where the row of a lane begins (coordinate 0 of x), or kNothing. */
int64_t row_of(const FftLanes &l, int64_t lane, int64_t z, int64_t y, int32_t mode) {
  const int64_t at_z = map_coordinate(l.start[0][lane] + z * l.dilation[0], l.extent[0], mode);
  const int64_t at_y = map_coordinate(l.start[1][lane] + y * l.dilation[1], l.extent[1], mode);
  if (at_z == kZeros || at_y == kZeros || at_z % l.stride[0] != 0 || at_y % l.stride[1] != 0) return kNothing;
  return l.origin[lane] + at_z / l.stride[0] * l.step[0] + at_y / l.stride[1] * l.step[1];
}

/* The first of elements `begin`, begin + 1, ... of a lane's row that the stride does not leave out; further ones follow
 * `stride` apart (with a dilation there is none). */
int64_t first_kept(const FftLanes &l, int64_t lane, int64_t begin) {
  const int64_t s = l.stride[2], at = l.start[2][lane] + begin * l.dilation[2];
  return begin + (s - at % s) % s;
}

/* The elements of a lane's row that exist, of 0 .. count - 1. */
struct Existing {
  int64_t begin, end;
  Existing(const FftLanes &l, int64_t lane, int64_t count) {
    const int64_t start = l.start[2][lane], d = l.dilation[2];
    begin = clamp(ceil_div(-start, d), 0, count);
    end = clamp(ceil_div(l.extent[2] - start, d), begin, count);
  }
};

}  // namespace

void fft_weight_lanes(const Problem &problem, const FftForm &f, int64_t origin, int64_t step, int64_t count,
                      FftLanes *l) {
  l->count = count;
  l->padding_mode = CK_ZEROS;
  l->neighbours = count > 1 && step == 1;
  int64_t tap = problem.weights.tap;
  for (int a = 2; a >= 0; --a) {
    l->extent[a] = f.axes[a].taps;
    l->dilation[a] = l->stride[a] = 1;
    l->step[a] = f.adjoint ? -tap : tap;
    if (f.adjoint) origin += (f.axes[a].taps - 1) * tap;
    tap *= f.axes[a].taps;
    for (int64_t i = 0; i < count; ++i) l->start[a][i] = 0;
  }
  for (int64_t i = 0; i < count; ++i) l->origin[i] = origin + i * step;
}

double fft_scale(const FftForm &f) {
  double points = 1;
  for (const FftAxis &axis : f.axes) points *= static_cast<double>(axis.points);
  return 1 / (8 * points);
}

template <typename T>
bool FftBundle<T>::load_row(const FftLanes &l, int64_t z, int64_t y, int64_t filled, const T *source, T *out) const {
  const int64_t lanes = f.lanes, length = f.axes[2].length;
  int64_t rows[kMostLanes];
  bool any = false;
  for (int64_t lane = 0; lane < l.count; ++lane) {
    rows[lane] = lane > 0 && l.neighbours ? rows[0] : row_of(l, lane, z, y, l.padding_mode);
    any = any || rows[lane] != kNothing;
  }
  if (!any) {
    memset(out, 0, static_cast<size_t>(length * lanes) * sizeof(T));
    return false;
  }
  const int64_t step = l.step[2], d = l.dilation[2];
  const auto at = [&](int64_t lane, int64_t t) {
    return map_coordinate(l.start[2][lane] + t * d, l.extent[2], l.padding_mode);
  };
  if (l.neighbours) {
    for (int64_t t = 0; t < length; ++t, out += lanes) {
      const int64_t x = t < filled ? at(0, t) : kZeros;
      const int64_t real = x == kZeros || x % l.stride[2] != 0 ? 0 : l.count;
      if (real > 0) copy_run(source + rows[0] + x / l.stride[2] * step, real, out);
      fill_zeros(out + real, lanes - real);
    }
    return true;
  }
  const int64_t used = smaller(filled, length); /* weights are short against a tile */
  memset(out + used * lanes, 0, static_cast<size_t>((length - used) * lanes) * sizeof(T));
  for (int64_t first = 0; first < used; first += kFftPiece) {
    const int64_t end = smaller(first + kFftPiece, used);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      T *const to = buffers.rows + lane * kFftPiecePitch - first;
      if (lane >= l.count || rows[lane] == kNothing) {
        fill_zeros(to + first, end - first);
        continue;
      }
      const T *const from = source + rows[lane];
      const Existing real(l, lane, filled);
      const int64_t begin = clamp(real.begin, first, end), stop = clamp(real.end, begin, end);
      const int64_t start = (l.start[2][lane] + begin * d) * step;
      if (l.stride[2] > 1) {
        fill_zeros(to + begin, stop - begin);
        for (int64_t t = first_kept(l, lane, begin); t < stop; t += l.stride[2]) {
          to[t] = from[(l.start[2][lane] + t) / l.stride[2] * step];
        }
      } else if (step * d == 1) {
        copy_run(from + start, stop - begin, to + begin);
      } else {
        for (int64_t t = begin; t < stop; ++t) to[t] = from[start + (t - begin) * step * d];
      }
      if (l.padding_mode == CK_ZEROS) {
        fill_zeros(to + first, begin - first);
        fill_zeros(to + stop, end - stop);
      } else {
        for (int64_t t = first; t < begin; ++t) to[t] = from[at(lane, t) * step];
        for (int64_t t = stop; t < end; ++t) to[t] = t < filled ? from[at(lane, t) * step] : T(0);
      }
    }
    turn_block(lanes, end - first, buffers.rows, kFftPiecePitch, out + first * lanes, lanes);
  }
  return true;
}

template <typename T>
void FftBundle<T>::store_row(const FftLanes &l, int64_t z, int64_t y, int64_t valid, const T *in, T *result) const {
  const int64_t lanes = f.lanes, step = l.step[2], d = l.dilation[2];
  if (l.neighbours) {
    const int64_t row = row_of(l, 0, z, y, CK_ZEROS);
    if (row == kNothing) return;
    const Existing real(l, 0, valid);
    for (int64_t t = first_kept(l, 0, real.begin); t < real.end; t += l.stride[2]) {
      copy_run(in + t * lanes, l.count, result + row + (l.start[2][0] + t * d) / l.stride[2] * step);
    }
    return;
  }
  for (int64_t first = 0; first < valid; first += kFftPiece) {
    const int64_t end = smaller(first + kFftPiece, valid);
    turn_block(end - first, lanes, in + first * lanes, lanes, buffers.rows, kFftPiecePitch);
    for (int64_t lane = 0; lane < l.count; ++lane) {
      const int64_t row = row_of(l, lane, z, y, CK_ZEROS);
      if (row == kNothing) continue;
      const Existing real(l, lane, valid);
      const T *const from = buffers.rows + lane * kFftPiecePitch - first;
      const int64_t begin = clamp(real.begin, first, end), stop = clamp(real.end, begin, end);
      if (l.stride[2] > 1) {
        for (int64_t t = first_kept(l, lane, begin); t < stop; t += l.stride[2]) {
          result[row + (l.start[2][lane] + t) / l.stride[2] * step] = from[t];
        }
        continue;
      }
      T *const to = result + row + (l.start[2][lane] + begin * d) * step;
      if (step * d == 1) {
        copy_run(from + begin, stop - begin, to);
      } else {
        for (int64_t t = begin; t < stop; ++t) to[(t - begin) * step * d] = from[t];
      }
    }
  }
}

/* The transforms along y and z; forward in this order, inverse in the other. */
template <typename T>
void FftBundle<T>::columns(bool inverse) const {
  const FftAxis *const a = f.axes;
  const int64_t element = 2 * f.lanes;
  for (int turn = 0; turn < 2; ++turn) {
    const int axis = (turn == 0) == inverse ? 0 : 1, other = 1 - axis;
    if (a[axis].passes == 0) continue;
    for (int64_t i = 0; i < a[other].points; ++i) {
      for (int64_t x = 0; x < a[2].points; ++x) line(inverse, axis, buffers.data + (i * a[other].step + x) * element);
    }
  }
}

template <typename T>
void FftBundle<T>::load(const FftLanes &lanes, const int64_t filled[3], const T *source) const {
  for (int64_t z = 0; z < f.axes[0].length; ++z) {
    for (int64_t y = 0; y < f.axes[1].length; ++y) {
      T *const data = row(z, y);
      if (z >= filled[0] || y >= filled[1]) {
        memset(data, 0, static_cast<size_t>(f.axes[2].length * f.lanes) * sizeof(T));
      } else if (load_row(lanes, z, y, filled[2], source, data)) {
        line(false, 2, data);
      }
    }
  }
  columns(false);
}

template struct FftBundle<float>;
template struct FftBundle<double>;

}  // namespace convkit
