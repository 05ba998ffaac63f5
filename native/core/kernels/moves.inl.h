/* Rows on their way into the grid of the direct algorithm, and results on their way out of the stage (see
 * kernel_table.h). Included by kernels/<isa>.cpp before tile.inl.h, inside namespace convkit::CONVKIT_ISA. */

/* The elements 0, STEP, 2 * STEP, ... of which `count` may be read; zeros in the other lanes. */
template <class V, int STEP>
CONVKIT_INLINE V load_apart(const typename V::Element *p, int64_t count) {
  if (STEP == 1) return count >= V::lanes ? V::load(p) : V::load_partial(p, int32_t(count));
  const int64_t reach = 2 * (count < V::lanes ? count : V::lanes) - 1, behind = reach - V::lanes;
  if (behind <= 0) return V::evens(load_some<V>(p, int32_t(reach)), V::set(0));
  return V::evens(V::load(p), V::load_partial(p + V::lanes, int32_t(behind)));
}

/* The row without the zeros before it. */
template <class V, int STEP>
CONVKIT_INLINE void copy_row(const typename V::Element *source, int64_t count, int64_t width,
                             typename V::Element *out) {
  int64_t x = 0;
  for (; x + V::lanes < count; x += V::lanes) {
    const auto *const p = source + x * STEP;
    V::store(out + x, STEP == 1 ? V::load(p) : V::evens(V::load(p), V::load(p + V::lanes)));
  }
  for (; x < width; x += V::lanes) {
    const V last = x < count ? load_apart<V, STEP>(source + x * STEP, count - x) : V::set(0);
    store_some<V>(out + x, last, int32_t(width - x < V::lanes ? width - x : V::lanes));
  }
}

template <class V>
void copy_rows(const RowsCopy<typename V::Element> *call) {
  using T = typename V::Element;
  int64_t rows = call->rows, real_begin = call->real_begin, real_end = call->real_end, count = call->count;
  int64_t width = call->width;
  const int64_t left = call->left, step = call->step;
  const bool whole = left == 0 && count == width && real_begin == 0 && real_end == rows && step == 1;
  if (whole && call->source_step == width && call->out_step == width) {
    count = width = rows * width; /* one row */
    rows = real_end = 1;
  }
  /* Where rows overlap, the zeros at the end of one are those at the start of the next. */
  const bool shared = left <= width - call->out_step;
  const bool narrow = step <= 2 && count > 0 && width - left <= V::lanes && (left == 0 || shared);
  const int32_t reach = narrow ? int32_t((count - 1) * step + 1) : 0, near = reach < V::lanes ? reach : V::lanes;
  for (int64_t z = 0; z < call->depths; ++z) {
    const bool real = z >= call->depth_begin && z < call->depth_end;
    const int64_t begin = real ? real_begin : rows, end = real ? real_end : rows;
    const T *source = real ? call->source + (z - call->depth_begin) * call->source_depth : nullptr;
    T *out = call->out + z * call->out_depth;
    for (int64_t y = 0; y < rows; ++y, out += call->out_step) {
      if (y < begin || y >= end) {
        copy_row<V, 1>(out, 0, width, out);
        continue;
      }
      for (int64_t x = 0; x < left && !(shared && y > 0); x += V::lanes) {
        store_some<V>(out + x, V::set(0), int32_t(width - x < V::lanes ? width - x : V::lanes));
      }
      T *const to = out + left;
      if (narrow) { /* one vector a row */
        V row = V::load_partial(source, near);
        if (step == 2) row = V::evens(row, V::load_partial(source + V::lanes, reach - near));
        V::store_partial(to, row, int32_t(width - left));
      } else if (step == 1) {
        copy_row<V, 1>(source, count, width - left, to);
      } else if (step == 2) {
        copy_row<V, 2>(source, count, width - left, to);
      } else {
        for (int64_t x = 0; x < width - left; ++x) to[x] = x < count ? source[x * step] : T(0);
      }
      source += call->source_step;
    }
  }
}

/* Elements before the next cache line. */
template <typename T>
CONVKIT_INLINE int64_t before_line(const T *p) {
  return int64_t(((64 - reinterpret_cast<uintptr_t>(p) % 64) % 64) / sizeof(T));
}

