/* What the passes of few_pixels.h share: the places that taps have in the image, and the features. */
#ifndef CONVKIT_CONV_FEW_PIXELS_UNIT_H
#define CONVKIT_CONV_FEW_PIXELS_UNIT_H

#include <string.h>

#include "../gemm/copy.h"
#include "../gemm/pack_matrix.h"
#include "../gemm/transpose.h"
#include "../util/host.h"
#include "plan.h"

namespace convkit {

/* Rows of weights, and parts of them, are whole times as long: no vector of any instruction set reads beyond. */
constexpr int64_t kWholeVectors = 16;
constexpr int64_t kMostPixels = 64;       /* of an image; of several together */
constexpr int64_t kMostColumns = 1 << 15; /* of a unit, between two looks at a cancellation */
constexpr int64_t kMostPatch = 1 << 12;   /* pixels x taps: a table of places, and columns of kWholeVectors channels */

/* Under a pixel and a tap, for the first channel: in the columns of an image, and in the image. */
struct Place {
  int64_t column, element;
};

/* In the order in which im2col with packed weights adds to an element of the image: so the bits are the same. Returns
 * how many there are. */
int64_t list_places(const Problem &problem, int64_t pitch, Run *runs, Place *places);

/* Channels of a group, and their columns, [pixel][(channel, tap)] of some images. */
template <typename T>
struct ColumnsPart {
  int64_t group, first, channels; /* the first within the group */
  T *columns;
  const Place *places; /* tap by tap */
  int64_t count;       /* of those that are not in the padding */
};

/* Terms of a product whose sums are pixels: packed panels of these, and rows of weights as they lie. */
template <typename T>
struct WeightRows {
  const T *pixels;
  Panels panels;
  int64_t count, depth; /* pixels; terms, at most kMostDepth */
  const T *weights;
  int64_t step, columns; /* from row to row; of a row */
  T *sums;
  int64_t sums_step;
  bool continues, more;        /* more: rows follow that will be read next */
  const Epilogue<T> *epilogue; /* of channels in lanes, or null */
};

/* Working memory of multiply_rows. */
template <typename T>
struct RowsScratch {
  int64_t *offsets;
  T *pixels, *block;

  RowsScratch(const FewPixelsForm &f, int64_t pixels_together, Carver *carver) {
    offsets = carver->take<int64_t>(kMostDepth);
    pixels = carver->take<T>(panels_room(pixels_together, static_cast<int32_t>(f.height)) * f.depth);
    block = carver->take<T>(f.depth * f.width);
  }
};

template <typename T>
struct FewPixels {
  static constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  const RunContext &context;
  const Problem &problem;
  const FewPixelsForm &f;
  const TileSet<T> &tiles;

  explicit FewPixels(const RunContext &run)
      : context(run), problem(run.plan->problem), f(run.plan->few_pixels), tiles(tiles_of<T>(*run.plan->kernels)) {}

  /* Memory is as busy as the multiply-adds are: the first tile of a block fetches the one after the next. */
  void multiply_rows(const WeightRows<T> &rows, const RowsScratch<T> &scratch) const {
    /* A block of weights whose rows are less than so many cache lines is copied if it is read more often: rows a power
     * of two apart share few sets of the first-level cache, and come from the second each time. */
    constexpr int64_t kMostReads = 2;
    const Panels &panels = rows.panels;
    const bool copies = panels.count > kMostReads && f.width < kMostReads * kLine;
    for (int64_t i = 0; i < rows.depth; ++i) scratch.offsets[i] = i * (copies ? f.width : rows.step);
    TileCall<T> call = {};
    call.a = by_step<T>(panels.step);
    call.b = by_table<T>(scratch.offsets);
    call.depth = call.period = rows.depth;
    call.c_step = rows.sums_step;
    call.continues = rows.continues;
    call.fetched_lines = ceil_div(f.width, kLine);
    call.fetched_step = rows.step;
    for (int64_t j = 0; j < rows.columns; j += f.width) {
      call.columns = static_cast<int32_t>(smaller(f.width, rows.columns - j));
      const int64_t vectors = ceil_div(call.columns, tiles.lanes), later = j + 2 * f.width - rows.columns;
      const T *next = rows.weights + j + 2 * f.width;
      if (later >= 0) next = rows.more ? rows.weights + rows.depth * rows.step + later : nullptr;
      const T *block = rows.weights + j;
      if (copies) block = copy_block(block, next, rows, vectors * tiles.lanes, scratch.block);
      Epilogue<T> epilogue;
      if (rows.epilogue) {
        epilogue = *rows.epilogue;
        if (epilogue.bias) epilogue.bias += j;
        if (epilogue.slope) epilogue.slope += j;
        call.epilogue = &epilogue;
      }
      for (int64_t p = 0; p < panels.count; ++p) {
        const int64_t first = p * panels.width, height = smaller(panels.width, rows.count - first);
        call.a.at = rows.pixels + first / panels.width * rows.depth * panels.step;
        call.b.at = block;
        call.c = rows.sums + first * rows.sums_step + j;
        call.fetched = copies || p > 0 ? nullptr : next;
        tiles.tiles[(height - 1) * kMostVectors + vectors - 1](&call);
      }
    }
  }

