#include "direct_rows.h"

#include "im2col.h"

namespace convkit {
namespace {

/* Of the tables of a line of products, and of the weights of a panel: what stays in the first-level cache, or near. */
constexpr int64_t kPlaneTerms = 1 << 13;
constexpr int64_t kPanelBytes = 128 << 10;

/* Where im2col is worth a look, and what it must save by the models. */
constexpr int64_t kFewChannels = 3;
constexpr double kLeastGain = 1.25;

template <typename T>
bool columns_pay_as(const ck_plan &plan) {
  const TileSet<T> &tiles = tiles_of<T>(*plan.kernels);
  return kLeastGain * adjoint_cost(plan.problem, tiles) < direct_cost(plan.problem, plan.pass, tiles);
}

}  // namespace

bool can_go_by_rows(const DirectForm &f, int64_t element_bytes) {
  const DirectAxis &y = f.axes[1];
  const PhaseTaps taps = phase_taps(y, 0); /* no phase has more */
  if (f.joint || f.deep() || f.rows > kImageRowChannels || y.planes > 1 || y.taps < kLeastRowTaps * y.phases)
    return false;
  const int64_t step = tap_shift(y, taps, 1) - tap_shift(y, taps, 0);
  if (step != 1 && step != -1) return false;
  const int64_t planes = f.channels * phase_taps(f.axes[0], 0).count;
  return planes * f.line_products <= kPlaneTerms &&
         planes * taps.count * phase_taps(f.axes[2], 0).count * element_bytes <= kPanelBytes;
}

const char *columns_pay(ck_plan *plan) {
  const Problem &problem = plan->problem;
  if (const char *const reason = few_pixels_pay(*plan)) return reason;
  if (plan->pass != CK_ADJOINT || problem.given.layout != CK_CHANNELS_FIRST) return nullptr;
  if (problem.group_channels > kFewChannels || problem.taps == 1) return nullptr;
  const bool f32 = problem.given.image_type == CK_FLOAT32;
  return (f32 ? columns_pay_as<float>(*plan) : columns_pay_as<double>(*plan)) ? "so few channels are better columns"
                                                                              : nullptr;
}

template <typename T>
void multiply_rows(const DirectForm &f, const DirectProduct &product, const DirectBox &box, const RowsWork<T> &work,
                   const DepthwiseSet<T> &kernels, int64_t lanes) {
  const Range &zs = box.positions[0], &ys = box.positions[1], &xs = box.positions[2];
  /* In the adjoint, taps go upwards; so do the rows of a tile. */
  const bool upwards = f.axes[0].adjoint;
  const int64_t height = ys.end - ys.begin, width = xs.end - xs.begin, most = image_rows(product.along[1]);
  DepthwiseCall<T> call = {};
  call.taps = {work.weights, box.table, product.along[2]};
  call.planes = box.planes;
  call.height = product.along[1];
  call.depth = product.taps > 0 ? f.channels * product.along[0] : 0;
  call.stride = call.tiles = 1;
  call.source_step = upwards ? -f.pitch : f.pitch;
  call.result_step = upwards ? -work.y : work.y;
  call.epilogue = work.epilogue;
  const int64_t tile_rows = balanced(height, most);
  for (int64_t z = zs.begin; z < zs.end; ++z) {
    for (int64_t y = 0; y < height; y += tile_rows) {
      const int64_t rows = smaller(tile_rows, height - y), first = ys.begin + y + (upwards ? rows - 1 : 0);
      const int64_t wide = balanced(ceil_div(width, lanes), kernels.vectors[rows - 1]) * lanes;
      const auto *const tiles = kernels.tiles + (rows - 1) * kMostVectors;
      for (int64_t x = 0; x < width; x += wide) {
        const int64_t columns = smaller(wide, width - x);
        call.source = work.grid + (z * f.grid[1] + first) * f.pitch + xs.begin + x;
        call.result = work.result + z * work.z + first * work.y + (xs.begin + x) * work.x;
        call.width = static_cast<int32_t>(columns);
        tiles[ceil_div(columns, lanes) - 1](&call);
      }
    }
  }
}

#define CONVKIT_INSTANTIATE(T)                                                                                   \
  template void multiply_rows(const DirectForm &, const DirectProduct &, const DirectBox &, const RowsWork<T> &, \
                              const DepthwiseSet<T> &, int64_t);
CONVKIT_INSTANTIATE(float)
CONVKIT_INSTANTIATE(double)
#undef CONVKIT_INSTANTIATE

}  // namespace convkit
