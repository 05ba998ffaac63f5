/* Speed of the core without Node: bench_core [word in the layer's name] [isa] [algorithm]
 *
 * One thread, processor time, weights packed beforehand. The peak is measured on the machine: independent chains of the
 * tile's own multiply-adds on operands that stay in the first-level cache. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "../core/cpu/dispatch.h"
#include "../core/kernels/sets_of.h"
#include "problems.h"

namespace {

/* The best processor time of one call, from at least five and 0.2 s. */
template <typename Body>
double measure(const Body &body) {
  body();
  double best = 1e9, total = 0;
  for (int calls = 0; total < 0.2 || calls < 5; ++calls) {
    const std::clock_t start = std::clock();
    body();
    const double time = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::min(best, time);
    total += time;
  }
  return best;
}

double measure_peak(const convkit::TileSet<float> &tiles) {
  constexpr int64_t depth = 256;
  const size_t room = static_cast<size_t>(depth) * 64;
  std::vector<float> a(room, 1), b(room, 1), c(4096, 0);
  std::vector<int64_t> offsets(depth, 0);
  convkit::TileCall<float> call = {};
  call.a = convkit::by_step<float>(0), call.b = convkit::by_table<float>(offsets.data());
  call.a.at = a.data(), call.b.at = b.data();
  call.depth = call.period = depth;
  call.c = c.data(), call.c_step = 64, call.columns = tiles.columns;
  const auto tile = tiles.tiles[(tiles.rows - 1) * convkit::kMostVectors + tiles.columns / tiles.lanes - 1];
  const double time = measure([&] {
    for (int i = 0; i < 1000; ++i) tile(&call);
  });
  return 2e-9 * 1000 * depth * tiles.rows * tiles.columns / time;
}

void *allocate(void *, size_t bytes, size_t alignment) {
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
void release(void *, void *block) { std::free(block); }
void serial(void *, int64_t count, void (*body)(void *, int64_t, int32_t), void *arg) {
  for (int64_t i = 0; i < count; ++i) body(arg, i, 0);
}
const ck_runtime runtime = {nullptr, allocate, release, serial, 1, nullptr};

struct Layer {
  const char *name;
  int64_t batch, channels, features, groups, size, kernel, stride, pad;
  bool one_row = false; /* of taps */
};
const Layer layers[] = {
    {"3x3 64-64 56", 1, 64, 64, 1, 56, 3, 1, 1},
    {"3x3 128-128 28", 1, 128, 128, 1, 28, 3, 1, 1},
    {"3x3 256-256 14", 1, 256, 256, 1, 14, 3, 1, 1},
    {"3x3 512-512 7", 1, 512, 512, 1, 7, 3, 1, 1},
    {"3x3 s2 128-128 56", 1, 128, 128, 1, 56, 3, 2, 1},
    {"1x1 256-64 56", 1, 256, 64, 1, 56, 1, 1, 0},
    {"7x7 s2 3-64 224", 1, 3, 64, 1, 224, 7, 2, 3},
    {"k4s2 256-512 16 (up)", 1, 256, 512, 1, 16, 4, 2, 1},
    {"k4s2 64-128 64 (up)", 1, 64, 128, 1, 64, 4, 2, 1},
    {"depthwise 3x3 128 56", 1, 128, 128, 128, 56, 3, 1, 1},
    {"9x9 64-64 56", 1, 64, 64, 1, 56, 9, 1, 4},
    {"depthwise 31x31 128 56", 1, 128, 128, 128, 56, 31, 1, 15},
    {"7x7 64-128 7, 64", 64, 64, 128, 1, 7, 7, 1, 0},
    {"depthwise 3x3 s2 128 56", 1, 128, 128, 128, 56, 3, 2, 1},
    {"depthwise 1x5 64 56", 1, 64, 64, 64, 56, 5, 1, 2, true},
    {"depthwise 1x5 64 224", 1, 64, 64, 64, 224, 5, 1, 2, true},
};

double run(const ck_problem &p, ck_pass pass, const char *isa, const char *algorithm) {
  std::vector<float> image(static_cast<size_t>(test::image_size(p)), 0.5f);
  std::vector<float> features(static_cast<size_t>(test::feature_size(p)), 0.5f);
  std::vector<float> weights(static_cast<size_t>(test::weight_size(p)), 0.5f);
  ck_plan *plan = nullptr;
  if (ck_plan_create(&runtime, &p, pass, algorithm, isa, 1, &plan, nullptr) != CK_OK) return 0;
  ck_weights *packed = nullptr;
  if (pass != CK_WEIGHT_GRADIENT) ck_weights_pack(plan, &runtime, weights.data(), &packed);
  ck_operands o = {};
  o.image_in = o.image_out = image.data();
  o.features_in = o.features_out = features.data();
  o.weight_gradient = weights.data();
  o.packed = packed;
  const double time = measure([&] { ck_run(plan, &runtime, &o); });
  ck_weights_destroy(packed);
  ck_plan_destroy(plan);
  return 2e-9 * test::terms_of(p) / time;
}

}  // namespace

int main(int argc, char **argv) {
  const char *const word = argc > 1 ? argv[1] : "", *const isa = argc > 2 && argv[2][0] ? argv[2] : nullptr;
  const char *const algorithm = argc > 3 ? argv[3] : nullptr;
  const convkit::KernelTable *const table = convkit::find_kernel_table(isa);
  if (!table) return std::printf("%s cannot run here\n", isa), 1;
  const double peak = measure_peak(table->f32);
  std::printf("%s, float32, one thread, peak %.0f GFLOP/s; GFLOP/s and %% of peak\n", table->name, peak);
  std::printf("%-24s %-14s %16s %16s %16s\n", "layer", "layout", "forward", "adjoint", "weight gradient");
  for (const Layer &l : layers) {
    if (!std::strstr(l.name, word)) continue;
    for (int32_t layout = 0; layout < 2; ++layout) {
      ck_problem p =
          test::make_problem(l.batch, l.channels, l.features, l.groups, l.size, l.size, l.kernel, l.stride, l.pad, 1);
      if (l.one_row) p.kernel[1] = 1, p.pad_begin[1] = 0, p.features[1] = l.size;
      p.layout = p.weight_layout = layout;
      std::printf("%-24s %-14s", l.name, layout == 0 ? "channels-first" : "channels-last");
      for (const ck_pass pass : {CK_FORWARD, CK_ADJOINT, CK_WEIGHT_GRADIENT}) {
        const double speed = run(p, pass, isa, algorithm);
        std::printf("   %6.1f (%3.0f %%)", speed, 100 * speed / peak);
      }
      std::printf("\n");
      std::fflush(stdout);
    }
  }
  return 0;
}
