/* The tiles of a problem: a small cost model.
 *
 * The unit is the cycle of a CPU that does one vector operation in each; only ratios matter. A vector holds kModelLanes
 * sequences whatever the instruction set, so that the choice, and with it the bits, are the same on all of them. */
#include "fft.h"

#include "direct_geometry.h"

namespace convkit {
namespace {

constexpr double kModelLanes = 16;
/* Per complex element and pass of a transform: butterfly, twiddles, loads and stores. Outside the second-level cache
 * more. */
constexpr double kPass = 8, kFarPass = 16;
/* Per complex element: copied or stored through a transpose, and split or merged. */
constexpr double kEnds = 24;
/* To begin a row of a sequence. */
constexpr double kRow = 25;
/* Per frequency of a sequence: its way through the spectra, which do not fit into the second-level cache, and a panel.
 */
constexpr double kPanel = 3;
/* Cycles of a product of vectors in the GEMM, or in the other algorithms. */
constexpr double kGemm = 1.15, kDepthwise = 1.35, kGradient = 1.25, kDepthwiseGradient = 3;
/* A complex weight is read from memory once a round; so many tiles share a round. */
constexpr double kWeight = 2, kSharing = 32;
/* Per complex weight: to transform and pack it, into memory that is fresh as a rule; or to write and read a sum of the
 * gradient. */
constexpr double kPack = 12, kSum = 12;
/* Elements (of 64 bytes) that the second-level cache and a slot's scratch hold. */
constexpr int64_t kNear = 6 << 10, kMostPoints = 16 << 10;
/* Spectra of the weights: so many times the weights, or so many bytes. */
constexpr double kMostSpectra = 40, kSmallSpectra = 1 << 22;
/* Of an axis. */
constexpr int64_t kMostTaps = 1 << 14, kMostLength = 2 * kMostPoints;
/* The features left out cost as much as the others. */
constexpr int64_t kMostStride = 32;
/* Keeps sums of coordinates exact. */
constexpr int64_t kFarthest = INT64_C(1) << 40;

/* Radices of a length, largest blocks first; false where it has other factors than 2, 3 and 5. */
bool factor(int64_t length, FftAxis *axis) {
  axis->passes = 0;
  int64_t rest = length;
  for (int32_t radix = 5; radix >= 3; radix -= 2) {
    for (; rest % radix == 0; rest /= radix) {
      if (axis->passes == kMostFftPasses) return false;
      axis->radices[axis->passes++] = radix;
    }
  }
  while (rest > 1) {
    const int32_t radix = rest == 16 || rest == 4 ? 4 : rest % 8 == 0 ? 8 : rest % 4 == 0 ? 4 : 2;
    if (rest % radix != 0 || axis->passes == kMostFftPasses) return false;
    axis->radices[axis->passes++] = radix;
    rest /= radix;
  }
  return true;
}

/* Sets the length of a tile along an axis, and what follows from it. */
bool set_length(int a, int64_t length, FftAxis *axis) {
  axis->length = length;
  axis->points = a == 2 ? length / 2 : length;
  if (!factor(axis->points, axis)) return false;
  const int64_t positions = ceil_div(axis->result, axis->residues);
  axis->valid = smaller(length - axis->taps + 1, positions);
  axis->tiles = ceil_div(positions, axis->valid);
  return true;
}

void set_steps(FftForm *f) {
  /* Columns of a buffer whose rows lie a power of two apart would share a few sets of the cache. */
  f->axes[2].step = 1;
  f->axes[1].step = f->axes[2].points + (f->axes[1].points > 1 ? 1 : 0);
  f->axes[0].step = f->axes[1].points * f->axes[1].step + (f->axes[0].points > 1 ? 1 : 0);
  f->buffer = f->axes[0].step * f->axes[0].points;
  f->tiles = 1;
  int64_t points = 1, alone = 1;
  for (const FftAxis &axis : f->axes) {
    f->tiles *= axis.residues * axis.tiles;
    points *= axis.points;
    alone *= axis.points % 2 == 0 ? 2 : 1;
  }
  f->pairs = (points + alone) / 2;
  f->blocks = ceil_div(f->pairs, kFftBlockPairs);
}

/* Along an axis, with what padding of the buffer may add. */
int64_t padded_points(int a, int64_t length) { return a == 2 ? ceil_div(length, 2) + 1 : length; }

/* The next length that is worth a look: 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18 ... times a power of two. */
int64_t next_length(int a, int64_t length) {
  FftAxis ignored;
  for (int64_t next = length + 1;; ++next) {
    if (a == 2 && next % 2 != 0) continue;
    int64_t points = a == 2 ? next / 2 : next;
    while (points > 20 && points % 2 == 0) points /= 2;
    if (points <= 20 && factor(points, &ignored)) return next;
  }
}

double spectra_bytes(const Problem &problem, const FftForm &f) {
  return 4 * static_cast<double>(f.pairs) * 4 * static_cast<double>(f.inputs * problem.given.feature_channels);
}

double lanes_used(double count) {
  return kModelLanes * static_cast<double>(ceil_div(static_cast<int64_t>(count), static_cast<int64_t>(kModelLanes)));
}

/* Tries the lengths of axis a and those behind it. */
void try_lengths(const Problem &problem, int a, FftForm *f, FftForm *best, double *least) {
  if (a == 3) {
    set_steps(f);
    const bool first = *least < 0; /* the smallest, which is taken whatever it costs */
    if (!first && f->buffer > kMostPoints) return;
    const double most =
        kMostSpectra * 4 * static_cast<double>(problem.taps * f->inputs * problem.given.feature_channels);
    const double bytes = spectra_bytes(problem, *f);
    if (!first && bytes > most && bytes > kSmallSpectra) return;
    const double cost = fft_cost(problem, *f);
    if (!first && cost >= *least) return;
    *least = cost;
    *best = *f;
    return;
  }
  FftAxis &axis = f->axes[a];
  if (axis.taps == 1) {
    set_length(a, a == 2 ? 2 : 1, &axis);
    return try_lengths(problem, a + 1, f, best, least);
  }
  const int64_t positions = ceil_div(axis.result, axis.residues), whole = positions + axis.taps - 1;
  for (int64_t length = next_length(a, axis.taps); length <= kMostLength; length = next_length(a, length)) {
    if (!set_length(a, length, &axis)) continue;
    try_lengths(problem, a + 1, f, best, least);
    if (length >= whole) break;
  }
}

void make_axis(const Problem &problem, ck_pass pass, int a, FftAxis *axis) {
  const ck_problem &p = problem.given;
  const bool adjoint = pass == CK_ADJOINT;
  axis->taps = p.kernel[a];
  axis->dilation = axis->taps > 1 ? p.dilation[a] : 1;
  axis->stride = p.features[a] > 1 ? p.stride[a] : 1;
  const int64_t features = (p.features[a] - 1) * axis->stride + 1;
  axis->source = adjoint ? features : p.image[a];
  axis->result = adjoint ? p.image[a] : features;
  axis->offset = adjoint ? p.pad_begin[a] - (axis->taps - 1) * axis->dilation : -p.pad_begin[a];
  axis->residues = smaller(axis->dilation, axis->result);
}

/* Of all products, those that do not meet padding. */
double live_share(const ck_problem &p) {
  double share = 1;
  for (int a = 0; a < 3 && p.padding_mode == CK_ZEROS; ++a) {
    int64_t live = 0;
    for (int64_t j = 0; j < p.kernel[a]; ++j) {
      const Range met = inside({p.stride[a], j * p.dilation[a] - p.pad_begin[a]}, p.image[a], 0, p.features[a]);
      live += larger(met.end - met.begin, 0);
    }
    share *= static_cast<double>(live) / static_cast<double>(p.kernel[a]) / static_cast<double>(p.features[a]);
  }
  return share;
}

}  // namespace

const char *fft_refuses(const Problem &problem, ck_pass pass) {
  if (pass == CK_ADJOINT && problem.given.padding_mode != CK_ZEROS) return "the adjoint of this padding mode";
  int64_t points = 1;
  for (int a = 0; a < 3; ++a) {
    const ck_problem &p = problem.given;
    if (p.features[a] > 1 && p.stride[a] > kMostStride) return "the stride is too long";
    if (p.features[a] > 1 && p.stride[a] > 1 && p.kernel[a] > 1 && p.dilation[a] > 1) return "a stride and a dilation";
    if (p.kernel[a] > kMostTaps) return "the kernel is too long";
    if (p.dilation[a] > kFarthest || p.pad_begin[a] > kFarthest) return "the taps reach too far apart";
    points *= padded_points(a, p.kernel[a] == 1 ? 1 : next_length(a, p.kernel[a]));
  }
  return points > kMostPoints ? "no tile fits into the cache" : nullptr;
}

void fft_axes(const Problem &problem, ck_pass pass, FftForm *f) {
  for (int a = 0; a < 3; ++a) make_axis(problem, pass, a, f->axes + a);
  f->adjoint = pass == CK_ADJOINT;
  f->gradient = pass == CK_WEIGHT_GRADIENT;
  f->inputs = f->adjoint ? problem.group_features : problem.group_channels;
  f->outputs = f->adjoint ? problem.group_channels : problem.group_features;
  f->depthwise = f->inputs == 1 && f->outputs == 1;
  FftForm tried = *f;
  double least = -1;
  try_lengths(problem, 0, &tried, f, &least);
}

double fft_cost(const Problem &problem, const FftForm &f) {
  int32_t passes = 0;
  for (const FftAxis &axis : f.axes) passes += axis.passes;
  const double inputs = static_cast<double>(f.inputs), outputs = static_cast<double>(f.outputs);
  const double points = static_cast<double>(2 * f.pairs), tiles = static_cast<double>(f.tiles);
  const int64_t buffers = f.gradient && f.depthwise ? 2 : 1; /* that are in use at the same time */
  const double pass = f.buffer * buffers > kNear ? kFarPass : kPass;
  const double rows = static_cast<double>(f.axes[0].length * f.axes[1].length);
  const double transform = points * (pass * passes + kEnds) / kModelLanes + rows * kRow;
  if (f.depthwise) {
    /* Channels fill the lanes, or tiles of one channel (forward and adjoint). */
    const double channels = static_cast<double>(problem.given.groups);
    const double by_channels = lanes_used(channels) * tiles, by_tiles = channels * lanes_used(tiles);
    const double sequences = f.gradient || by_channels < by_tiles ? by_channels : by_tiles;
    return (2 * sequences + (f.gradient ? lanes_used(channels) : 0)) * transform / channels;
  }
  double cost = tiles * (inputs + outputs) * transform + tiles * points * (inputs + outputs) * kPanel;
  const double product = points * 4 * kGemm / kModelLanes;
  if (f.gradient) {
    cost += product * tiles * outputs * lanes_used(inputs);
    return cost + outputs * lanes_used(inputs) * (transform / 2 + points * kSum);
  }
  const double by_channels = lanes_used(outputs) * tiles, by_tiles = outputs * lanes_used(tiles);
  cost += product * inputs * (by_channels < by_tiles ? by_channels : by_tiles);
  return cost + points * inputs * outputs * kWeight * tiles / (tiles < kSharing ? tiles : kSharing);
}

double fft_pack_cost(const FftForm &f) {
  if (f.gradient) return 0;
  return kPack * static_cast<double>(2 * f.pairs) * static_cast<double>(f.inputs * f.outputs);
}

double fft_direct_cost(const Problem &problem, ck_pass pass) {
  const bool depthwise = problem.group_channels == 1 && problem.group_features == 1;
  double terms = static_cast<double>(problem.group_features) * static_cast<double>(problem.depth);
  if (!depthwise) terms *= live_share(problem.given); /* `direct` leaves out what meets padding alone */
  const double pixels = static_cast<double>(problem.feature_pixels);
  const double product =
      pass == CK_WEIGHT_GRADIENT ? (depthwise ? kDepthwiseGradient : kGradient) : (depthwise ? kDepthwise : kGemm);
  return terms * pixels * product / kModelLanes;
}

}  // namespace convkit
