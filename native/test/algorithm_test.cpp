/* What each algorithm tells apart, on all algorithms and instruction sets. */
#include "compare.h"

using namespace test;

/* What the direct algorithm tells apart: bands, residues of a dilation, phases and their joint form, long chains. */
TEST(direct_problems) {
  Random random(test::options.seed + 3);
  const std::vector<int> forms = {0, 3, 5, 6};
  compare_forms(make_problem(1, 70, 2, 1, 50, 61, 3, 1, 1, 1), random, forms);  /* bands of rows */
  compare_forms(make_problem(1, 64, 2, 1, 70, 64, 2, 1, 0, 1), random, forms);  /* in place where rows join */
  compare_forms(make_problem(1, 120, 2, 1, 26, 25, 3, 1, 9, 9), random, forms); /* residues */
  compare_forms(make_problem(1, 5, 6, 1, 15, 17, 3, 1, 12, 12), random, forms); /* taps that never leave the padding */
  compare_forms(make_problem(2, 3, 40, 1, 37, 23, 4, 2, 1, 1), random, forms);  /* joint phases, few rows */
  compare_forms(make_problem(1, 20, 40, 1, 17, 23, 4, 2, 1, 1), random, forms); /* phases */
  compare_forms(make_problem(1, 2, 9, 1, 44, 47, 9, 3, 4, 1), random, forms);   /* nine joint phases */
  compare_forms(make_problem(1, 3, 5, 1, 40, 41, 8, 8, 3, 1), random, forms);   /* phases in lanes */
  compare_forms(make_problem(1, 130, 35, 1, 1, 1, 1, 1, 0, 1), random, forms);  /* one pixel */
  compare_forms(make_problem(2, 18, 10, 2, 4, 4, 4, 1, 0, 1), random, forms);   /* one feature, groups */
  compare_forms(make_problem(2, 33, 9, 1, 4, 4, 4, 1, 0, 1), random, forms);    /* one feature */
  /* One feature of many images: the whole kernel, a part of it, padding, dilation, a stride; more taps than planes. */
  compare_forms(make_problem(37, 6, 10, 2, 5, 5, 5, 1, 0, 1), random, forms);
  compare_forms(make_problem(19, 5, 18, 1, 6, 7, 5, 3, 0, 1), random, forms);
  compare_forms(make_problem(18, 3, 20, 1, 3, 3, 5, 1, 1, 1), random, forms);
  compare_forms(make_problem(21, 4, 7, 1, 6, 6, 3, 1, 0, 2), random, forms);
  compare_forms(make_problem(9, 2, 3, 1, 17, 17, 17, 1, 0, 1), random, forms);
  /* Results that begin with either of two phases, and end with either; small images together. */
  for (const int64_t size : {7, 8, 19}) {
    for (const int64_t pad : {0, 1, 2})
      compare_forms(make_problem(9, 18, 12, 1, size, size, 3, 2, pad, 1), random, forms);
  }
  /* Two and three channels, channels last. */
  for (const int64_t channels : {2, 3}) {
    compare_forms(make_problem(1, channels, 17, 1, 9, 41, 3, 2, 1, 1), random, forms);
    compare_forms(make_problem(2, channels, 6, 1, 12, 22, 3, 1, 1, 1), random, forms);
  }
  /* One tap, channels last: pixels turned by the tiles that read them; of a box of depths; of small images together. */
  for (const int64_t features : {1, 2, 3, 4, 9}) {
    for (const int64_t channels : {3, 17, 40}) {
      compare_forms(make_problem(2, channels, features, 1, 11, 31, 1, 1, 0, 1), random, {1, 3, 7});
      ck_problem p = make_problem(3, channels, features, 1, 9, 13, 1, 1, 0, 1);
      p.image[0] = 5, p.kernel[0] = 3, p.pad_begin[0] = 1, p.features[0] = 5;
      compare_forms(p, random, {1, 7});
      p.kernel[0] = 1, p.stride[0] = 2, p.pad_begin[0] = 0, p.features[0] = 3;
      compare_forms(p, random, {1, 7});
      compare_forms(make_problem(30, channels, features, 1, 3, 3, 1, 1, 0, 1), random, {1, 7});
    }
  }
  /* Groups that share cache lines, more of them than a unit takes. */
  for (const int64_t channels : {1, 3, 4, 12}) {
    compare_forms(make_problem(2, channels * 37, 74, 37, 9, 10, 3, 1, 1, 1), random, {1, 7});
    compare_forms(make_problem(1, channels * 6, 30, 6, 8, 9, 4, 2, 1, 1), random, {1, 7});
  }
  compare_forms(make_problem(1, 2, 300, 1, 12, 4, 2, 2, 0, 1), random, forms); /* blocks of weights */
  /* Deep sources, some channels at a time: planes of a stride, phases, heavy weights that residues read too often. */
  ck_problem deep = make_problem(1, 700, 6, 1, 9, 9, 3, 2, 1, 1);
  deep.image[0] = 9, deep.kernel[0] = 3, deep.stride[0] = 2, deep.pad_begin[0] = 1, deep.features[0] = 5;
  compare_forms(deep, random, {0, 3});
  compare_forms(make_problem(1, 3, 2600, 1, 28, 60, 4, 2, 1, 1), random, {0, 3});
  compare_forms(make_problem(2, 1100, 29, 1, 14, 13, 3, 1, 6, 6), random, {0, 3});
  for (const int64_t features : {1800, 6000}) { /* and phases without taps */
    ck_problem gaps = make_problem(1, 9, features, 1, 1, 120, 1, 1, 0, 1);
    gaps.kernel[2] = 2, gaps.stride[2] = 3, gaps.features[2] = 40;
    compare_forms(gaps, random, forms);
  }
  /* Weights beyond the second-level cache. */
  compare_forms(make_problem(1, 70, 300, 1, 8, 8, 4, 2, 1, 1), random, forms);
  compare_forms(make_problem(1, 330, 90, 1, 5, 6, 3, 1, 1, 1), random, forms);
  compare_forms(make_problem(1, 60, 190, 1, 9, 8, 5, 2, 2, 1), random, forms);
  compare_forms(make_problem(3, 500, 530, 1, 3, 4, 1, 1, 0, 1), random, forms);
  ck_problem groups = make_problem(1, 140, 600, 2, 4, 4, 4, 2, 1, 1);
  groups.flip_kernel = 1;
  compare_forms(groups, random, {0, 3});
  compare_forms(make_problem(1, 12, 18, 2, 19, 30, 5, 4, 2, 3),
                random); /* stride and dilation without common divisor */
  compare_forms(make_problem(1, 4, 4, 1, 21, 20, 3, 4, 0, 2), random, forms); /* phases without taps */
  for (const int64_t pad : {1, 2, 3}) { /* lines and gaps of them that begin before the image, few rows and many */
    compare_forms(make_problem(1, 4, 6, 1, 21, 32, 2, 5, pad, 1), random, forms);
    compare_forms(make_problem(2, 20, 40, 2, 13, 22, 1, 3, pad, 1), random, forms);
  }
  /* As many features as pixels, but not one for each: with a stride and padding behind, or with padding before. */
  for (const int64_t stride : {1, 2}) {
    ck_problem apart = make_problem(2, 6, 5, 1, 9, 11, 1, 1, 0, 1);
    for (int axis = 1; axis < 3; ++axis) apart.stride[axis] = stride, apart.pad_begin[axis] = 2 - stride;
    compare_forms(apart, random);
    apart.image[0] = apart.features[0] = 3;
    compare_forms(apart, random, forms);
  }
  /* sources that are read in place: the last tile, groups, bands, results cut at their ends */
  compare_forms(make_problem(2, 14, 10, 2, 23, 21, 1, 1, 0, 1), random, forms);
  compare_forms(make_problem(1, 200, 9, 1, 31, 43, 1, 1, 0, 1), random, forms);
  compare_forms(make_problem(2, 20, 26, 2, 18, 22, 2, 2, 1, 1), random, forms);
  /* Few channels: rows of the image in a tile, bands of columns; in 2-D, of groups, in phases, in residues, in 3-D. */
  compare_forms(make_problem(1, 40, 1, 1, 30, 37, 5, 1, 2, 1), random);
  compare_forms(make_problem(1, 1, 40, 1, 30, 37, 5, 1, 2, 1), random);
  compare_forms(make_problem(2, 2, 44, 2, 26, 31, 3, 1, 0, 1), random, forms);
  compare_forms(make_problem(2, 2, 40, 2, 31, 33, 7, 2, 3, 1), random, forms);
  compare_forms(make_problem(1, 1, 90, 1, 40, 40, 3, 1, 12, 12), random, forms);
  ck_problem beyond = make_problem(1, 6, 1, 1, 3, 2, 4, 1, 3, 1); /* rows of results whose ends meet no tap */
  beyond.kernel[2] = 2, beyond.features[1] = 4, beyond.features[2] = 6;
  for (int i = 0; i < 8; ++i) compare_forms(beyond, random, forms);
  ck_problem solid = make_problem(1, 1, 24, 1, 22, 25, 4, 1, 2, 1);
  solid.image[0] = 9, solid.kernel[0] = 2, solid.stride[0] = 3, solid.features[0] = 3;
  compare_forms(solid, random, forms);
  for (const int64_t layout : {0, 1}) { /* images together */
    const std::vector<int> both = {layout == 0 ? 0 : 1, layout == 0 ? 6 : 7};
    compare_forms(make_problem(37, 9, 20, 1, 1, 1, 1, 1, 0, 1), random, both);
    compare_forms(make_problem(20, 18, 17, 1, 1, 1, 3, 1, 1, 1), random, both);  /* all taps but one in the padding */
    compare_forms(make_problem(21, 16, 10, 2, 4, 4, 4, 1, 0, 1), random, both);  /* one feature each */
    compare_forms(make_problem(40, 3, 5, 1, 4, 4, 3, 1, 1, 1), random, both);    /* runs over rows and images */
    compare_forms(make_problem(23, 1, 16, 1, 14, 12, 3, 2, 1, 1), random, both); /* phases */
    compare_forms(make_problem(9, 4, 6, 2, 7, 7, 4, 2, 1, 1), random, both);     /* joint phases, groups */
    compare_forms(make_problem(70, 6, 8, 1, 2, 2, 2, 1, 0, 1), random, both);    /* in place */
    ck_problem row = make_problem(33, 5, 7, 1, 1, 25, 1, 1, 0, 1);
    row.kernel[2] = 5, row.pad_begin[2] = 2;
    compare_forms(row, random, both);
    for (int32_t mode = 1; mode < 4; ++mode) {
      row.padding_mode = mode;
      compare_forms(row, random, both);
    }
  }
  /* Taps in the padding, left out along each axis and along all. */
  for (const int64_t dilation : {1, 3, 5}) {
    compare_forms(make_problem(1, 20, 33, 1, 11, 11, 5, 1, 2 * dilation, dilation), random, forms);
    compare_forms(make_problem(2, 20, 33, 1, 8, 11, 5, 2, 2 * dilation, dilation), random, forms);
    compare_forms(make_problem(1, 40, 17, 1, 1, 50, 3, 1, dilation, dilation), random, forms);
  }
  ck_problem line = make_problem(1, 2, 3, 1, 1, 3000, 1, 1, 0, 1);
  line.kernel[2] = 1024, line.stride[2] = 256, line.features[2] = 8;
  compare_forms(line, random, forms);
  line.image_channels = 150, line.feature_channels = 2, line.image[2] = 1500, line.kernel[2] = 7, line.stride[2] = 1,
  line.dilation[2] = 5;
  line.pad_begin[2] = 15, line.features[2] = 1500;
  compare_forms(line, random, forms);
  ck_problem box = make_problem(1, 60, 2, 1, 12, 13, 3, 1, 1, 1);
  box.image[0] = 7, box.kernel[0] = 3, box.pad_begin[0] = 1, box.features[0] = 7;
  compare_forms(box, random, forms);
  box.stride[0] = box.stride[1] = box.stride[2] = 2, box.features[0] = 4, box.features[1] = 6, box.features[2] = 7;
  compare_forms(box, random, forms);
  /* One feature, and a row of one position; for two slots, stacked bands that are with their halo as high as the map.
   */
  ck_problem column = make_problem(1, 7, 1, 1, 4, 1, 3, 1, 0, 1);
  column.image[0] = 4, column.kernel[0] = 3, column.kernel[2] = 1, column.stride[2] = 4;
  column.dilation[1] = 4, column.dilation[2] = 2, column.pad_begin[0] = 1, column.pad_begin[1] = 9;
  column.features[0] = 7, column.features[1] = 11, column.features[2] = 1;
  compare_forms(column, random);
}

