#include "problems.h"

#include <algorithm>

namespace test {

int64_t product(const int64_t extents[3]) { return extents[0] * extents[1] * extents[2]; }
int64_t image_size(const ck_problem &p) { return p.batch * p.image_channels * product(p.image); }
int64_t feature_size(const ck_problem &p) { return p.batch * p.feature_channels * product(p.features); }
int64_t weight_size(const ck_problem &p) {
  return p.feature_channels * (p.image_channels / p.groups) * product(p.kernel);
}

int64_t depth_of(const ck_problem &p) { return weight_size(p) / p.feature_channels; }
double terms_of(const ck_problem &p) { return static_cast<double>(feature_size(p)) * static_cast<double>(depth_of(p)); }

namespace {

std::string triple(const int64_t v[3]) {
  return std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]);
}

/* The image coordinate a padded one stands for, or -1: walked, not computed. */
int64_t reflect_back(int64_t i, int64_t extent, int32_t mode) {
  if (mode == CK_ZEROS) return i < 0 || i >= extent ? -1 : i;
  while (i < 0 || i >= extent) {
    if (mode == CK_REPLICATE) return i < 0 ? 0 : extent - 1;
    if (mode == CK_CIRCULAR) i += i < 0 ? extent : -extent;
    if (mode == CK_REFLECT) {
      if (extent == 1) return 0;
      i = i < 0 ? -i : 2 * (extent - 1) - i;
    }
  }
  return i;
}

size_t map_index(int32_t layout, int64_t n, int64_t c, int64_t channels, int64_t pixel, int64_t pixels) {
  const int64_t i =
      layout == CK_CHANNELS_FIRST ? (n * channels + c) * pixels + pixel : (n * pixels + pixel) * channels + c;
  return static_cast<size_t>(i);
}

/* Calls visit(image index, weight index, feature index) for each term of the convolution. */
template <typename Visit>
void each_term(const ck_problem &p, const Visit &visit) {
  const int64_t group_channels = p.image_channels / p.groups, group_features = p.feature_channels / p.groups;
  int64_t o[3], j[3], i[3];
  for (int64_t n = 0; n < p.batch; ++n)
    for (int64_t f = 0; f < p.feature_channels; ++f)
      for (int64_t c = 0; c < group_channels; ++c)
        for (o[0] = 0; o[0] < p.features[0]; ++o[0])
          for (o[1] = 0; o[1] < p.features[1]; ++o[1])
            for (o[2] = 0; o[2] < p.features[2]; ++o[2])
              for (j[0] = 0; j[0] < p.kernel[0]; ++j[0])
                for (j[1] = 0; j[1] < p.kernel[1]; ++j[1])
                  for (j[2] = 0; j[2] < p.kernel[2]; ++j[2]) {
                    bool inside = true;
                    int64_t k[3];
                    for (int a = 0; a < 3; ++a) {
                      i[a] = reflect_back(o[a] * p.stride[a] + j[a] * p.dilation[a] - p.pad_begin[a], p.image[a],
                                          p.padding_mode);
                      inside = inside && i[a] >= 0;
                      k[a] = p.flip_kernel ? p.kernel[a] - 1 - j[a] : j[a];
                    }
                    if (!inside) continue;
                    const int64_t tap = (k[0] * p.kernel[1] + k[1]) * p.kernel[2] + k[2];
                    const int64_t weight = p.weight_layout == CK_CHANNELS_FIRST
                                               ? (f * group_channels + c) * product(p.kernel) + tap
                                               : (tap * group_channels + c) * p.feature_channels + f;
                    visit(map_index(p.layout, n, f / group_features * group_channels + c, p.image_channels,
                                    (i[0] * p.image[1] + i[1]) * p.image[2] + i[2], product(p.image)),
                          static_cast<size_t>(weight),
                          map_index(p.layout, n, f, p.feature_channels,
                                    (o[0] * p.features[1] + o[1]) * p.features[2] + o[2], product(p.features)));
                  }
}

std::vector<double> zeros(int64_t count) { return std::vector<double>(static_cast<size_t>(count), 0.0); }

}  // namespace

std::string describe(const ck_problem &p, const char *isa) {
  const auto number = [](int64_t x) { return std::to_string(x); };
  return std::string(isa) + (p.image_type == CK_FLOAT32 ? " f32" : " f64") + " n" + number(p.batch) + " g" +
         number(p.groups) + " ic" + number(p.image_channels) + " fc" + number(p.feature_channels) + " image " +
         triple(p.image) + " kernel " + triple(p.kernel) + " features " + triple(p.features) + " stride " +
         triple(p.stride) + " dilation " + triple(p.dilation) + " pad " + triple(p.pad_begin) + " mode " +
         number(p.padding_mode) + " flip " + number(p.flip_kernel) + " layout " + number(p.layout) +
         number(p.weight_layout);
}

