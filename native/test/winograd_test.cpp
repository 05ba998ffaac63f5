/* The transforms of each scheme against their definition, and how much accuracy they cost. */
#include <cmath>

#include "../core/conv/winograd.h"
#include "runner.h"

using namespace test;
using namespace convkit;

namespace {

/* The finite points of n = 4 .. 7, written down once more. */
std::vector<double> points_of(int n) {
  if (n == 4) return {0, 1, -1};
  if (n == 5) return {0, 0.75, -0.75, 2};
  if (n == 6) return {0, 0.625, -0.625, 1.5, -1.5};
  return {0, 0.5, -0.5, 1.25, -1.25, 2};
}

/* The filter transform of a scheme: rows are points. */
std::vector<std::vector<double>> filter_matrix(int32_t scheme) {
  const WinogradScheme s = kWinogradScheme[scheme];
  if (scheme == 0) return {{1}};
  const std::vector<double> points = points_of(s.outputs + s.taps - 1);
  std::vector<std::vector<double>> matrix;
  for (const double p : points) {
    double scale = 1;
    for (const double q : points) scale *= q == p ? 1 : p - q;
    std::vector<double> row(static_cast<size_t>(s.taps));
    for (size_t k = 0; k < row.size(); ++k) row[k] = std::pow(p, static_cast<double>(k)) / scale;
    matrix.push_back(row);
  }
  std::vector<double> infinity(static_cast<size_t>(s.taps), 0);
  infinity.back() = 1;
  matrix.push_back(infinity);
  return matrix;
}

/* A standard normal number, by Box and Muller. */
double normal(Random &random) {
  const double u = (static_cast<double>(random.between(1, 1 << 30))) / (1 << 30);
  const double v = (static_cast<double>(random.between(1, 1 << 30))) / (1 << 30);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979 * v);
}

constexpr int64_t kSamples = 64; /* in lanes */

/* y(x(.)) of `in` [ny][nx][lane] along both axes by a transform of columns. */
template <typename T, typename Transform>
void both(const Transform &y, const Transform &x, int64_t in_y, int64_t in_x, int64_t out_y, int64_t out_x, const T *in,
          T *out) {
  std::vector<T> half(static_cast<size_t>(in_y * out_x * kSamples));
  int64_t offsets[kMostPoints];
  WinogradCall<T> call = {};
  call.offsets = offsets;
  call.count = kSamples;
  for (int64_t u = 0; u < kMostPoints; ++u) offsets[u] = u * kSamples;
  call.in = in, call.in_step = kSamples, call.repeat = in_y, call.in_repeat = in_x * kSamples;
  call.out = half.data(), call.out_step = kSamples, call.out_repeat = out_x * kSamples;
  call.outputs = static_cast<int32_t>(out_x);
  x(&call);
  for (int64_t u = 0; u < kMostPoints; ++u) offsets[u] = u * out_x * kSamples;
  call.in = half.data(), call.in_step = out_x * kSamples, call.repeat = out_x, call.in_repeat = kSamples;
  call.out = out, call.out_step = out_x * kSamples, call.out_repeat = kSamples;
  call.outputs = static_cast<int32_t>(out_y);
  y(&call);
}

template <typename T>
WinogradFilterAxis<T> filter_axis(int32_t scheme, T (*matrix)[kFilterTaps]) {
  const auto exact = filter_matrix(scheme);
  for (size_t p = 0; p < exact.size(); ++p) {
    for (size_t k = 0; k < exact[p].size(); ++k) matrix[p][k] = static_cast<T>(exact[p][k]);
  }
  const size_t pairs = static_cast<size_t>(kWinogradPoints[exact.size()].pairs);
  for (size_t first = 1; first < 1 + 2 * pairs; first += 2) { /* the second of a pair: a factor */
    matrix[first + 1][0] = static_cast<T>(exact[first + 1][0] / exact[first][0]);
  }
  return {matrix, static_cast<int32_t>(exact.size()), kWinogradScheme[scheme].taps};
}

/* RMS error of nested schemes over that of the plain chain, both against float64, with standard normal data. */
template <typename T>
double measure_error(const WinogradSet<T> &set, int32_t sy, int32_t sx, int64_t channels, Random &random) {
  const WinogradScheme y = kWinogradScheme[sy], x = kWinogradScheme[sx];
  const int64_t ny = y.outputs + y.taps - 1, nx = x.outputs + x.taps - 1;
  const auto size = [](int64_t n) { return static_cast<size_t>(n * kSamples); };
  std::vector<T> d(size(ny * nx)), v(size(ny * nx)), products(size(ny * nx), 0), got(size(y.outputs * x.outputs));
  std::vector<T> plain(got.size(), 0);
  std::vector<double> exact(got.size(), 0);
  T gy[kMostPoints][kFilterTaps], gx[kMostPoints][kFilterTaps], u[kMostPoints * kMostPoints];
  T filter[kFilterTaps * kFilterTaps * kFilterRows] = {};
  WinogradFilterCall<T> transform = {};
  transform.y = filter_axis(sy, gy);
  transform.x = filter_axis(sx, gx);
  transform.filter = filter;
  transform.out = u;
  transform.out_step = transform.rows = transform.repeat = 1;
  for (int64_t c = 0; c < channels; ++c) {
    for (T &e : d) e = static_cast<T>(normal(random));
    double g[4][4];
    for (int i = 0; i < y.taps; ++i) {
      for (int j = 0; j < x.taps; ++j) {
        const T tap = static_cast<T>(normal(random));
        filter[(i * x.taps + j) * kFilterRows] = tap;
        g[i][j] = static_cast<double>(tap);
      }
    }
    set.filter(&transform);
    both(set.data[sy], set.data[sx], ny, nx, ny, nx, d.data(), v.data());
    for (int64_t p = 0; p < ny * nx; ++p) {
      for (size_t s = size(p); s < size(p + 1); ++s) products[s] = std::fma(u[p], v[s], products[s]);
    }
    for (int64_t i = 0; i < y.outputs; ++i) {
      for (int64_t j = 0; j < x.outputs; ++j) {
        for (int a = 0; a < y.taps; ++a) {
          for (int b = 0; b < x.taps; ++b) {
            for (size_t s = 0; s < size(1); ++s) {
              const T e = d[size((i + a) * nx + j + b) + s];
              const size_t at = size(i * x.outputs + j) + s;
              exact[at] += static_cast<double>(e) * g[a][b];
              plain[at] = std::fma(e, static_cast<T>(g[a][b]), plain[at]);
            }
          }
        }
      }
    }
  }
  both(set.result[sy], set.result[sx], ny, nx, y.outputs, x.outputs, products.data(), got.data());
  double error = 0, plain_error = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - exact[i], 2);
    plain_error += std::pow(static_cast<double>(plain[i]) - exact[i], 2);
  }
  return std::sqrt(error / plain_error);
}

