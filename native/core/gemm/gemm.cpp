#include "gemm.h"

#include "../kernels/sets_of.h"
#include "../util/numbers.h"

namespace convkit {

/* A panel of B (KC x NR) stays in the first-level cache while the panels of A pass by. */
template <typename T>
void multiply(const TileSet<T> &tiles, const Product<T> &p) {
  for (int64_t j = 0; j < p.columns; j += p.b.width) {
    const int64_t columns = smaller(p.b.width, p.columns - j);
    const int64_t vectors = ceil_div(columns, tiles.lanes);
    for (int64_t i = 0; i < p.rows; i += p.a.width) {
      const int64_t rows = smaller(p.a.width, p.rows - i);
      TileCall<T> call = {};
      call.a = by_step<T>(p.a.step);
      call.b = by_table<T>(p.b_offsets);
      call.a.at = p.a.data + i / p.a.width * p.a.panel_step;
      call.b.at = p.b.data + j / p.b.width * p.b.panel_step;
      call.depth = call.period = p.depth;
      call.c = p.c + i * p.c_step + j;
      call.c_step = p.c_step;
      call.columns = static_cast<int32_t>(columns);
      call.continues = p.continues;
      call.epilogue = nullptr;
      Epilogue<T> epilogue;
      if (p.epilogue) {
        const int64_t channel = p.epilogue->channels_in_lanes ? j : i;
        epilogue = *p.epilogue;
        if (epilogue.bias) epilogue.bias += channel;
        if (epilogue.slope) epilogue.slope += channel;
        call.epilogue = &epilogue;
      }
      tiles.tiles[(rows - 1) * kMostVectors + vectors - 1](&call);
    }
  }
}

template void multiply(const TileSet<float> &, const Product<float> &);
template void multiply(const TileSet<double> &, const Product<double> &);

}  // namespace convkit