/* What the weight gradient tells apart: boxes of images, planes, rows and parts of rows; blocks of features, channels
 * and taps; parts; panel by panel and in place; either side in the lanes. */
TEST(gradient_problems) {
  Random random(test::options.seed + 23);
  const std::vector<int> forms = {0, 3, 5, 6};
  compare_forms(make_problem(300, 20, 9, 1, 1, 1, 1, 1, 0, 1), random, forms);    /* boxes of images of one pixel */
  compare_forms(make_problem(40, 3, 20, 1, 6, 5, 3, 1, 1, 1), random, forms);     /* of larger ones */
  compare_forms(make_problem(1, 40, 35, 1, 6, 5, 3, 2, 1, 1), random, forms);     /* panel by panel */
  compare_forms(make_problem(1, 300, 70, 1, 4, 4, 3, 1, 1, 1), random, forms);    /* in several blocks */
  compare_forms(make_problem(1, 70, 90, 1, 15, 15, 1, 1, 0, 1), random, forms);   /* in place */
  compare_forms(make_problem(2, 24, 40, 2, 9, 9, 1, 3, 2, 1), random, forms);     /* pixels apart, groups */
  compare_forms(make_problem(1, 33, 40, 1, 20, 21, 16, 3, 5, 1), random, forms);  /* blocks of taps */
  compare_forms(make_problem(1, 20, 34, 1, 40, 36, 3, 1, 17, 17), random, forms); /* far apart, often in the padding */
  compare_forms(make_problem(1, 3, 8, 1, 205, 203, 3, 1, 1, 1), random, {0, 3, 5}); /* parts, lanes of few channels */
  compare_forms(make_problem(1, 21, 2, 1, 150, 90, 3, 1, 1, 1), random, {0, 3, 5}); /* few features */
  ck_problem flipped = make_problem(1, 40, 18, 1, 6, 7, 3, 1, 1, 1);
  flipped.flip_kernel = 1;
  compare_forms(flipped, random, forms);
  ck_problem box = make_problem(2, 5, 9, 1, 5, 6, 2, 1, 0, 1);
  box.image[0] = 30, box.kernel[0] = 4, box.stride[0] = 2, box.pad_begin[0] = 3, box.features[0] = 17;
  compare_forms(box, random, forms);
}

