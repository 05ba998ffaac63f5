/* The filters of the Winograd algorithm on their way from memory to panels. */
#ifndef CONVKIT_CONV_WINOGRAD_WEIGHTS_H
#define CONVKIT_CONV_WINOGRAD_WEIGHTS_H

#include "plan.h"

namespace convkit {

/* Packs panels one after the other; not shared by threads, as it remembers where the taps of the last panel lie. */
template <typename T>
class WinogradPacker {
 public:
  WinogradPacker(const ck_plan &plan, const void *weights);

  /* Transformed filters of some source channels: out[point * apart + (channel * terms + term) * step + row], up to the
   * panel's step. */
  void pack(int64_t group, int64_t panel, int64_t first, int64_t channels, T *out, int64_t apart);

 private:
  static constexpr int64_t kWidestPanel = int64_t{kMostVectors} * 16, kPlaceTaps = int64_t{kFilterTaps} * kFilterTaps;
  using Places = const int64_t (*)[kPlaceTaps];

  void list_places(int64_t panel, int64_t term);
  void collect(const T *origin, int64_t channels, int64_t channel_step, int64_t first, int64_t rows, T *filters) const;

  const Problem &problem_;
  const WinogradForm &f_;
  const T *weights_;
  const WinogradSet<T> &transforms_;
  int64_t taps_;
  T y_[kMostPoints][kFilterTaps], x_[kMostPoints][kFilterTaps];
  int64_t panel_ = -1, term_ = -1;
  int64_t places_[kWidestPanel + kFilterRows][kPlaceTaps]; /* [row of the panel][tap], from the first channel on */
};

}  // namespace convkit
#endif
