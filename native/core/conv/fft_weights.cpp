/* Spectra of the weights: conjugated, since taps are correlated, and scaled so that nothing else needs to be. Rows of a
 * panel (channels of the result) are the lanes. */
#include "../gemm/copy.h"
#include "fft_lanes.h"
#include "plan.h"

namespace convkit {
namespace {

/* Pairs of frequencies between two looks at a cancellation: each lies in other pages of the packed weights. */
constexpr int64_t kLookPairs = 256;

template <typename T>
struct PackBuffers {
  FftBuffers<T> bundle;
  T *spectra;
  PackBuffers(const FftForm &f, Carver *carver) : bundle(f, carver) {
    const int64_t bundles = f.depthwise ? 1 : f.pack_block * ceil_div(f.panels.step, f.lanes);
    spectra = carver->take<T>(bundles * 4 * f.pairs * f.lanes);
  }
};

template <typename T>
struct Packer {
  const ck_plan &plan;
  const ck_runtime &host;
  const Problem &problem;
  const FftForm &f;
  const FftSet<T> &kernels;
  FftTables<T> tables;
  const T *weights;
  T *packed;
  char *scratch;
  int64_t scratch_step;

  void transform(const FftLanes &lanes, const PackBuffers<T> &buffers, T *spectra) const {
    const FftBundle<T> bundle = {f, kernels, tables, buffers.bundle};
    const int64_t filled[3] = {f.axes[0].taps, f.axes[1].taps, f.axes[2].taps};
    bundle.load(lanes, filled, weights);
    const T scale = static_cast<T>(fft_scale(f));
    const FftPairs<T> pairs = bundle.pairs(0, f.pairs);
    kernels.split(&pairs, bundle.buffers.data, spectra);
    for (int64_t i = 0; i < 2 * f.pairs; ++i, spectra += 2 * f.lanes) {
      for (int64_t l = 0; l < f.lanes; ++l) spectra[l] *= scale;
      for (int64_t l = f.lanes; l < 2 * f.lanes; ++l) spectra[l] *= -scale;
    }
  }

  /* Some channels of the source by one panel, so that what is written lies together. */
  void dense(int64_t unit, int32_t slot) const {
    const int64_t blocks = ceil_div(f.inputs, f.pack_block), first = unit % blocks * f.pack_block;
    const int64_t count = smaller(f.pack_block, f.inputs - first);
    const int64_t panel = unit / blocks % f.panels.count, group = unit / blocks / f.panels.count;
    const int64_t step = f.panels.step, vectors = ceil_div(step, f.lanes), bundle = 4 * f.pairs * f.lanes;
    Carver carver(scratch + slot * scratch_step);
    const PackBuffers<T> buffers(f, &carver);
    const auto &w = problem.weights;
    const int64_t origin = w.origin + group * problem.group_features * w.feature;
    const int64_t input_step = f.adjoint ? w.feature : w.channel, row_step = f.adjoint ? w.channel : w.feature;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t v = 0; v < vectors; ++v) {
        const int64_t row = panel * f.panels.width + v * f.lanes;
        const int64_t rows = smaller(f.panels.width - v * f.lanes, f.outputs - row);
        if (cancelled(host)) return;
        FftLanes lanes;
        fft_weight_lanes(problem, f, origin + (first + i) * input_step + row * row_step, row_step,
                         clamp(rows, 0, f.lanes), &lanes);
        transform(lanes, buffers, buffers.spectra + (i * vectors + v) * bundle);
      }
    }
    for (int64_t pair = 0; pair < f.pairs; ++pair) {
      if (pair % kLookPairs == 0 && cancelled(host)) return;
      T *to = packed + group * f.group_weights + ((pair * f.panels.count + panel) * f.inputs + first) * 4 * step;
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t k = 0; k < 4; ++k, to += step) {
          for (int64_t v = 0; v < vectors; ++v) {
            const T *const from = buffers.spectra + (i * vectors + v) * bundle + (pair * 4 + k) * f.lanes;
            copy_run(from, smaller(f.lanes, step - v * f.lanes), to + v * f.lanes);
          }
        }
      }
    }
  }

  /* Lanes are channels; without channels in lanes each of them gets its factors by itself. */
  void depthwise(int64_t unit, int32_t slot) const {
    Carver carver(scratch + slot * scratch_step);
    const PackBuffers<T> buffers(f, &carver);
    const auto &w = problem.weights;
    const int64_t first = unit * f.lanes, count = smaller(f.lanes, problem.given.groups - first);
    FftLanes lanes;
    fft_weight_lanes(problem, f, w.origin + first * w.feature, w.feature, count, &lanes);
    if (f.source_channels_inner) return transform(lanes, buffers, packed + unit * f.pairs * 4 * f.lanes);
    transform(lanes, buffers, buffers.spectra);
    for (int64_t k = 0; k < 4 * f.pairs; ++k) {
      for (int64_t i = 0; i < count; ++i) packed[(first + i) * f.pairs * 4 + k] = buffers.spectra[k * f.lanes + i];
    }
  }
};

}  // namespace

template <typename T>
int64_t fft_pack_scratch(const FftForm &f) {
  return bytes_of<PackBuffers<T>>(f);
}

template <typename T>
ck_status pack_fft_weights(const ck_plan &plan, const ck_runtime &host, const void *weights, char *packed) {
  const FftForm &f = plan.fft;
  Carver carver(packed);
  const FftTables<T> tables(f, &carver);
  tables.fill(f, host);
  const int64_t step = plan.blocking.pack_bytes;
  const Block scratch(host, step * (plan.small ? 1 : host.slots));
  if (!scratch.data()) return CK_OUT_OF_MEMORY;
  const Packer<T> packer = {plan,
                            host,
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
  return for_each_unit(host, groups * f.panels.count * ceil_div(f.inputs, f.pack_block), plan.small, pack);
}

template int64_t fft_pack_scratch<float>(const FftForm &);
template int64_t fft_pack_scratch<double>(const FftForm &);
template ck_status pack_fft_weights<float>(const ck_plan &, const ck_runtime &, const void *, char *);
template ck_status pack_fft_weights<double>(const ck_plan &, const ck_runtime &, const void *, char *);

}  // namespace convkit