/* Weights that im2col reads and writes where they lie: sets of images, the last of them not whole; features and
 * channels in blocks; blocks of weights that are copied; one pixel under many taps; rows that end within a vector. */
TEST(few_pixels_problems) {
  Random random(test::options.seed + 29);
  const std::vector<int> forms = {0, 4, 0, 4, 3, 7}; /* weights are given in half of the runs */
  compare_forms(make_problem(9, 48, 30, 1, 4, 4, 3, 1, 1, 1), random, forms);
  compare_forms(make_problem(2, 16, 600, 1, 5, 5, 3, 2, 1, 1), random, forms);
  compare_forms(make_problem(1, 208, 20, 1, 3, 4, 3, 1, 1, 1), random, forms);
  compare_forms(make_problem(1, 48, 25, 1, 8, 8, 1, 1, 0, 1), random, forms);
  compare_forms(make_problem(1, 30, 40, 1, 9, 8, 4, 1, 1, 1), random, forms);
  compare_forms(make_problem(3, 96, 72, 3, 6, 6, 4, 2, 1, 1), random, forms);
  compare_forms(make_problem(70, 16, 9, 1, 7, 7, 7, 1, 0, 1), random, forms);
  compare_forms(make_problem(2, 15, 19, 1, 4, 5, 3, 1, 1, 1), random,
                forms); /* a vector would read behind the last row */
  compare_forms(make_problem(1, 130, 161, 1, 8, 8, 4, 2, 1, 1), random, forms);
  compare_forms(make_problem(3, 14, 32, 2, 5, 6, 3, 1, 1, 1), random, {3, 7}); /* channels last: groups; */
  compare_forms(make_problem(1, 40, 48, 1, 14, 15, 5, 1, 2, 1), random,
                {3, 7}); /* taps that mostly lie in the padding */
  compare_forms(make_problem(2, 9, 16, 1, 3, 3, 5, 1, 4, 2), random, {3, 7});
  compare_forms(make_problem(3, 300, 560, 1, 5, 4, 3, 1, 1, 1), random, {3, 7}); /* blocks of channels, of features */
  for (int i = 0; i < 4; ++i) compare_forms(make_problem(1, 16, 4112, 1, 7, 7, 1, 1, 0, 1), random, {3});
  ck_problem modes = make_problem(2, 32, 16, 1, 6, 5, 3, 1, 1, 1);
  for (int32_t mode = 1; mode < 4; ++mode) {
    modes.padding_mode = mode;
    compare_forms(modes, random, forms);
  }
  ck_problem box = make_problem(1, 20, 33, 1, 4, 6, 2, 2, 0, 1);
  box.image[0] = 5, box.kernel[0] = 4, box.pad_begin[0] = 1, box.features[0] = 4;
  compare_forms(box, random, forms);
  ck_problem line = make_problem(4, 16, 40, 1, 1, 300, 1, 1, 0, 1);
  line.kernel[2] = 40, line.stride[2] = 9, line.features[2] = 29;
  compare_forms(line, random, forms);
}

