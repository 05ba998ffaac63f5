/* How long a running call does not look whether it has been cancelled: latency_core [word in the case's name] [--limit
 * MS]
 *
 * Every algorithm and pass of large problems of every kind, on one thread. Told are stretches of processor time between
 * two looks, from the start to the end of the call, that are longer than the limit (10 ms); the program fails if there
 * is one. Memory that goes back to the system at the end is not part of it: unmapping 200 MB takes 20 ms, cancelled or
 * not. */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "problems.h"

namespace {

double milliseconds() { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/* The host of one call, which notes when it is asked. */
struct Watch {
  ck_runtime runtime = {this, allocate, release, serial, 1, cancelled};
  double start = 0, last = 0, longest = 0, at = 0;
  long looks = 0;

  void begin() {
    longest = at = 0;
    looks = 0;
    start = last = milliseconds();
  }
  void look() {
    const double now = milliseconds();
    if (now - last > longest) longest = now - last, at = last - start;
    last = now;
    ++looks;
  }

  static Watch &of(void *context) { return *static_cast<Watch *>(context); }
  static void *allocate(void *, size_t bytes, size_t alignment) {
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  static void release(void *context, void *block) {
    const double before = milliseconds();
    std::free(block);
    of(context).last += milliseconds() - before;
  }
  static void serial(void *, int64_t count, void (*body)(void *, int64_t, int32_t), void *arg) {
    for (int64_t i = 0; i < count; ++i) body(arg, i, 0);
  }
  static int32_t cancelled(void *context) { return of(context).look(), 0; }
};

enum Form {
  first = 0,
  last = 1,
  first_with_last_weights = 2,
  doubles = 4,
  nan_features = 8,
  reflected = 16,
  circular = 32
};

struct Case {
  const char *name;
  int64_t batch, channels, features, groups;
  int64_t image[3], kernel[3];
  int64_t stride, pad, dilation; /* of every axis whose kernel is longer than 1 */
  int form;
};

const Case cases[] = {
    {"dense", 1, 256, 256, 1, {1, 96, 96}, {1, 3, 3}, 1, 1, 1, first},
    {"dense", 1, 256, 256, 1, {1, 96, 96}, {1, 3, 3}, 1, 1, 1, last},
    {"dense large map", 1, 64, 64, 1, {1, 512, 512}, {1, 3, 3}, 1, 1, 1, last},
    {"dense float64", 1, 128, 128, 1, {1, 96, 96}, {1, 3, 3}, 1, 1, 1, doubles},
    {"dense reflect", 1, 128, 128, 1, {1, 128, 128}, {1, 3, 3}, 1, 1, 1, reflected},
    {"dense circular", 1, 128, 128, 1, {1, 128, 128}, {1, 3, 3}, 1, 1, 1, last | circular},
    {"k4s2", 1, 256, 512, 1, {1, 128, 128}, {1, 4, 4}, 2, 1, 1, first},
    {"k4s2 large map", 1, 64, 64, 1, {1, 512, 512}, {1, 4, 4}, 2, 1, 1, first},
    {"3-D", 1, 64, 64, 1, {40, 40, 40}, {3, 3, 3}, 1, 1, 1, first},
    {"3-D", 1, 64, 64, 1, {40, 40, 40}, {3, 3, 3}, 1, 1, 1, last},
    {"3-D k2s2", 1, 64, 64, 1, {64, 64, 64}, {2, 2, 2}, 2, 0, 1, first},
    {"weights 1 pixel", 1, 8192, 8192, 1, {1, 1, 1}, {1, 1, 1}, 1, 0, 1, first},
    {"weights 1 pixel", 1, 8192, 8192, 1, {1, 1, 1}, {1, 1, 1}, 1, 0, 1, first_with_last_weights},
    {"weights 1 pixel", 1, 8192, 8192, 1, {1, 1, 1}, {1, 1, 1}, 1, 0, 1, last},
    {"weights 64 pixels", 64, 8192, 8192, 1, {1, 1, 1}, {1, 1, 1}, 1, 0, 1, first},
    {"weights 3x3", 1, 1536, 1536, 1, {1, 7, 7}, {1, 3, 3}, 1, 1, 1, first},
    {"weights 3x3", 1, 1536, 1536, 1, {1, 7, 7}, {1, 3, 3}, 1, 1, 1, first_with_last_weights},
    {"weights 3x3", 1, 1536, 1536, 1, {1, 7, 7}, {1, 3, 3}, 1, 1, 1, last},
    {"weights 4x4 s2", 1, 1024, 2048, 1, {1, 8, 8}, {1, 4, 4}, 2, 1, 1, first},
    {"one feature", 1, 2048, 1, 1, {1, 96, 96}, {1, 5, 5}, 1, 2, 1, first},
    {"one feature", 1, 2048, 1, 1, {1, 96, 96}, {1, 5, 5}, 1, 2, 1, last},
    {"one channel", 1, 1, 64, 1, {1, 1024, 1024}, {1, 7, 7}, 1, 3, 1, first},
    {"one channel", 1, 1, 64, 1, {1, 1024, 1024}, {1, 7, 7}, 1, 3, 1, last},
    {"one to one", 1, 1, 1, 1, {1, 4096, 4096}, {1, 5, 5}, 1, 2, 1, first},
    {"batch of small maps", 8192, 64, 64, 1, {1, 4, 4}, {1, 3, 3}, 1, 1, 1, first},
    {"batch of small maps", 8192, 64, 64, 1, {1, 4, 4}, {1, 3, 3}, 1, 1, 1, last},
    {"batch of tiny maps", 200000, 4, 4, 1, {1, 2, 2}, {1, 3, 3}, 1, 1, 1, first},
    {"1-D k64", 1, 64, 64, 1, {1, 1, 100000}, {1, 1, 64}, 1, 0, 1, first},
    {"1-D k64", 1, 64, 64, 1, {1, 1, 100000}, {1, 1, 64}, 1, 0, 1, last},
    {"1-D k1024", 1, 16, 16, 1, {1, 1, 100000}, {1, 1, 1024}, 1, 0, 1, first},
    {"1-D k20000", 1, 2, 2, 1, {1, 1, 100000}, {1, 1, 20000}, 1, 0, 1, first},
    {"1-D k1024 s256", 1, 1, 1026, 1, {1, 1, 512000}, {1, 1, 1024}, 256, 0, 1, first},
    {"one row k101", 1, 1, 1, 1, {1, 1, 8000000}, {1, 1, 101}, 1, 0, 1, first},
    {"one row k5", 1, 1, 1, 1, {1, 1, 20000000}, {1, 1, 5}, 1, 0, 1, first},
    {"depthwise", 1, 256, 256, 256, {1, 384, 384}, {1, 5, 5}, 1, 2, 1, first},
    {"depthwise", 1, 256, 256, 256, {1, 512, 512}, {1, 5, 5}, 1, 2, 1, last},
    {"depthwise large map", 1, 2, 2, 2, {1, 4000, 4000}, {1, 7, 7}, 1, 3, 1, first},
    {"depthwise large map", 1, 8, 8, 8, {1, 2000, 4000}, {1, 5, 5}, 1, 2, 1, last},
    {"depthwise one row", 1, 8, 8, 8, {1, 1, 4000000}, {1, 1, 31}, 1, 15, 1, last},
    {"depthwise one row", 1, 4, 4, 4, {1, 1, 4000000}, {1, 1, 31}, 1, 0, 1, first},
    {"depthwise k4000", 1, 2, 2, 2, {1, 1, 1000000}, {1, 1, 4000}, 1, 0, 1, first},
    {"depthwise 31x31", 1, 64, 64, 64, {1, 192, 192}, {1, 31, 31}, 1, 15, 1, first},
    {"depthwise 31x31", 1, 64, 64, 64, {1, 192, 192}, {1, 31, 31}, 1, 15, 1, last},
    {"depthwise s2", 1, 256, 256, 256, {1, 512, 512}, {1, 3, 3}, 2, 1, 1, first},
    {"depthwise x4", 1, 64, 256, 64, {1, 512, 512}, {1, 3, 3}, 1, 1, 1, first},
    {"depthwise x4", 1, 64, 256, 64, {1, 512, 512}, {1, 3, 3}, 1, 1, 1, last},
    {"depthwise many", 1, 2000000, 2000000, 2000000, {1, 4, 4}, {1, 3, 3}, 1, 1, 1, first},
    {"depthwise 3-D", 1, 64, 64, 64, {64, 64, 64}, {3, 3, 3}, 1, 1, 1, first},
    {"grouped", 1, 512, 512, 32, {1, 96, 96}, {1, 3, 3}, 1, 1, 1, first},
    {"grouped by two", 1, 8192, 8192, 4096, {1, 16, 16}, {1, 3, 3}, 1, 1, 1, first},
    {"kernel 65", 1, 16, 16, 1, {1, 192, 192}, {1, 65, 65}, 1, 32, 1, first},
    {"kernel 128", 1, 2, 2, 1, {1, 256, 256}, {1, 128, 128}, 1, 0, 1, first},
    {"kernel as the image", 1, 64, 64, 1, {1, 224, 224}, {1, 224, 224}, 1, 0, 1, first},
    {"dilated", 1, 512, 512, 1, {1, 64, 64}, {1, 3, 3}, 1, 12, 12, first},
    {"1x1", 1, 1024, 1024, 1, {1, 96, 96}, {1, 1, 1}, 1, 0, 1, first},
    {"1x1", 1, 1024, 1024, 1, {1, 96, 96}, {1, 1, 1}, 1, 0, 1, last},
    {"deep", 1, 200000, 16, 1, {1, 8, 8}, {1, 3, 3}, 1, 1, 1, first},
    {"many features", 1, 16, 100000, 1, {1, 8, 8}, {1, 4, 4}, 2, 1, 1, first},
    {"stride 64", 1, 3, 64, 1, {1, 4096, 4096}, {1, 8, 8}, 64, 0, 1, first},
    {"onto one pixel", 64, 2048, 1000, 1, {1, 7, 7}, {1, 7, 7}, 1, 0, 1, first},
    {"batch onto one pixel", 2048, 1024, 512, 1, {1, 4, 4}, {1, 4, 4}, 1, 0, 1, first},
    {"few pixels, many features", 16, 512, 32768, 1, {1, 2, 2}, {1, 1, 1}, 1, 0, 1, last},
    {"few pixels apart", 1, 256, 128, 1, {1, 512, 512}, {1, 2, 2}, 300, 0, 1, first},
    {"mostly padding", 1, 4, 4, 1, {1, 4, 4}, {1, 3, 3}, 1, 1000, 1, first},
    {"mostly padding", 1, 1, 16, 1, {1, 1, 8192}, {1, 1, 1 << 22}, 1, (1 << 21) - 4096, 1, last},
    {"NaN in the features", 1, 128, 128, 1, {1, 128, 128}, {1, 3, 3}, 1, 1, 1, nan_features},
    {"NaN in the features, depthwise", 1, 64, 64, 64, {1, 256, 256}, {1, 5, 5}, 1, 2, 1, nan_features},
};

ck_problem problem_of(const Case &c) {
  ck_problem p = test::make_problem(c.batch, c.channels, c.features, c.groups, 1, 1, 1, 1, 0, 1);
  for (int axis = 0; axis < 3; ++axis) {
    const bool slides = c.kernel[axis] > 1;
    p.image[axis] = c.image[axis];
    p.kernel[axis] = c.kernel[axis];
    p.stride[axis] = slides ? c.stride : 1;
    p.dilation[axis] = slides ? c.dilation : 1;
    p.pad_begin[axis] = slides ? c.pad : 0;
    const int64_t reach = p.dilation[axis] * (p.kernel[axis] - 1) + 1;
    p.features[axis] = (p.image[axis] + 2 * p.pad_begin[axis] - reach) / p.stride[axis] + 1;
  }
  p.layout = (c.form & last) != 0;
  p.weight_layout = (c.form & (last | first_with_last_weights)) != 0;
  p.padding_mode = (c.form & reflected) != 0 ? CK_REFLECT : (c.form & circular) != 0 ? CK_CIRCULAR : CK_ZEROS;
  if ((c.form & doubles) != 0) p.image_type = p.weight_type = p.accumulator_type = p.feature_type = CK_FLOAT64;
  return p;
}

/* True unless there is a stretch above the limit. */
template <typename Body>
bool watch(Watch *w, double limit, const std::string &what, const Body &body) {
  ck_status status = CK_OK;
  Watch best;
  best.longest = INFINITY;
  for (int attempt = 0; attempt < 3 && best.longest > limit; ++attempt) { /* the system's own pauses do not repeat */
    w->begin();
    status = body();
    w->look();
    if (w->longest < best.longest) best = *w;
  }
  *w = best;
  w->runtime.context = w;
  if (status != CK_OK) std::printf("FAILED with status %d: %s\n", static_cast<int>(status), what.c_str());
  if (w->longest > limit)
    std::printf("%6.1f ms without a look, %.0f ms from the start, of %.0f (%ld looks): %s\n", w->longest, w->at,
                w->last - w->start, w->looks, what.c_str());
  std::fflush(stdout);
  return status == CK_OK && w->longest <= limit;
}

template <typename T>
int run(const Case &c, const ck_problem &p, double limit) {
  int failures = 0;
  Watch w;
  for (const ck_pass pass : {CK_FORWARD, CK_ADJOINT, CK_WEIGHT_GRADIENT}) {
    if ((c.form & nan_features) != 0 && pass != CK_WEIGHT_GRADIENT) continue;
    for (const std::string way : {"direct", "depthwise", "winograd", "fft", "im2col", "im2col, weights in place"}) {
      const bool prepared = way.find(',') == std::string::npos;
      const std::string algorithm = way.substr(0, way.find(','));
      if (2 * test::terms_of(p) > 2.5e11 && algorithm != "fft") continue; /* minutes */
      ck_plan *plan = nullptr;
      if (ck_plan_create(&w.runtime, &p, pass, algorithm.c_str(), nullptr, prepared, &plan, nullptr) != CK_OK) continue;
      ck_plan_info info;
      ck_plan_describe(plan, &info);
      const T value = static_cast<T>(0.5), feature = (c.form & nan_features) != 0 ? static_cast<T>(NAN) : value;
      std::vector<T> image(static_cast<size_t>(test::image_size(p)), value);
      std::vector<T> features(static_cast<size_t>(test::feature_size(p)), feature);
      std::vector<T> weights(static_cast<size_t>(test::weight_size(p)), value);
      ck_operands o = {};
      o.image_in = o.image_out = image.data();
      o.features_in = o.features_out = features.data();
      o.weights = o.weight_gradient = weights.data();
      const std::string what =
          std::string(c.name) + ", pass " + std::to_string(pass) + ", " + info.id + (p.layout ? ", channels-last" : "");
      failures += !watch(&w, limit, what, [&] { return ck_run(plan, &w.runtime, &o); });
      ck_weights *packed = nullptr;
      if (pass != CK_WEIGHT_GRADIENT && prepared)
        failures += !watch(&w, limit, what + ", packing", [&] {
          ck_weights_destroy(packed);
          packed = nullptr;
          return ck_weights_pack(plan, &w.runtime, weights.data(), &packed);
        });
      ck_weights_destroy(packed);
      ck_plan_destroy(plan);
    }
  }
  return failures;
}

/* Sums over one channel may be long, and so may the list of channels. */
int run_bias(double limit) {
  const int64_t sizes[][3] = {{8, 64, 1 << 18}, {1, 1, 1 << 26}, {1, 1 << 24, 4}, {1 << 22, 4, 4}, {1, 3, 20000000}};
  int failures = 0;
  Watch w;
  for (const auto &size : sizes) {
    const std::vector<float> features(static_cast<size_t>(size[0] * size[1] * size[2]), 0.5f);
    std::vector<float> gradient(static_cast<size_t>(size[1]));
    for (const ck_layout layout : {CK_CHANNELS_FIRST, CK_CHANNELS_LAST})
      failures +=
          !watch(&w, limit,
                 "bias gradient of " + std::to_string(size[1]) + " channels, layout " + std::to_string(layout), [&] {
                   return ck_bias_gradient(&w.runtime, CK_FLOAT32, layout, size[0], size[1], size[2], features.data(),
                                           gradient.data());
                 });
  }
  return failures;
}

}  // namespace

int main(int argc, char **argv) {
  double limit = 10;
  std::string word;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--limit") == 0 && i + 1 < argc)
      limit = std::atof(argv[++i]);
    else
      word = argv[i];
  }
  int failures = word.empty() ? run_bias(limit) : 0;
  for (const Case &c : cases) {
    if (std::strstr(c.name, word.c_str()) == nullptr) continue;
    const ck_problem p = problem_of(c);
    failures += (c.form & doubles) != 0 ? run<double>(c, p, limit) : run<float>(c, p, limit);
  }
  std::printf("%d calls had a stretch above %.0f ms\n", failures, limit);
  return failures == 0 ? 0 : 1;
}
