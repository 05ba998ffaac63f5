/* Spectra of the weights: conjugated, since taps are correlated, and scaled so that nothing else needs to be. Rows of a
 * panel (channels of the result) are the lanes. */
#include <string.h>

#include "fft_lanes.h"
#include "plan.h"

namespace convkit {
namespace {

template <typename T>
struct PackBuffers {
  FftBuffers<T> bundle;
  T *piece;
  PackBuffers(const FftForm &f, Carver *carver) : bundle(f, carver) {
    piece = carver->take<T>(kFftBlockVectors * f.lanes);
  }
};

template <typename T>
struct Packer {
  const ck_plan &plan;
  const Problem &problem;
  const FftForm &f;
  const FftSet<T> &kernels;
  FftTables<T> tables;
  const T *weights;
  T *packed;
  char *scratch;
  int64_t scratch_step;

  /* Lanes are `count` channels of the result from `row` on, of one channel of the source, both within the group. */
  void lanes_of(int64_t group, int64_t input, int64_t row, int64_t count, FftLanes *l) const {
    const auto &w = problem.weights;
    l->count = count;
    l->padding_mode = CK_ZEROS;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t feature = group * problem.group_features + (f.adjoint ? input : row + i);
      const int64_t channel = f.adjoint ? row + i : input;
      l->origin[i] = w.origin + feature * w.feature + channel * w.channel;
      for (int a = 0; a < 3; ++a) l->start[a][i] = 0;
    }
    finish_lanes(l);
  }

  /* The steps of the taps, backwards in the adjoint. */
  void finish_lanes(FftLanes *l) const {
    const auto &w = problem.weights;
    int64_t step = w.tap;
    for (int a = 2; a >= 0; --a) {
      l->extent[a] = f.axes[a].taps;
      l->dilation[a] = 1;
      l->step[a] = f.adjoint ? -step : step;
      for (int64_t i = 0; i < l->count; ++i) l->origin[i] += f.adjoint ? (f.axes[a].taps - 1) * step : 0;
      step *= f.axes[a].taps;
    }
    l->neighbours = l->count > 1 && l->origin[1] - l->origin[0] == 1;
  }

  FftBundle<T> transform(const FftLanes &lanes, const PackBuffers<T> &buffers) const {
    const FftBundle<T> bundle = {f, kernels, tables, buffers.bundle};
    const int64_t filled[3] = {f.axes[0].taps, f.axes[1].taps, f.axes[2].taps};
    bundle.load(lanes, filled, weights);
    return bundle;
  }

  /* Calls visit(frequency, real and imaginary vector) for all of a bundle. */
  template <typename Visit>
  void each_frequency(const FftBundle<T> &bundle, const PackBuffers<T> &buffers, const Visit &visit) const {
    double points = 1;
    for (const FftAxis &axis : f.axes) points *= static_cast<double>(axis.points);
    /* Splitting doubles source and weights, merging doubles what it takes. */
    const T scale = static_cast<T>(1 / (8 * points));
    for (int64_t first = 0; first < f.pairs; first += kFftBlockPairs) {
      const FftPairs<T> pairs = bundle.pairs(first, smaller(kFftBlockPairs, f.pairs - first));
      kernels.split(&pairs, bundle.buffers.data, buffers.piece);
      for (int64_t i = 0; i < 2 * pairs.count; ++i) {
        T *const real = buffers.piece + 2 * i * f.lanes, *const imaginary = real + f.lanes;
        for (int64_t l = 0; l < f.lanes; ++l) {
          real[l] *= scale;
          imaginary[l] *= -scale;
        }
        visit(2 * first + i, real, imaginary);
      }
    }
  }

