#include <math.h>

#include "fft.h"

namespace convkit {
namespace {

constexpr double kCircle = 6.283185307179586476925286766559;

int64_t turns_of(const FftAxis &axis) {
  int64_t count = 0, length = axis.points;
  for (int32_t p = 0; p < axis.passes; ++p) {
    length /= axis.radices[p];
    count += length * (axis.radices[p] - 1);
  }
  return count;
}

/* Where a frequency of one axis lies after the forward transform. */
int64_t place_of(const FftAxis &axis, int64_t frequency) {
  int64_t place = 0, length = axis.points;
  for (int32_t p = 0; p < axis.passes; ++p) {
    length /= axis.radices[p];
    place += frequency % axis.radices[p] * length;
    frequency /= axis.radices[p];
  }
  return place * axis.step;
}

}  // namespace

template <typename T>
FftTables<T>::FftTables(const FftForm &f, Carver *carver) {
  for (int a = 0; a < 3; ++a) axes[a] = carver->take<T>(2 * turns_of(f.axes[a]));
  pairs = carver->take<T>(2 * f.pairs);
  places = carver->take<int32_t>(2 * f.pairs);
}

template <typename T>
void FftTables<T>::fill(const FftForm &f, const ck_runtime &host) const {
  for (int a = 0; a < 3; ++a) {
    T *out = axes[a];
    int64_t length = f.axes[a].points;
    for (int32_t p = 0; p < f.axes[a].passes; ++p) {
      const int32_t radix = f.axes[a].radices[p];
      const double angle = kCircle / static_cast<double>(length);
      length /= radix;
      for (int64_t j = 0; j < length; ++j) {
        for (int32_t q = 1; q < radix; ++q) {
          *out++ = static_cast<T>(cos(angle * static_cast<double>(j * q)));
          *out++ = static_cast<T>(-sin(angle * static_cast<double>(j * q)));
        }
      }
    }
  }
  /* Each pair once: by the one of k and -k that comes first. */
  const int64_t nz = f.axes[0].points, ny = f.axes[1].points, nx = f.axes[2].points;
  const double angle = kCircle / static_cast<double>(f.axes[2].length);
  int64_t count = 0;
  for (int64_t x = 0; x <= nx / 2; ++x) {
    const int64_t other_x = x > 0 ? nx - x : 0;
    const T cosine = static_cast<T>(cos(angle * static_cast<double>(x)));
    const T sine = static_cast<T>(-sin(angle * static_cast<double>(x)));
    for (int64_t z = 0; z < nz; ++z) {
      for (int64_t y = 0; y < ny; ++y) {
        if (count % 1024 == 0 && cancelled(host)) return;
        const int64_t other_z = z > 0 ? nz - z : 0, other_y = y > 0 ? ny - y : 0;
        if (x == other_x && (other_z < z || (other_z == z && other_y < y))) continue;
        const int64_t one = place_of(f.axes[0], z) + place_of(f.axes[1], y) + place_of(f.axes[2], x);
        const int64_t other =
            place_of(f.axes[0], other_z) + place_of(f.axes[1], other_y) + place_of(f.axes[2], other_x);
        places[2 * count] = static_cast<int32_t>(2 * one);
        places[2 * count + 1] = static_cast<int32_t>(2 * other);
        pairs[2 * count] = cosine;
        pairs[2 * count + 1] = sine;
        ++count;
      }
    }
  }
}

template struct FftTables<float>;
template struct FftTables<double>;

}  // namespace convkit