/* Transforms of rows do to tiles side by side what those of columns do to lanes; `inner` interleaves tiles. */
template <typename T>
void check_rows(const WinogradSet<T> &set, const std::string &isa, Random &random) {
  for (int32_t scheme = 1; scheme < kWinogradSchemes; ++scheme) {
    const WinogradScheme s = kWinogradScheme[scheme];
    const int64_t m = s.outputs, n = m + s.taps - 1;
    for (const int64_t inner : {1, 3, 20}) {
      for (const int64_t tiles : {1, 5, 16, 37}) {
        const int64_t blocks = (tiles + inner - 1) / inner, width = (blocks + 1) * (m + n) * inner + 64;
        const int64_t step = tiles + 64 + n * inner;
        const Buffer<T> row(width), v(n * step), room(m * step);
        for (T &x : row) x = static_cast<T>(random.between(-3, 3));
        WinogradCall<T> call = {};
        call.repeat = 1;
        call.inner = inner;
        call.in = row.data(), call.out = room.data(), call.out_step = step, call.count = tiles + (n - 1) / m * inner;
        set.split[scheme](&call);
        int64_t offsets[kMostPoints];
        for (int64_t u = 0; u < n; ++u) offsets[u] = u % m * step + u / m * inner;
        call.in = room.data(), call.offsets = offsets, call.out = v.data(), call.out_step = step, call.count = tiles;
        set.data[scheme](&call);
        const auto matrix = filter_matrix(scheme);
        double g[4];
        for (double &x : g) x = static_cast<double>(random.between(-3, 3));
        for (int64_t p = 0; p < n; ++p) {
          double u = 0;
          for (int k = 0; k < s.taps; ++k) u += matrix[static_cast<size_t>(p)][static_cast<size_t>(k)] * g[k];
          for (int64_t t = 0; t < tiles; ++t) v[static_cast<size_t>(p * step + t)] *= static_cast<T>(u);
        }
        for (int64_t columns = 1 + (tiles - 1) / inner * m * inner; columns <= blocks * m * inner; columns += 3) {
          const Buffer<T> out(columns);
          call.in = v.data(), call.in_step = step, call.out = room.data(), call.out_step = step, call.count = tiles;
          call.outputs = static_cast<int32_t>(m);
          set.result[scheme](&call);
          call.in = room.data(), call.in_step = step, call.out = out.data(), call.count = columns;
          set.merge[scheme](&call);
          bool close = true;
          for (int64_t i = 0; i < columns; ++i) {
            if (i / (m * inner) * inner + i % inner >= tiles) continue; /* of no tile */
            double wanted = 0;
            for (int k = 0; k < s.taps; ++k) {
              wanted += g[k] * static_cast<double>(row[static_cast<size_t>(i + k * inner)]);
            }
            const double error = std::fabs(static_cast<double>(out[static_cast<size_t>(i)]) - wanted);
            close = close && error <= 1000 * static_cast<double>(std::numeric_limits<T>::epsilon());
          }
          CHECK(close, isa + ": row of scheme " + std::to_string(scheme) + ", " + std::to_string(tiles) +
                           " tiles, inner " + std::to_string(inner) + ", " + std::to_string(columns) + " columns");
        }
      }
    }
  }
}

}  // namespace

TEST(winograd_rows) {
  Random random(test::options.seed);
  for (const std::string &isa : isa_names()) {
    const KernelTable &table = *find_kernel_table(isa.c_str());
    check_rows(table.winograd_f32, isa, random);
    check_rows(table.winograd_f64, isa, random);
  }
}

/* The bound that docs promise: 8 times the error of a plain chain of the same terms. Other points, or deeper nesting,
 * exceed it. */
TEST(winograd_accuracy) {
  Random random(test::options.seed);
  for (const std::string &isa : isa_names()) {
    const KernelTable &table = *find_kernel_table(isa.c_str());
    for (int32_t y = 0; y < kWinogradSchemes; ++y) {
      for (int32_t x = 0; x < kWinogradSchemes; ++x) {
        if (y + x == 0 || !winograd_is_accurate(y, x)) continue;
        for (const int64_t channels : {8, 64}) {
          const double ratio = measure_error(table.winograd_f32, y, x, channels, random);
          CHECK(ratio <= 8, isa + " schemes " + std::to_string(y) + ", " + std::to_string(x) + ", " +
                                std::to_string(channels) + " channels: " + std::to_string(ratio));
        }
        CHECK(measure_error(table.winograd_f64, y, x, 8, random) <= 12, isa + " float64");
      }
    }
  }
}
