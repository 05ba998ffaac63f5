/* The contract of the tiles, for each table, every size: what is read, what is written, the sums. */
#include <algorithm>
#include <cmath>

#include "../core/cpu/dispatch.h"
#include "../core/gemm/tile_fetch.h"
#include "../core/kernels/sets_of.h"
#include "harness.h"
#include "problems.h"

using namespace test;
using convkit::Epilogue;
using convkit::KernelTable;
using convkit::TileCall;
using convkit::TileSet;

namespace {

/* 0, step, 2 * step, ... in any order. */
std::vector<int64_t> shuffled_offsets(int64_t count, int64_t step, Random &random) {
  std::vector<int64_t> offsets;
  for (int64_t k = 0; k < count; ++k) offsets.push_back(k * step);
  for (size_t k = offsets.size(); k > 1; --k) {
    std::swap(offsets[k - 1], offsets[static_cast<size_t>(random.between(0, static_cast<int64_t>(k) - 1))]);
  }
  return offsets;
}

/* One tile on guarded operands; one or both go by a shuffled table of offsets. */
template <typename T>
void check_tile(const char *isa, const TileSet<T> &tiles, int32_t rows, int32_t columns, int64_t depth,
                Random &random) {
  const int32_t vectors = (columns + tiles.lanes - 1) / tiles.lanes, read = vectors * tiles.lanes;
  const bool both = random.chance(30), by_a = both || random.chance(50), by_b = both || !by_a; /* which by table */
  const int64_t a_step = rows + random.between(0, 3), b_step = read + random.between(0, 2);
  const int64_t c_step = columns + random.between(0, 5);
  const Guard guard = random.chance(50) ? Guard::behind : Guard::before;
  /* The table covers some terms, and starts again behind them. */
  const int64_t period = random.chance(50) ? depth : random.between(1, depth);
  const int64_t reach =
      (depth + period - 1) / period * period; /* a shuffled table may reach the end of its last turn */
  const Buffer<T> a(((by_a ? reach : depth) - 1) * a_step + rows, guard);
  const Buffer<T> b(((by_b ? reach : depth) - 1) * b_step + read, guard);
  const Buffer<T> c((rows - 1) * c_step + columns, guard), bias(std::max(rows, columns), guard);
  for (T &x : a) x = static_cast<T>(random.between(-3, 3));
  for (T &x : b) x = static_cast<T>(random.between(-3, 3));
  for (T &x : bias) x = static_cast<T>(random.between(-3, 3));
  const std::vector<int64_t> a_offsets = shuffled_offsets(period, a_step, random);
  const std::vector<int64_t> b_offsets = shuffled_offsets(period, b_step, random);
  const bool continues = random.chance(50), by_lane = random.chance(50);
  const Buffer<T> before(static_cast<int64_t>(c.size()));
  for (size_t i = 0; i < c.size(); ++i) {
    const bool inside = static_cast<int64_t>(i) % c_step < columns;
    before[i] = c[i] =
        continues || !inside ? static_cast<T>(random.between(-9, 9)) : std::numeric_limits<T>::quiet_NaN();
  }

  Epilogue<T> epilogue = {bias.data(), bias.data(), static_cast<T>(-5), static_cast<T>(30), 0, by_lane};
  const int32_t activations[] = {-1, CK_LINEAR, CK_CLIP, CK_PRELU, CK_LEAKY_RELU};
  epilogue.activation = activations[random.between(0, 4)];
  TileCall<T> call = {};
  call.a = by_a ? convkit::by_table<T>(a_offsets.data(), period * a_step) : convkit::by_step<T>(a_step);
  call.b = by_b ? convkit::by_table<T>(b_offsets.data(), period * b_step) : convkit::by_step<T>(b_step);
  call.a.at = a.data(), call.b.at = b.data();
  call.depth = depth, call.period = period;
  call.c = c.data(), call.c_step = c_step, call.columns = columns, call.continues = continues;
  call.epilogue = epilogue.activation < 0 ? nullptr : &epilogue;
  tiles.tiles[(rows - 1) * convkit::kMostVectors + vectors - 1](&call);

  bool equal = true;
  for (size_t i = 0; i < c.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / c_step, column = static_cast<int64_t>(i) % c_step;
    if (column >= columns) {
      equal = equal && c[i] == before[i];
      continue;
    }
    T sum = continues ? before[i] : 0;
    for (int64_t k = 0; k < depth; ++k) {
      const size_t in_period = static_cast<size_t>(k % period);
      const int64_t turns = k / period * period;
      const int64_t a_at = by_a ? a_offsets[in_period] + turns * a_step : k * a_step;
      const int64_t b_at = by_b ? b_offsets[in_period] + turns * b_step : k * b_step;
      sum += a[static_cast<size_t>(a_at + row)] * b[static_cast<size_t>(b_at + column)];
    }
    if (call.epilogue) {
      const T channel = bias[static_cast<size_t>(by_lane ? column : row)];
      sum += channel;
      if (epilogue.activation == CK_CLIP) sum = std::min(std::max(sum, epilogue.a), epilogue.b);
      if (epilogue.activation == CK_PRELU && sum < 0) sum *= channel;
      if (epilogue.activation == CK_LEAKY_RELU && sum < 0) sum *= epilogue.a;
    }
    equal = equal && c[i] == sum;
  }
  CHECK(equal, std::string(isa) + " " + std::to_string(sizeof(T) * 8) + " tile " + std::to_string(rows) + "x" +
                   std::to_string(columns) + " depth " + std::to_string(depth) + " activation " +
                   std::to_string(epilogue.activation));
}

template <typename T>
void check_tiles(const char *isa, const TileSet<T> &tiles, Random &random) {
  for (int32_t vectors = 1; vectors <= convkit::kMostVectors; ++vectors) {
    for (int32_t rows = 1; rows <= tiles.heights[vectors - 1]; ++rows) {
      for (int32_t columns = (vectors - 1) * tiles.lanes + 1; columns <= vectors * tiles.lanes; ++columns) {
        for (const int64_t depth : {1, 2, 3, 17}) check_tile(isa, tiles, rows, columns, depth, random);
      }
    }
  }
}

/* Two stages of rows, zipped: of every length, nothing else is read or written. */
template <typename T>
void check_zip(const char *isa, const TileSet<T> &tiles, int64_t count, Random &random, bool streams) {
  const int64_t rows = random.between(1, 3), in_step = count + random.between(0, 3);
  const int64_t out_step = 2 * count + random.between(0, 3);
  const Buffer<T> even((rows - 1) * in_step + count), odd((rows - 1) * in_step + count);
  const Buffer<T> out((rows - 1) * out_step + 2 * count);
  for (T &x : even) x = static_cast<T>(random.between(1, 99));
  for (T &x : odd) x = static_cast<T>(random.between(1, 99));
  for (T &x : out) x = 0;
  const convkit::RowsZip<T> call = {even.data(), odd.data(), in_step, count, rows, out.data(), out_step, streams};
  tiles.zip_rows(&call);
  bool equal = true;
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / out_step, at = static_cast<int64_t>(i) % out_step;
    const size_t from = static_cast<size_t>(row * in_step + at / 2);
    equal = equal && out[i] == (at >= 2 * count ? 0 : at % 2 == 0 ? even[from] : odd[from]);
  }
  CHECK(equal, std::string(isa) + " zip of " + std::to_string(count));
}

