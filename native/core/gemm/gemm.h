/* C (+)= A * B in tiles. The one loop nest of all passes; they differ in how A and B were packed. */
#ifndef CONVKIT_GEMM_GEMM_H
#define CONVKIT_GEMM_GEMM_H

#include "../kernels/kernel_table.h"

namespace convkit {

/* Who calls single tiles looks for a cancellation before each that has more terms; multiply() itself never looks. */
constexpr int64_t kLookDepth = 4096;

/* One block of terms of an operand: panel p begins at data + p * panel_step. */
template <typename T>
struct Operand {
  const T *data;
  int64_t panel_step;
  int32_t width; /* rows (A) or columns (B) of a full panel */
  int32_t step;  /* A: from one term to the next. B goes by its offsets */
};

template <typename T>
struct Product {
  Operand<T> a, b;
  const int64_t *b_offsets;
  int64_t rows, columns, depth;
  T *c;
  int64_t c_step;
  bool continues;              /* false: C is written without being read */
  const Epilogue<T> *epilogue; /* null but with the last block of terms */
};

template <typename T>
void multiply(const TileSet<T> &tiles, const Product<T> &product);

}  // namespace convkit
#endif
