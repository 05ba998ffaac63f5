/* The copies under a box: both sides with their channels last. */
#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "direct_gradient.h"
#include "taps.h"

namespace convkit {
namespace {

/* An axis of the grid: element u belongs to position first + u / step, and lies u % step further along the image. */
struct GridAxis {
  int64_t step, stride, origin, extent;
  int32_t padding_mode;

  int64_t image(int64_t u) const { return u / step * stride + u % step + origin; }
  int64_t mapped(int64_t u) const { return map_coordinate(image(u), extent, padding_mode); }

  /* Elements from u on, at most `most`, that are neighbours in the image or zeros all; and where they are. */
  int64_t run(int64_t u, int64_t most, int64_t *source) const {
    const int64_t i = image(u), together = step == stride ? most : smaller(most, step - u % step);
    *source = map_coordinate(i, extent, padding_mode);
    if (i >= 0 && i < extent) return smaller(together, extent - i);
    if (padding_mode != CK_ZEROS) return 1;
    return i < 0 ? smaller(together, -i) : together;
  }
};

/* One row of the grid from one row of the image. */
template <typename T>
void copy_row(const GridAxis &x, const MapSteps &steps, const T *source, int64_t width, int64_t channels, T *out) {
  for (int64_t u = 0; u < width;) {
    int64_t at;
    const int64_t count = x.run(u, width - u, &at);
    const T *const from = source + at * steps.pixel;
    T *const to = out + u * channels;
    u += count;
    if (at == kZeros) {
      memset(static_cast<void *>(to), 0, static_cast<size_t>(count * channels) * sizeof(T));
    } else if (steps.pixel == channels || (channels == 1 && steps.pixel == 1)) {
      memcpy(to, from, static_cast<size_t>(count * channels) * sizeof(T));
    } else if (steps.channel == 1) {
      for (int64_t i = 0; i < count; ++i) copy_run(from + i * steps.pixel, channels, to + i * channels);
    } else {
      turn_block(channels, count, from, steps.channel, to, channels, x.extent);
    }
  }
}

}  // namespace

template <typename T>
void copy_gradient_grid(const Problem &problem, const DirectGradientForm &f, const GradientBox &box,
                        const int64_t first_tap[3], const T *source, int64_t channels, T *grid) {
  const ck_problem &p = problem.given;
  GridAxis axes[3];
  int64_t extents[3];
  for (int a = 0; a < 3; ++a) {
    const int64_t origin = box.first[a + 1] * p.stride[a] + first_tap[a] * p.dilation[a] - p.pad_begin[a];
    axes[a] = {f.step[a], p.stride[a], origin, p.image[a], p.padding_mode};
    extents[a] = (box.count[a + 1] - 1) * f.step[a] + f.reach[a];
  }
  const int64_t row_elements = f.grid[2] * channels, row_step = p.image[2] * problem.image.pixel;
  /* Rows without padding follow each other on both sides. */
  const bool rows_join = f.grid[2] == p.image[2] && extents[2] == p.image[2] && axes[2].origin == 0 &&
                         axes[2].step == 1 && axes[2].stride == 1;
  const GridAxis whole = {1, 1, 0, p.image[1] * p.image[2], p.padding_mode};
  for (int64_t n = 0; n < box.count[0]; ++n) {
    const T *const image = source + (box.first[0] + n) * problem.image.batch;
    for (int64_t z = 0; z < extents[0]; ++z) {
      const int64_t iz = axes[0].mapped(z);
      for (int64_t y = 0; y < extents[1];) {
        T *const out = grid + ((n * f.grid[0] + z) * f.grid[1] + y) * row_elements;
        int64_t iy, rows = axes[1].run(y, extents[1] - y, &iy);
        y += rows;
        if (iz == kZeros || iy == kZeros) {
          memset(static_cast<void *>(out), 0, static_cast<size_t>(rows * row_elements) * sizeof(T));
          continue;
        }
        const T *const row = image + (iz * p.image[1] + iy) * row_step;
        if (rows_join) {
          copy_row(whole, problem.image, row, rows * p.image[2], channels, out);
        } else {
          for (int64_t r = 0; r < rows; ++r) {
            copy_row(axes[2], problem.image, row + r * row_step, extents[2], channels, out + r * row_elements);
          }
        }
      }
    }
  }
}

template <typename T>
void copy_gradient_features(const Problem &problem, const DirectGradientForm &f, const GradientBox &box,
                            const T *source, int64_t features, T *out) {
  const ck_problem &p = problem.given;
  const MapSteps &steps = problem.features;
  /* Pixels that follow each other: rows, and planes, as far as they are whole. */
  int64_t run = box.count[3], runs = box.count[0] * box.count[1] * box.count[2];
  if (run == p.features[2]) run *= box.count[2], runs /= box.count[2];
  if (run == p.features[1] * p.features[2]) run *= box.count[1], runs /= box.count[1];
  const int64_t planes = runs / box.count[0]; /* of each image */
  const int64_t panel_elements = box.pixels() * f.panels.step;
  const int64_t first = ((box.first[1] * p.features[1] + box.first[2]) * p.features[2] + box.first[3]) * steps.pixel;
  const int64_t plane_step = p.features[1] * p.features[2] * steps.pixel;
  for (int64_t panel = 0; panel * f.panels.width < features; ++panel) {
    const int64_t feature = panel * f.panels.width, rows = smaller(f.panels.width, features - feature);
    T *to = out + panel * panel_elements;
    for (int64_t r = 0; r < runs; ++r, to += run * f.panels.step) {
      const T *const from = source + (box.first[0] + r / planes) * problem.features.batch + first +
                            r % planes * plane_step + feature * steps.channel;
      /* All at once: between rows and step there are too few for calls of their own. */
      if (rows < f.panels.step)
        memset(static_cast<void *>(to), 0, static_cast<size_t>(run * f.panels.step) * sizeof(T));
      move_block(rows, run, from, steps.channel, steps.pixel, to, 1, f.panels.step);
    }
  }
}

#define CONVKIT_INSTANTIATE(T)                                                                                         \
  template void copy_gradient_grid(const Problem &, const DirectGradientForm &, const GradientBox &, const int64_t[3], \
                                   const T *, int64_t, T *);                                                           \
  template void copy_gradient_features(const Problem &, const DirectGradientForm &, const GradientBox &, const T *,    \
                                       int64_t, T *);
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