ck_problem make_problem(int64_t batch, int64_t channels, int64_t features, int64_t groups, int64_t height,
                        int64_t width, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  ck_problem p = {};
  p.batch = batch, p.groups = groups, p.image_channels = channels, p.feature_channels = features;
  const int64_t image[3] = {1, height, width};
  for (int a = 0; a < 3; ++a) {
    p.image[a] = image[a];
    p.kernel[a] = a == 0 ? 1 : kernel;
    p.stride[a] = a == 0 ? 1 : stride;
    p.dilation[a] = a == 0 ? 1 : dilation;
    p.pad_begin[a] = a == 0 ? 0 : pad;
    p.features[a] = (p.image[a] + 2 * p.pad_begin[a] - p.dilation[a] * (p.kernel[a] - 1) - 1) / p.stride[a] + 1;
  }
  return p;
}

ck_problem random_problem(Random &random) {
  ck_problem p = {};
  p.image_type = p.weight_type = p.accumulator_type = p.feature_type = random.chance(50) ? CK_FLOAT32 : CK_FLOAT64;
  const int64_t rank = random.between(1, 3);
  const bool wide = random.chance(20); /* several chunks of pixels, or many channels */
  p.batch = random.chance(5) ? 0 : random.between(1, 3);
  const bool many_groups = random.chance(15); /* vectors of them, mostly of one channel and one feature */
  p.groups = many_groups ? random.between(5, 70) : random.chance(55) ? 1 : random.between(2, 4);
  const int64_t most = wide ? 40 : 9;
  p.image_channels = p.groups * random.between(1, many_groups ? (random.chance(70) ? 1 : 2) : p.groups > 1 ? 5 : most);
  p.feature_channels = p.groups * random.between(1, many_groups    ? (random.chance(70) ? 1 : 3)
                                                    : p.groups > 1 ? 9
                                                                   : most);
  p.padding_mode = static_cast<int32_t>(random.chance(50) ? 0 : random.between(1, 3));
  p.flip_kernel = random.chance(30);
  p.layout = random.chance(50);
  p.weight_layout = random.chance(50);
  for (int a = 0; a < 3; ++a) {
    const bool used = a >= 3 - rank;
    const int64_t longest = rank == 1 ? (wide ? 600 : 60) : rank == 2 ? (wide ? 24 : 12) : 6;
    p.image[a] = used ? random.between(1, longest) : 1;
    p.kernel[a] = used ? random.between(1, rank == 1 && random.chance(10) ? 300 : rank == 3 ? 3 : 5) : 1;
    p.stride[a] = used && random.chance(50) ? random.between(1, 4) : 1;
    p.dilation[a] = used && random.chance(40) ? random.between(1, 4) : 1;
    const int64_t reach = p.dilation[a] * (p.kernel[a] - 1);
    p.pad_begin[a] = used ? random.between(0, reach + 2) : 0;
    const int64_t pad_end = used ? random.between(0, reach + 2) : 0;
    const int64_t room = p.image[a] + p.pad_begin[a] + pad_end - reach - 1;
    p.features[a] = room < 0 ? 1 : room / p.stride[a] + 1;
    if (used && random.chance(5)) p.features[a] += random.between(1, 5);
  }
  return p;
}

std::vector<double> reference_forward(const ck_problem &p, const std::vector<double> &image,
                                      const std::vector<double> &weights) {
  std::vector<double> out = zeros(feature_size(p));
  each_term(p, [&](size_t i, size_t w, size_t f) { out[f] += image[i] * weights[w]; });
  return out;
}

std::vector<double> reference_adjoint(const ck_problem &p, const std::vector<double> &features,
                                      const std::vector<double> &weights) {
  std::vector<double> out = zeros(image_size(p));
  each_term(p, [&](size_t i, size_t w, size_t f) { out[i] += features[f] * weights[w]; });
  return out;
}

std::vector<double> reference_gradient(const ck_problem &p, const std::vector<double> &image,
                                       const std::vector<double> &features) {
  std::vector<double> out = zeros(weight_size(p));
  each_term(p, [&](size_t i, size_t w, size_t f) { out[w] += image[i] * features[f]; });
  return out;
}

std::vector<double> small_integers(int64_t count, Random &random) {
  std::vector<double> x(static_cast<size_t>(count));
  for (double &v : x) v = static_cast<double>(random.between(-3, 3));
  return x;
}

namespace {
std::string the_only_isa;
}

void only_isa(const char *name) { the_only_isa = name; }

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (int32_t i = 0; i < ck_isa_count(); ++i) {
    if (the_only_isa.empty() || the_only_isa == ck_isa_name(i)) names.emplace_back(ck_isa_name(i));
  }
  return names;
}

}  // namespace test
