/* Rows on their way into the transforms of the Winograd algorithm and out of them (contract in kernel_table.h). The
 * transforms take neighbouring tiles side by side, which are `outputs` elements apart: so a row is split into streams,
 * of which stream i has the elements i of all tiles, and results are merged.
 *
 *     row       0 1 2 3 4 5 6 7 8 ...          stream 0    0 3 6 ...
 *     3 outputs [   ] [   ] [   ]              stream 1    1 4 7 ...
 *                                              stream 2    2 5 8 ... */

/* At least `count` elements, four at a time, but none from `room` on: what is too much is written again later. For runs
 * as short as a dilation. */
template <typename T>
CONVKIT_INLINE void copy_short_run(const T *in, int64_t count, int64_t room, T *out) {
  for (int64_t r = 0; r < count; r += 4) {
    if (room - r >= 4) {
      memcpy(out + r, in + r, 4 * sizeof(T));
    } else {
      for (int64_t last = r; last < room; ++last) out[last] = in[last];
    }
  }
}

/* The two kernels below for rows whose neighbours are dilated: `inner` of them at a time go the same way. */
template <typename T>
CONVKIT_NO_INLINE void split_runs(const T *in, int64_t streams, int64_t inner, int64_t tiles, T *out, int64_t step) {
  for (int64_t first = 0; first < tiles; first += inner, in += streams * inner) {
    const int64_t count = tiles - first < inner ? tiles - first : inner;
    for (int64_t i = 0; i < streams; ++i) copy_short_run(in + i * inner, count, INT64_MAX, out + i * step + first);
  }
}
template <typename T>
CONVKIT_NO_INLINE void merge_runs(const T *in, int64_t step, int64_t streams, int64_t inner, int64_t left, T *out) {
  int64_t first = 0;
  for (const int64_t all = streams * inner; inner <= 4 && left >= all + 4; left -= all, first += inner) {
    for (int64_t i = 0; i < streams; ++i, out += inner) memcpy(out, in + i * step + first, 4 * sizeof(T));
  }
  for (; left > 0; first += inner) {
    for (int64_t i = 0; i < streams && left > 0; ++i, out += inner, left -= inner) {
      copy_short_run(in + i * step + first, inner, left, out);
    }
  }
}

/* Element (b * STREAMS + i) * inner + r of a row becomes element b * inner + r of stream i. */
template <class V, int STREAMS>
CONVKIT_SHAPED void winograd_split(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int64_t tiles = call->count, inner = call->inner, step = call->out_step;
  for (int64_t row = 0; row < call->repeat; ++row) {
    const T *__restrict in = call->in + row * call->in_repeat;
    T *__restrict const out = call->out + row * call->out_repeat;
    if (inner == 1) {
      for (int64_t t = 0; t < tiles; t += V::lanes) {
        if constexpr (STREAMS == 2 || STREAMS == 4) {
          V x[STREAMS];
          CONVKIT_UNROLL
          for (int i = 0; i < STREAMS; ++i) x[i] = V::load(in + t * STREAMS + i * V::lanes);
          split_vectors<V, STREAMS>(x);
          CONVKIT_UNROLL
          for (int i = 0; i < STREAMS; ++i) V::store(out + i * step + t, x[i]);
        } else {
          for (int i = 0; i < STREAMS; ++i) {
            CONVKIT_UNROLL
            for (int l = 0; l < V::lanes; ++l) out[i * step + t + l] = in[(t + l) * STREAMS + i];
          }
        }
      }
      continue;
    }
    split_runs(in, STREAMS, inner, tiles, out, step);
  }
}

/* The way back; exactly `count` elements of each row are written. */
template <class V, int STREAMS>
CONVKIT_SHAPED void winograd_merge(const WinogradCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int64_t inner = call->inner, step = call->in_step;
  for (int64_t row = 0; row < call->repeat; ++row) {
    const T *__restrict const in = call->in + row * call->in_repeat;
    T *__restrict out = call->out + row * call->out_repeat;
    const T *__restrict from = in;
    int64_t left = call->count;
    if (inner == 1 && (merges_any() || STREAMS == 2 || STREAMS == 4)) {
      for (; left > 0; left -= STREAMS * V::lanes, out += STREAMS * V::lanes, from += V::lanes) {
        V x[STREAMS];
        CONVKIT_UNROLL
        for (int i = 0; i < STREAMS; ++i) x[i] = V::load(from + i * step);
        merge_vectors<V, STREAMS>(x);
        CONVKIT_UNROLL
        for (int i = 0; i < STREAMS; ++i) {
          const int64_t count = left - i * V::lanes;
          if (count > 0) store_some<V>(out + i * V::lanes, x[i], count < V::lanes ? int32_t(count) : V::lanes);
        }
      }
    } else if (inner == 1) {
      const int64_t whole = left / STREAMS;
      for (int64_t t = 0; t < whole; ++t) {
        CONVKIT_UNROLL
        for (int i = 0; i < STREAMS; ++i) out[t * STREAMS + i] = in[i * step + t];
      }
      for (int64_t x = whole * STREAMS; x < left; ++x) out[x] = in[(x - whole * STREAMS) * step + whole];
    } else {
      merge_runs(in, step, STREAMS, inner, left, out);
    }
  }
}

/* out = `left` zeros, `count` elements `step` apart, zeros up to `width`. Up to a vector behind it is spoilt. */
template <class V>
void pad_row(typename V::Element *out, int64_t left, const typename V::Element *source, int64_t step, int64_t count,
             int64_t width) {
  const V zero = V::set(0);
  for (int64_t x = 0; x < left; x += V::lanes) V::store(out + x, zero);
  copy_rows<V>(out + left, 0, source, 0, step, count, 1);
  for (int64_t x = left + count; x < width; x += V::lanes) V::store(out + x, zero);
}