/* The pairs of less than a vector of positions. */
template <class V>
CONVKIT_INLINE void zip_some(const typename V::Element *even, const typename V::Element *odd, int32_t count,
                             typename V::Element *out) {
  const int32_t low = 2 * count < V::lanes ? 2 * count : V::lanes;
  const V a = V::load_partial(even, count), b = V::load_partial(odd, count);
  store_some<V>(out, V::zip_low(a, b), low);
  if (2 * count > low) V::store_partial(out + low, V::zip_high(a, b), 2 * count - low);
}

/* Streamed, what lies before a cache line comes first, if that is whole pairs. */
template <class V>
void zip_rows(const RowsZip<typename V::Element> *call) {
  if (call->rows == 0) V::fence();
  for (int64_t y = 0; y < call->rows; ++y) {
    const auto *const even = call->even + y * call->in_step, *const odd = call->odd + y * call->in_step;
    auto *const out = call->out + y * call->out_step;
    const int64_t before = before_line(out);
    const bool streams = call->streams && before % 2 == 0 && before / 2 + V::lanes <= call->count;
    int64_t i = streams ? before / 2 : 0;
    for (int64_t j = 0; j < i; j += V::lanes) {
      zip_some<V>(even + j, odd + j, int32_t(i - j < V::lanes ? i - j : V::lanes), out + 2 * j);
    }
    for (; i + V::lanes <= call->count; i += V::lanes) {
      const V a = V::load(even + i), b = V::load(odd + i), low = V::zip_low(a, b), high = V::zip_high(a, b);
      auto *const to = out + 2 * i;
      if (streams) {
        V::stream(to, low);
        V::stream(to + V::lanes, high);
      } else {
        V::store(to, low);
        V::store(to + V::lanes, high);
      }
    }
    if (i < call->count) zip_some<V>(even + i, odd + i, int32_t(call->count - i), out + 2 * i);
  }
}

/* Rows become columns, a square of vectors at a time, those of a cache line of the result one after the other. At the
 * ends, squares overlap the ones before. Rows a multiple of 2 KiB apart fall onto few sets of the first-level cache,
 * which do not hold their lines until the next square: so of many squares, all but the
 * first begin where vectors do that lie in one line. */
template <class V>
void turn(int64_t rows, int64_t columns, const typename V::Element *in, int64_t in_step, typename V::Element *out,
          int64_t out_step, int64_t ahead) {
  using T = typename V::Element;
  constexpr int64_t together = 64 / sizeof(T);
  const bool far = in_step % (2048 / int64_t(sizeof(T))) == 0 && columns > 4 * V::lanes;
  const int64_t head = far ? before_line(in) % V::lanes : 0;
  for (int64_t block = 0; block < rows; block += together) {
    for (int64_t line = 0; line < columns; line += line == 0 && head > 0 ? head : int64_t(V::lanes)) {
      const int64_t column = line < columns - V::lanes ? line : columns - V::lanes;
      for (int64_t next = block; next < rows && next < block + together; next += V::lanes) {
        const int64_t first = next < rows - V::lanes ? next : rows - V::lanes;
        const T *from = in + first * in_step + column;
        V x[V::lanes];
        CONVKIT_UNROLL
        for (int i = 0; i < V::lanes; ++i, from += in_step) {
          x[i] = V::load(from);
          if (ahead) V::fetch(from + ahead);
        }
        V::transpose(x);
        T *to = out + column * out_step + first;
        CONVKIT_UNROLL
        for (int i = 0; i < V::lanes; ++i, to += out_step) V::store(to, x[i]);
      }
    }
  }
}

/* With vectors of 128 bits it is no better than what all files have (gemm/transpose.h). */
template <class V>
constexpr auto turn_kernel() -> decltype(&turn<V>) {
  if constexpr (V::lanes * sizeof(typename V::Element) > 16) {
    return turn<V>;
  } else {
    return nullptr;
  }
}

/* out[i * step] += x[i] */
template <class V>
void add_row(const typename V::Element *x, int64_t count, int64_t step, typename V::Element *out) {
  int64_t i = 0;
  if (step == 1) {
    for (; i + V::lanes <= count; i += V::lanes) V::store(out + i, V::add(V::load(out + i), V::load(x + i)));
    const int32_t rest = int32_t(count - i);
    if (rest > 0) V::store_partial(out + i, V::add(V::load_partial(out + i, rest), V::load_partial(x + i, rest)), rest);
    return;
  }
  for (; i < count; ++i) out[i * step] += x[i];
}