/* The planner takes it unasked for heavy weights that come with the call, on few pixels, whatever the batch; not for
 * packed ones, lighter ones, more pixels, or where most taps lie in the padding. */
TEST(few_pixels_plans) {
  const auto stays = [](const ck_problem &p, ck_pass pass, int32_t prepared = 0) {
    Host host(2);
    const PlanOwner owner(host, p, pass, nullptr, nullptr, prepared);
    return std::string(owner.info().id).find("/in-place") != std::string::npos;
  };
  const ck_problem heavy = make_problem(1, 130, 161, 1, 8, 8, 4, 2, 1, 1);
  CHECK(stays(heavy, CK_ADJOINT) && stays(heavy, CK_WEIGHT_GRADIENT), "heavy weights");
  CHECK(stays(make_problem(64, 130, 161, 1, 8, 8, 4, 2, 1, 1), CK_ADJOINT), "a batch");
  CHECK(!stays(make_problem(64, 130, 161, 1, 8, 8, 4, 2, 1, 1), CK_WEIGHT_GRADIENT), "the pixels of a batch");
  CHECK(!stays(heavy, CK_ADJOINT, 1), "weights that are packed ahead");
  CHECK(!stays(make_problem(1, 130, 161, 1, 32, 32, 4, 2, 1, 1), CK_ADJOINT), "more pixels");
  CHECK(stays(make_problem(1, 512, 512, 1, 1, 1, 3, 1, 1, 1), CK_ADJOINT), "one tap of nine outside the padding");
  const ck_problem light = make_problem(1, 32, 96, 1, 8, 8, 4, 2, 1, 1);
  CHECK(stays(light, CK_ADJOINT) && stays(light, CK_WEIGHT_GRADIENT), "lighter weights");
  CHECK(!stays(light, CK_FORWARD), "forward, lighter weights");
  const ck_problem narrow = make_problem(1, 32, 8, 1, 14, 14, 5, 2, 2, 1);
  CHECK(!stays(narrow, CK_ADJOINT) && !stays(narrow, CK_WEIGHT_GRADIENT), "columns that are more than their products");
  ck_problem last = make_problem(1, 130, 176, 1, 8, 8, 4, 2, 1, 1);
  last.layout = last.weight_layout = CK_CHANNELS_LAST;
  CHECK(stays(last, CK_FORWARD) && stays(last, CK_WEIGHT_GRADIENT), "channels last");
}

