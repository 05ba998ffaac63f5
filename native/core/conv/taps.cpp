#include "taps.h"

#include "../util/numbers.h"

namespace convkit {
namespace {

int64_t modulo(int64_t i, int64_t period) {
  const int64_t r = i % period;
  return r < 0 ? r + period : r;
}

struct RunList {
  Run *runs;
  int64_t step;
  int32_t count;
  int32_t column;

  void add(int64_t length, int64_t source) {
    if (length <= 0) return;
    const int32_t n = static_cast<int32_t>(length);
    Run *const last = runs + count - 1;
    const bool goes_on =
        count > 0 && (source == kZeros ? last->source == kZeros
                                       : last->source != kZeros && last->source + last->count * step == source);
    if (goes_on) {
      last->count += n;
    } else {
      runs[count++] = {column, n, source};
    }
    column += n;
  }
};

}  // namespace

/* What a padding may reach is checked by the host; memory must stay safe without that. */
int64_t map_coordinate(int64_t i, int64_t extent, int32_t padding_mode) {
  if (i >= 0 && i < extent) return i;
  switch (padding_mode) {
    case CK_REPLICATE:
      return i < 0 ? 0 : extent - 1;
    case CK_CIRCULAR:
      return modulo(i, extent);
    case CK_REFLECT: {
      if (extent == 1) return 0;
      const int64_t period = 2 * (extent - 1), r = modulo(i, period);
      return r < extent ? r : period - r;
    }
    default:
      return kZeros;
  }
}

int32_t list_runs(const Problem &problem, int64_t tap, int64_t first, int64_t count, Run *runs) {
  const ck_problem &p = problem.given;
  const int64_t index[3] = {tap / (p.kernel[1] * p.kernel[2]), tap / p.kernel[2] % p.kernel[1], tap % p.kernel[2]};
  int64_t shift[3]; /* feature o reads image o * stride + shift */
  for (int axis = 0; axis < 3; ++axis) shift[axis] = index[axis] * p.dilation[axis] - p.pad_begin[axis];

  /* Along a row, features inside_begin .. inside_end - 1 read pixels of the image itself. */
  const int64_t width = p.features[2];
  const int64_t inside_begin = ceil_div(-shift[2], p.stride[2]);
  const int64_t inside_end = ceil_div(p.image[2] - shift[2], p.stride[2]);

  int64_t x = first % width, y = first / width % p.features[1], z = first / width / p.features[1];
  RunList list = {runs, run_step(problem), 0, 0};
  while (list.column < count) {
    const int64_t end = smaller(width, x + count - list.column);
    const int64_t iz = map_coordinate(z * p.stride[0] + shift[0], p.image[0], p.padding_mode);
    const int64_t iy = map_coordinate(y * p.stride[1] + shift[1], p.image[1], p.padding_mode);
    if (iz == kZeros || iy == kZeros) {
      list.add(end - x, kZeros);
    } else {
      const int64_t row = (iz * p.image[1] + iy) * p.image[2];
      const auto outside = [&](int64_t from, int64_t to) {
        if (p.padding_mode == CK_ZEROS) return list.add(to - from, kZeros);
        for (int64_t o = from; o < to; ++o) {
          const int64_t ix = map_coordinate(o * p.stride[2] + shift[2], p.image[2], p.padding_mode);
          list.add(1, (row + ix) * problem.image.pixel);
        }
      };
      const int64_t begin_inside = clamp(inside_begin, x, end), end_inside = clamp(inside_end, begin_inside, end);
      outside(x, begin_inside);
      list.add(end_inside - begin_inside, (row + begin_inside * p.stride[2] + shift[2]) * problem.image.pixel);
      outside(end_inside, end);
    }
    x = 0;
    if (++y == p.features[1]) y = 0, ++z;
  }
  return list.count;
}

}  // namespace convkit