/* Phases of a row, of every number and length. */
template <typename T>
void check_interleave(const char *isa, const convkit::DepthwiseSet<T> &kernels, int64_t phases, int64_t count,
                      Random &random) {
  const int64_t step = count + random.between(0, 3);
  const Buffer<T> in((phases - 1) * step + count), out(phases * count);
  for (T &x : in) x = static_cast<T>(random.between(1, 99));
  for (T &x : out) x = 0;
  kernels.interleave(in.data(), step, phases, count, out.data());
  bool equal = true;
  for (int64_t i = 0; i < phases * count; ++i) {
    equal = equal && out[static_cast<size_t>(i)] == in[static_cast<size_t>(i % phases * step + i / phases)];
  }
  CHECK(equal, std::string(isa) + " " + std::to_string(phases) + " phases of " + std::to_string(count));
}

/* Rows to columns: exactly these elements. */
template <typename T>
void check_turn(const char *isa, const TileSet<T> &tiles, int64_t more, Random &random) {
  if (!tiles.turn) return;
  const bool far = random.chance(50); /* rows that share sets of a cache, with squares apart from the first */
  const int64_t rows = tiles.lanes + random.between(0, more);
  const int64_t columns = (far ? 4 : 1) * tiles.lanes + random.between(0, more);
  const int64_t in_step = far ? 2048 / static_cast<int64_t>(sizeof(T)) : columns + random.between(0, 3);
  const int64_t out_step = rows + random.between(0, 3);
  const Buffer<T> in((rows - 1) * in_step + columns, Guard::behind);
  const Buffer<T> out((columns - 1) * out_step + rows, Guard::behind);
  for (T &x : in) x = static_cast<T>(random.between(1, 999));
  for (T &x : out) x = 0;
  tiles.turn(rows, columns, in.data(), in_step, out.data(), out_step, random.between(0, 1) * 64);
  bool equal = true;
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < out_step && (i < rows || j + 1 < columns); ++i) {
      const T wanted = i < rows ? in[static_cast<size_t>(i * in_step + j)] : 0;
      equal = equal && out[static_cast<size_t>(j * out_step + i)] == wanted;
    }
  }
  CHECK(equal, std::string(isa) + " turn of " + std::to_string(rows) + " x " + std::to_string(columns));
}