/* What the Winograd algorithm tells apart: forms, blocks along each axis, pieces, runs of a dilation, planes, phases.
 */
TEST(winograd_problems) {
  Random random(test::options.seed + 13);
  const std::vector<int> forms = {0, 3, 5, 6};
  compare_forms(make_problem(1, 60, 20, 1, 30, 150, 3, 1, 1, 1), random, forms); /* blocks */
  compare_forms(make_problem(2, 40, 6, 2, 31, 37, 3, 1, 2, 2), random, forms);   /* runs of two, groups */
  compare_forms(make_problem(1, 90, 8, 1, 33, 35, 3, 1, 12, 12), random, forms); /* long runs */
  compare_forms(make_problem(1, 40, 9, 1, 26, 45, 7, 1, 3, 1), random, forms);   /* pieces on both axes */
  compare_forms(make_problem(1, 30, 10, 1, 40, 41, 5, 1, 0, 3), random, forms);  /* pieces of runs */
  compare_forms(make_problem(1, 40, 12, 1, 45, 50, 4, 2, 1, 1), random, forms);  /* planes; joint phases */
  compare_forms(make_problem(1, 30, 9, 1, 34, 35, 5, 2, 2, 1), random, forms);   /* planes of different length */
  compare_forms(make_problem(1, 7, 10, 1, 60, 61, 9, 3, 4, 1), random, forms);   /* nine phases */
  compare_forms(make_problem(1, 20, 6, 1, 40, 33, 3, 4, 1, 8), random, forms); /* a stride that divides the dilation */
  for (const int64_t kernel : {2, 3, 4, 7, 11, 16}) {
    ck_problem line = make_problem(1, 60, 6, 1, 1, 700, 1, 1, 0, 1);
    line.kernel[2] = kernel, line.dilation[2] = kernel == 11 ? 5 : 1, line.stride[2] = kernel == 16 ? 8 : 1;
    line.pad_begin[2] = line.dilation[2] * (kernel - 1) / 2;
    line.features[2] = 700 / line.stride[2];
    compare_forms(line, random, forms);
  }
  ck_problem box = make_problem(1, 30, 4, 1, 20, 21, 3, 1, 1, 1);
  box.image[0] = box.features[0] = 9, box.kernel[0] = 3, box.pad_begin[0] = 1;
  compare_forms(box, random, forms);
  box.padding_mode = CK_REFLECT;
  compare_forms(box, random, forms);
  ck_problem column = make_problem(1, 30, 5, 1, 60, 17, 3, 1, 1, 1);
  column.kernel[2] = 1, column.features[2] = 19;
  compare_forms(column, random, forms);
  compare_forms(make_problem(1, 6, 150, 1, 14, 15, 3, 1, 1, 1), random, forms); /* parts of the rows */
  compare_forms(make_problem(1, 300, 40, 1, 9, 10, 3, 1, 1, 1), random, forms); /* weights packed in several steps */
  compare_forms(make_problem(1, 36, 290, 1, 18, 16, 4, 2, 1, 1), random, forms);
}

