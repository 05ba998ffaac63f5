/* Copies of the short lengths that packing has: a row of a feature map, a panel's width. Inlined, they beat
 * calls of memcpy and memset. */
#ifndef CONVKIT_GEMM_COPY_H
#define CONVKIT_GEMM_COPY_H

#include <stdint.h>
#include <string.h>

#include "../kernels/unroll.h"

namespace convkit {

template <typename T>
CONVKIT_INLINE void copy_run(const T *source, int64_t count, T *out) {
  constexpr int64_t kGroup = 16 / sizeof(T);
  int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) memcpy(out + i, source + i, 16);
  for (; i < count; ++i) out[i] = source[i];
}

template <typename T>
CONVKIT_INLINE void fill_run(T value, int64_t count, T *out) {
  constexpr int64_t kGroup = 16 / sizeof(T);
  T group[kGroup];
  for (int64_t i = 0; i < kGroup; ++i) group[i] = value;
  int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) memcpy(out + i, group, 16);
  for (; i < count; ++i) out[i] = value;
}

template <typename T>
CONVKIT_INLINE void fill_zeros(T *out, int64_t count) {
  constexpr int64_t kGroup = 16 / sizeof(T);
  int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) memset(out + i, 0, 16);
  for (; i < count; ++i) out[i] = 0;
}

}  // namespace convkit
#endif