/* A line that is streamed has the bits of one that is not, and reads no further. */
template <typename T>
void check_streams(const char *isa, const convkit::DepthwiseSet<T> &kernels, int64_t taps, int64_t width,
                   Random &random) {
  if (taps > kernels.line_taps) return;
  const int64_t shift = random.between(0, 15), read = width + taps - 1;
  const Buffer<T> source(read, Guard::behind), room(read + 64, Guard::behind), weights(taps);
  const Buffer<T> plain(width + 16), streamed(width + 16);
  for (T &x : source) x = static_cast<T>(random.between(-9, 9)) / 8;
  for (T &x : room) x = 0;
  std::copy(source.begin(), source.end(), room.begin());
  for (T &x : weights) x = static_cast<T>(random.between(-9, 9)) / 7;
  for (T &x : plain) x = 77;
  for (T &x : streamed) x = 77;
  const int64_t plane = 0, columns[] = {0, 1, 2, 3, 4, 5, 6, 7};
  const T bias = 3;
  const Epilogue<T> epilogue = {&bias, nullptr, -1, 4, random.chance(50) ? CK_CLIP : CK_LEAKY_RELU, 0};
  convkit::DepthwiseCall<T> call = {};
  call.taps = {weights.data(), columns, taps};
  call.planes = &plane, call.depth = call.height = 1;
  call.width = static_cast<int32_t>(width);
  if (random.chance(70)) call.epilogue = &epilogue;
  call.source = room.data(), call.result = plain.data() + shift;
  kernels.lines[taps - 1](&call);
  const bool whole = !call.epilogue || epilogue.activation == CK_CLIP; /* else it is not streamed, and reads as usual */
  call.source = whole ? source.data() : room.data(), call.result = streamed.data() + shift, call.streams = 1;
  kernels.lines[taps - 1](&call);
  CHECK(std::equal(plain.begin(), plain.end(), streamed.begin()),
        std::string(isa) + " line of " + std::to_string(width) + ", streamed, " + std::to_string(taps) + " taps");
}