namespace {

/* Any depthwise problem: channels, kernels, strides and ranks beyond those of random_problem. */
ck_problem random_depthwise(Random &random) {
  ck_problem p = random_problem(random);
  const int64_t multiplier = random.chance(15) ? random.between(2, 3) : 1;
  p.groups = p.image_channels = random.between(1, random.chance(20) ? 70 : 9);
  p.feature_channels = p.groups * multiplier;
  const bool line = p.image[1] == 1;
  for (int a = line ? 2 : 1; a < 3; ++a) {
    const bool long_axis = random.chance(15);
    p.image[a] = random.between(1, long_axis ? (line ? 1500 : 90) : 24);
    p.kernel[a] = random.between(1, p.image[0] > 1 ? 4 : 11);
    p.stride[a] = random.chance(50) ? 1 : random.between(1, 5);
    p.dilation[a] = random.chance(60) ? 1 : random.between(1, 4);
    const int64_t reach = p.dilation[a] * (p.kernel[a] - 1);
    p.pad_begin[a] = random.between(0, reach + 1);
    const int64_t room = p.image[a] + p.pad_begin[a] + random.between(0, reach + 1) - reach - 1;
    p.features[a] = room < 0 ? 1 : room / p.stride[a] + 1;
  }
  return p;
}

ck_problem line_problem(int64_t channels, int64_t length, int64_t kernel, int64_t pad, int64_t dilation) {
  ck_problem p = make_problem(1, channels, channels, channels, 1, length, kernel, 1, pad, dilation);
  p.kernel[1] = p.dilation[1] = p.features[1] = 1;
  p.pad_begin[1] = 0;
  return p;
}

}  // namespace