  void dense(int64_t unit, int32_t slot) const {
    const int64_t input = unit % f.inputs, panel = unit / f.inputs % f.panels.count;
    const int64_t group = unit / f.inputs / f.panels.count, step = f.panels.step, depth = 2 * f.inputs;
    Carver carver(scratch + slot * scratch_step);
    const PackBuffers<T> buffers(f, &carver);
    T *const out = packed + group * f.group_weights + panel * depth * step + 2 * input * step;
    for (int64_t column = 0; column < step; column += f.lanes) {
      const int64_t row = panel * f.panels.width + column;
      const int64_t in_panel = smaller(f.panels.width - column, f.outputs - row);
      const int64_t width = smaller(f.lanes, step - column);
      FftLanes lanes;
      lanes_of(group, input, row, clamp(in_panel, 0, f.lanes), &lanes);
      each_frequency(transform(lanes, buffers), buffers, [&](int64_t frequency, const T *real, const T *imaginary) {
        T *const to = out + frequency * f.panels.count * depth * step + column;
        memcpy(to, real, static_cast<size_t>(width) * sizeof(T));
        memcpy(to + step, imaginary, static_cast<size_t>(width) * sizeof(T));
      });
    }
  }

  /* Lanes are channels; without channels in lanes each of them gets its factors by itself. */
  void depthwise(int64_t unit, int32_t slot) const {
    Carver carver(scratch + slot * scratch_step);
    const PackBuffers<T> buffers(f, &carver);
    const auto &w = problem.weights;
    const int64_t first = unit * f.lanes, count = smaller(f.lanes, problem.given.groups - first);
    FftLanes lanes;
    lanes.count = count;
    lanes.padding_mode = CK_ZEROS;
    for (int64_t i = 0; i < count; ++i) {
      lanes.origin[i] = w.origin + (first + i) * w.feature;
      for (int a = 0; a < 3; ++a) lanes.start[a][i] = 0;
    }
    finish_lanes(&lanes);
    each_frequency(transform(lanes, buffers), buffers, [&](int64_t frequency, const T *real, const T *imaginary) {
      if (f.source_channels_inner) {
        T *const to = packed + (unit * f.pairs * 2 + frequency) * 2 * f.lanes;
        memcpy(to, real, static_cast<size_t>(f.lanes) * sizeof(T));
        memcpy(to + f.lanes, imaginary, static_cast<size_t>(f.lanes) * sizeof(T));
        return;
      }
      for (int64_t i = 0; i < count; ++i) {
        T *const to = packed + ((first + i) * f.pairs * 2 + frequency) * 2;
        to[0] = real[i];
        to[1] = imaginary[i];
      }
    });
  }
};

}  // namespace

template <typename T>
int64_t fft_pack_scratch(const FftForm &f) {
  Carver measure(nullptr);
  PackBuffers<T>(f, &measure);
  return measure.used();
}

template <typename T>
ck_status pack_fft_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const FftForm &f = plan.fft;
  Carver carver(packed);
  const FftTables<T> tables(f, &carver);
  tables.fill(f);
  const int64_t step = plan.blocking.pack_bytes;
  const Block scratch(host, step * (plan.small ? 1 : host.slots));
  if (!scratch.data()) return CK_OUT_OF_MEMORY;
  const Packer<T> packer = {plan,
                            plan.problem,
                            f,
                            fft_of<T>(*plan.kernels),
                            tables,
                            static_cast<const T *>(weights),
                            reinterpret_cast<T *>(packed + f.tables_bytes),
                            scratch.data(),
                            step};
  const int64_t groups = plan.problem.given.groups;
  if (f.depthwise) {
    const auto pack = [&](int64_t unit, int32_t slot) { packer.depthwise(unit, slot); };
    return for_each_unit(host, ceil_div(groups, f.lanes), plan.small, pack);
  }
  const auto pack = [&](int64_t unit, int32_t slot) { packer.dense(unit, slot); };
  return for_each_unit(host, groups * f.panels.count * f.inputs, plan.small, pack);
}

template int64_t fft_pack_scratch<float>(const FftForm &);
template int64_t fft_pack_scratch<double>(const FftForm &);
template ck_status pack_fft_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_fft_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);

}  // namespace convkit