/* So has a run of results with channels in lanes, wherever the result begins in a cache line. */
template <typename T>
void check_streamed_run(const char *isa, const convkit::DepthwiseSet<T> &kernels, int64_t vectors, Random &random) {
  const int64_t channels = vectors * 64 / static_cast<int64_t>(sizeof(T)), pixels = kernels.last_pixels;
  const int64_t taps = random.between(2, 4), shift = random.between(0, 15), zero = 0;
  const Buffer<T> source((pixels + taps - 1) * channels, Guard::behind), weights(taps * channels + 16),
      biases(channels);
  const Buffer<T> plain(pixels * channels + 16), streamed(pixels * channels + 16);
  for (T &x : source) x = static_cast<T>(random.between(-9, 9)) / 8;
  for (T &x : weights) x = static_cast<T>(random.between(-9, 9)) / 7;
  for (T &x : biases) x = static_cast<T>(random.between(-9, 9));
  for (T &x : plain) x = 77;
  for (T &x : streamed) x = 77;
  const Epilogue<T> epilogue = {biases.data(), nullptr, -1, 4, random.chance(70) ? CK_CLIP : CK_LEAKY_RELU, 1};
  convkit::DepthwiseLastCall<T> call = {};
  call.source = source.data(), call.weights = weights.data();
  call.offsets = call.numbers = &zero;
  call.taps = 1, call.source_step = call.weight_step = call.result_step = call.channels = channels;
  call.run = taps, call.run_step = 1, call.end = pixels + taps - 1, call.pixels = pixels;
  if (random.chance(70)) call.epilogue = &epilogue;
  for (const Buffer<T> *const result : {&plain, &streamed}) {
    call.result = result->data() + shift, call.streams = result == &streamed;
    kernels.last_runs[1](&call);
  }
  CHECK(std::equal(plain.begin(), plain.end(), streamed.begin()),
        std::string(isa) + " run of " + std::to_string(channels) + " channels, streamed, " + std::to_string(taps) +
            " taps from " + std::to_string(shift));
}

/* How often each cache line of what comes next is fetched, by tiles one after the other, whose fetches end at an even
 * share: `terms` rows of so many lines, `step` elements apart. */
std::vector<int> fetched(convkit::TileFetch<float> fetch, const float *next, int64_t terms, int64_t step,
                         int64_t tiles) {
  constexpr int64_t line = convkit::TileFetch<float>::kLine;
  std::vector<int> times(static_cast<size_t>(terms * convkit::ceil_div(step, line) * 2));
  for (int64_t tile = 0; tile < tiles; ++tile) {
    TileCall<float> call = {};
    fetch.next_tile(&call);
    for (int64_t k = 0; k < terms; ++k) {
      for (int64_t i = 0; i < call.fetched_lines; ++i) {
        const int64_t at = call.fetched - next + i * line;
        const bool near = at >= 0 && at < 2 * step;
        CHECK(near && at % line == 0 && call.fetched_step == step, "whole lines of each term");
        if (near) ++times[static_cast<size_t>(k * convkit::ceil_div(step, line) * 2 + at / line)];
      }
    }
  }
  return times;
}

}  // namespace