/* What the depthwise algorithm tells apart: bands, wide rows, tiles of each height, phases. */
TEST(depthwise_problems) {
  Random random(test::options.seed + 11);
  const std::vector<int> forms = {0, 1, 6};
  for (const int64_t kernel : {1, 2, 3, 4, 5, 7, 11}) {
    for (const int64_t stride : {1, 2, 3}) {
      compare_forms(make_problem(2, 5, 5, 5, 23, 37, kernel, stride, kernel / 2, 1), random, forms);
      compare_forms(make_problem(1, 35, 35, 35, 9, 7, kernel, stride, kernel - 1, 2), random, forms);
    }
  }
  /* Two phases along a row: of rows a few vectors long that begin and end with either; in place. */
  for (const int64_t kernel : {2, 3, 4, 5}) {
    for (const int64_t pad : {0, 1, 2}) {
      for (const int64_t width : {31, 64, 67, 98}) {
        ck_problem p = make_problem(1, 3, 3, 3, 11, width, kernel, 2, pad, 1);
        compare_forms(p, random, forms);
      }
    }
  }
  compare_forms(make_problem(1, 2, 2, 2, 90, 700, 3, 1, 1, 1), random, forms);  /* bands along both axes */
  compare_forms(make_problem(1, 2, 2, 2, 150, 160, 4, 2, 1, 1), random, forms); /* bands of phases */
  compare_forms(make_problem(1, 3, 6, 3, 40, 41, 3, 1, 1, 3), random,
                forms); /* rows of a tile lie apart; two features each */
  compare_forms(make_problem(1, 2, 2, 2, 40, 41, 3, 4, 1, 2), random, forms); /* every other row of them */
  /* Long lines: their ends near padding, the rest in place; up to so many taps in one call, and beyond. */
  for (const int64_t length : {1025, 1500, 16400, 40000}) {
    for (const int64_t kernel : {1, 2, 4, 8, 9}) {
      for (const int64_t pad : {0, 3, 70, 300}) {
        ck_problem p = line_problem(2, length, kernel, pad, kernel == 4 ? 5 : 1);
        p.padding_mode = pad == 3 && kernel == 4 ? CK_REFLECT : CK_ZEROS;
        if (length < 2000) compare_forms(p, random, forms);
        compare(p, random, 2);
      }
    }
  }
  compare_forms(make_problem(1, 3, 12, 3, 19, 20, 3, 2, 1, 1), random, forms); /* four features add up */
  /* Channels last: runs of each number of taps and pixels, of neighbours or some places apart, vectors that overlap;
   * fewer channels than lanes. */
  const std::vector<int> last = {1, 7};
  for (const int64_t channels : {3, 12, 19, 40}) {
    for (const int64_t taps : {1, 2, 3, 4, 5, 6, 7, 9}) {
      for (const int64_t length : {8, 14, 33, 150}) {
        compare_forms(line_problem(channels, length, taps, taps / 2, 1), random, last);
        const ck_problem p = line_problem(channels, length, taps, taps, 1 + length % 3);
        if (p.features[2] > 0) compare_forms(p, random, last);
      }
    }
  }
  /* Runs over planes: a tile higher than what is wanted reads no further; and with padding beyond the source. */
  for (const int64_t length : {5, 181}) {
    ck_problem p = line_problem(512, length, 3, length == 5 ? 4 : 1, 1);
    p.feature_channels = 1024;
    compare_forms(p, random, {1});
  }
  /* Blocks of channels in maps of their own: pixels some KiB apart; rows that a stride takes apart. */
  for (const int64_t stride : {1, 2}) {
    compare_forms(make_problem(2, 512, 512, 512, 6, 9, 3, stride, 1, 1), random, last);
    compare_forms(make_problem(1, 1024, 1024, 1024, 3, 5, 5, stride, 2, 1), random, last);
  }
  for (const int64_t stride : {3, 4}) {
    compare_forms(make_problem(2, 37, 37, 37, 4, 61, 2 * stride, stride, 2, 1), random, forms);
    compare_forms(make_problem(1, 150, 150, 150, 30, 31, 3, stride, 1, 1), random, forms);
  }
  /* Planes of few channels, channels last: bands along each axis, phases, other paddings. */
  for (const int64_t stride : {1, 2, 3}) {
    compare_forms(make_problem(1, 2, 2, 2, 5, 2900, 4, stride, 2, 1), random, last);
    compare_forms(make_problem(2, 3, 3, 3, 150, 40, 5, stride, 1, 1), random, last);
    compare_forms(make_problem(1, 4, 4, 4, 21, 22, 4, stride, 3, 2), random, last);
    ck_problem p = make_problem(1, 3, 3, 3, 9, 31, 4, stride, 2, 1);
    p.image[0] = 7, p.kernel[0] = 3, p.pad_begin[0] = 1, p.features[0] = 7;
    compare_forms(p, random, last);
    p.padding_mode = CK_REFLECT;
    compare_forms(p, random, last);
  }
  /* Several features of a channel, channels last: parts of a row, phases, dilations; more of them than are taken apart.
   */
  for (const int64_t multiplier : {2, 3, 4, 5}) {
    for (const int64_t stride : {1, 2, 3}) {
      compare_forms(make_problem(2, 20, 20 * multiplier, 20, 7, 33, 4, stride, 2, 1), random, forms);
      compare_forms(make_problem(1, 9, 9 * multiplier, 9, 12, 31, 3, stride, 3, 3), random, forms);
    }
    compare_forms(make_problem(1, 40, 40 * multiplier, 40, 3, 300, 3, 1, 1, 1), random, forms);
  }
  for (int i = 0; i < test::options.random_cases; ++i) {
    const ck_problem p = random_depthwise(random);
    if (terms_of(p) > 3e6) continue;
    compare(p, random, static_cast<int32_t>(random.between(1, 3)));
  }
}
