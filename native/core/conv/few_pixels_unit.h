/* What the passes of few_pixels.h share: the places that taps have in the image, and the features. */
#ifndef CONVKIT_CONV_FEW_PIXELS_UNIT_H
#define CONVKIT_CONV_FEW_PIXELS_UNIT_H

#include <string.h>

#include "../gemm/pack_matrix.h"
#include "../gemm/transpose.h"
#include "../util/host.h"
#include "plan.h"

namespace convkit {

constexpr int64_t kMostPixels = 64; /* of an image; of several together */

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

template <typename T>
struct FewPixels {
  const RunContext &context;
  const Problem &problem;
  const FewPixelsForm &f;

  explicit FewPixels(const RunContext &run) : context(run), problem(run.plan->problem), f(run.plan->few_pixels) {}

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

  /* Stores would wait for what they write over. */
  void fetch_tile(const T *c, int64_t rows, int64_t step) const {
    constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
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

/* Defined in few_pixels_forward.cpp, and for channels last in few_pixels_last.cpp. */
template <typename T>
void block_few_pixels_forward(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_few_pixels_forward(const RunContext &context);
template <typename T>
void block_few_pixels_last(ck_plan *plan, int32_t slots);
template <typename T>
ck_status run_few_pixels_last(const RunContext &context);

}  // namespace convkit
#endif