/* Prefetches leave no trace in results, so what they ask for is looked at here: each line of the next block once. */
TEST(tile_fetch) {
  using Fetch = convkit::TileFetch<float>;
  alignas(64) static const float room[1 << 14] = {};
  for (const int64_t width : {16, 32, 48, 64, 96, 192}) {
    const int64_t lines = width / Fetch::kLine;
    for (const int64_t terms : {1, 2, 9, 40}) {
      for (const int64_t tiles : {1, 2, 3, 4, 7, 12, 13, 50}) {
        const auto times = fetched(Fetch::of_weights(room, width * terms, terms, tiles), room, terms, width, tiles);
        bool right = true;
        int64_t beyond = 0;
        for (int64_t k = 0; k < terms; ++k) {
          for (int64_t i = 0; i < 2 * lines; ++i) {
            const int count = times[static_cast<size_t>(k * 2 * lines + i)];
            if (i >= lines) beyond += count; /* of the last tile's share, which is as large as the others' */
            right = right && count <= 1 && (i >= lines || count == (tiles > 1 ? 1 : 0));
          }
        }
        const int64_t share = convkit::ceil_div(lines, tiles);
        CHECK(right && beyond < share * terms, "weights " + std::to_string(width) + " x " + std::to_string(terms) +
                                                   " by " + std::to_string(tiles) + " tiles");
      }
    }
  }

  /* A run: wherever it begins in a cache line, what the third tile reads was asked for before, and so on. */
  for (const int64_t width : {14, 16, 48, 112}) {
    for (const int64_t begin : {0, 4, 15}) {
      constexpr int64_t tiles = 6;
      Fetch fetch = Fetch::of_run(room + begin, width, 1000);
      std::vector<bool> asked(1 << 10);
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t first = begin + tile * width, last = (first + width - 1) / Fetch::kLine;
        bool there = true;
        for (int64_t line = first / Fetch::kLine; line <= last; ++line) {
          there = there && asked[static_cast<size_t>(line)];
        }
        const std::string name = "run of tiles of " + std::to_string(width) + " from " + std::to_string(begin);
        if (tile >= 2) CHECK(there, name);
        TileCall<float> call = {};
        fetch.next_tile(&call);
        CHECK(call.fetched_step == 1000 && call.fetched_lines == convkit::ceil_div(width, Fetch::kLine), name);
        for (int64_t i = 0; i < call.fetched_lines; ++i) {
          asked[static_cast<size_t>((call.fetched - room) / Fetch::kLine + i)] = true;
        }
      }
    }
  }

  TileCall<float> call = {};
  Fetch().next_tile(&call);
  CHECK(call.fetched == nullptr && call.fetched_lines == 0, "nothing");
}

TEST(moves) {
  Random random(test::options.seed);
  for (int32_t i = 0; i < convkit::kernel_table_count(); ++i) {
    const KernelTable &table = *convkit::kernel_table(i);
    for (int64_t count = 1; count <= 40; ++count) {
      for (const bool streams : {false, true}) {
        check_zip(table.name, table.f32, count, random, streams);
        check_zip(table.name, table.f64, count, random, streams);
      }
      check_turn(table.name, table.f32, count, random);
      check_turn(table.name, table.f64, count, random);
      for (int64_t phases = 2; phases <= 5; ++phases) {
        check_interleave(table.name, table.depthwise_f32, phases, count, random);
        check_interleave(table.name, table.depthwise_f64, phases, count, random);
      }
      check_streams(table.name, table.depthwise_f32, 1 + count % 8, 64 + count, random);
      check_streams(table.name, table.depthwise_f64, 1 + count % 8, 64 + count, random);
      check_streamed_run(table.name, table.depthwise_f32, 1 + count % 4, random);
      check_streamed_run(table.name, table.depthwise_f64, 1 + count % 4, random);
    }
  }
}

TEST(tiles) {
  Random random(test::options.seed);
  for (int32_t i = 0; i < convkit::kernel_table_count(); ++i) {
    const KernelTable &table = *convkit::kernel_table(i);
    check_tiles(table.name, table.f32, random);
    check_tiles(table.name, table.f64, random);
  }
}

TEST(dispatch) {
  CHECK(convkit::find_kernel_table("sse9") == nullptr, "an unknown name");
  CHECK(convkit::find_kernel_table(nullptr) == convkit::kernel_table(0), "the best by default");
  CHECK(convkit::find_kernel_table("portable") == convkit::kernel_table(convkit::kernel_table_count() - 1),
        "portable is always there, and last");
  CHECK(convkit::kernel_table(-1) == nullptr && ck_isa_name(ck_isa_count()) == nullptr, "outside the list");
}