  const T *copy_block(const T *weights, const T *next, const WeightRows<T> &rows, int64_t width, T *out) const {
    for (int64_t k = 0; k < rows.depth; ++k, weights += rows.step) {
      for (int64_t l = 0; next && l < width; l += kLine) fetch_early(next + k * rows.step + l);
      copy_run(weights, width, out + k * f.width);
    }
    return out;
  }

  /* Calls visit(element of an image's columns, element of its channels). */
  template <typename Visit>
  void for_each_place(const ColumnsPart<T> &part, const Visit &visit) const {
    for (int64_t c = 0; c < part.channels; ++c) {
      const int64_t column = c * problem.taps, element = c * problem.image.channel;
      for (int64_t i = 0; i < part.count; ++i) visit(column + part.places[i].column, element + part.places[i].element);
    }
  }

  /* im2col: the columns of some images. The padding is zeros. */
  void gather(const ColumnsPart<T> &part, int64_t first, int64_t images) const {
    const T *image = static_cast<const T *>(context.operands->image_in) + first * problem.image.batch +
                     image_channel(part) * problem.image.channel;
    T *columns = part.columns;
    const size_t row = static_cast<size_t>(part.channels * problem.taps) * sizeof(T);
    for (int64_t i = 0; i < images; ++i, image += problem.image.batch, columns += problem.feature_pixels * f.pitch) {
      for (int64_t pixel = 0; pixel < problem.feature_pixels; ++pixel) memset(columns + pixel * f.pitch, 0, row);
      for_each_place(part, [&](int64_t column, int64_t element) { columns[column] = image[element]; });
    }
  }

  /* Of a weight gradient, `rows` rows: the call is that of the first tile of `columns`. */
  void write_rows(const TileCall<T> &first, int64_t rows, int64_t columns) const {
    TileCall<T> call = first;
    for (int64_t j = 0; j < columns; j += f.width) {
      call.columns = static_cast<int32_t>(smaller(f.width, columns - j));
      call.b.at = first.b.at + j;
      call.c = first.c + j;
      const bool more = j + f.width < columns;
      fetch_tile(more ? call.c + f.width : first.c + rows * call.c_step, rows, call.c_step);
      tiles.tiles[(rows - 1) * kMostVectors + ceil_div(call.columns, tiles.lanes) - 1](&call);
    }
  }

  /* Stores would wait for what they write over. */
  void fetch_tile(const T *c, int64_t rows, int64_t step) const {
    for (int64_t row = 0; row < rows; ++row, c += step) {
      for (int64_t j = 0; j < f.width; j += kLine) fetch_ahead(c + j);
    }
  }

  int64_t image_channel(const ColumnsPart<T> &part) const { return part.group * problem.group_channels + part.first; }

  /* The first weight of the part's channels. */
  int64_t weights_at(const ColumnsPart<T> &part, int64_t feature) const {
    return problem.weights.origin + (part.group * problem.group_features + feature) * problem.weights.feature +
           part.first * problem.weights.channel;
  }
};

/* Each in a file of its own: channels first, adjoint and weight gradient; forward; channels last. */
template <typename T>
void block_few_pixels_first(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_few_pixels_first(const RunContext &context);
void block_few_pixels_forward(ck_plan *plan, int32_t slots);
ck_status run_few_pixels_forward(const RunContext &context);
template <typename T>
void block_few_pixels_last(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_few_pixels_last(const RunContext &context);

}  // namespace convkit
#endif
