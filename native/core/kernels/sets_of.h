/* The kernels of an element type, and how to call a tile. Apart from kernel_table.h, which must not have functions with
 * a body. */
#ifndef CONVKIT_KERNELS_SETS_OF_H
#define CONVKIT_KERNELS_SETS_OF_H

#include <type_traits>

#include "kernel_table.h"

namespace convkit {

template <typename T, typename OfFloat, typename OfDouble>
const auto &of_type(const OfFloat &f32, const OfDouble &f64) {
  if constexpr (std::is_same_v<T, float>) {
    return f32;
  } else {
    return f64;
  }
}

/* The sides of a tile's operands, without their place: terms by a table, or one behind the other. */
template <typename T>
TileSide<T> by_table(const int64_t *offsets, int64_t turn = 0) {
  return {nullptr, offsets, 1, 0, turn};
}
template <typename T>
TileSide<T> by_step(int64_t step) {
  return {nullptr, kNoOffset, 0, step, 0};
}

template <typename T>
const TileSet<T> &tiles_of(const KernelTable &table) {
  return of_type<T>(table.f32, table.f64);
}
template <typename T>
const DepthwiseSet<T> &depthwise_of(const KernelTable &table) {
  return of_type<T>(table.depthwise_f32, table.depthwise_f64);
}
template <typename T>
const FftSet<T> &fft_of(const KernelTable &table) {
  return of_type<T>(table.fft_f32, table.fft_f64);
}
template <typename T>
const WinogradSet<T> &winograd_of(const KernelTable &table) {
  return of_type<T>(table.winograd_f32, table.winograd_f64);
}

}  // namespace convkit
#endif
