/* Rows on their way into the transforms of the Winograd algorithm and out of them (contract in kernel_table.h). The
 * transforms take neighbouring tiles side by side, which are `outputs` elements apart: so a row is split into streams,
 * of which stream i has the elements i of all tiles, and results are merged.
 *
 *     row       0 1 2 3 4 5 6 7 8 ...          stream 0    0 3 6 ...
 *     3 outputs [   ] [   ] [   ]              stream 1    1 4 7 ...
 *                                              stream 2    2 5 8 ... */

/* Vectors of elements into vectors of two or four streams, and back. */
template <class V, int STREAMS>
CONVKIT_INLINE void split_vectors(V *x) {
  V y[4];
  V::split(x[0], x[1], y, y + 1);
  if constexpr (STREAMS == 2) {
    x[0] = y[0], x[1] = y[1];
  } else {
    V::split(x[2], x[3], y + 2, y + 3);
    V::split(y[0], y[2], x, x + 2);
    V::split(y[1], y[3], x + 1, x + 3);
  }
}
template <class V, int STREAMS>
CONVKIT_INLINE void merge_pairs(V *x) {
  V y[4];
  if constexpr (STREAMS == 2) {
    V::merge(x[0], x[1], y, y + 1);
    x[0] = y[0], x[1] = y[1];
  } else {
    V::merge(x[0], x[2], y, y + 2);
    V::merge(x[1], x[3], y + 1, y + 3);
    V::merge(y[0], y[1], x, x + 1);
    V::merge(y[2], y[3], x + 2, x + 3);
  }
}

/* Of three and five streams, a vector of the row has lanes of each, and gets them one stream after the other:
 *
 *     result vector 0 of 3 streams      a0 b0  .  a1 b1  .  a2 b2        from streams a and b
 *                                       a0 b0 c0  a1 b1 c1  a2 b2        and from c
 *
 * Which lanes is known at compile time; where a compiler has shuffles of that kind, it finds the instructions. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CONVKIT_HAS_SHUFFLES
#endif
#endif
#ifdef CONVKIT_HAS_SHUFFLES
constexpr bool merges_any() { return true; }

/* The lane that goes to lane `at` of vector `number`: of `kept` (0 ..), or of stream `stream` (`lanes` ..). */
constexpr int merged_lane(int lanes, int streams, int number, int stream, int at) {
  const int element = number * lanes + at;
  if (element % streams == stream) return lanes + element / streams;
  return stream == 1 && element % streams == 0 ? element / streams : at;
}
template <class V, int STREAMS, int NUMBER, int STREAM, int... AT>
CONVKIT_INLINE V with_stream(V kept, V x, Indexes<AT...>) {
  return {__builtin_shufflevector(kept.v, x.v, merged_lane(V::lanes, STREAMS, NUMBER, STREAM, AT)...)};
}
template <class V, int STREAMS, int NUMBER, int STREAM>
CONVKIT_INLINE V with_streams(V kept, const V *x) {
  if constexpr (STREAM < STREAMS) {
    const V more = with_stream<V, STREAMS, NUMBER, STREAM>(kept, x[STREAM], typename MakeIndexes<V::lanes>::Type());
    return with_streams<V, STREAMS, NUMBER, STREAM + 1>(more, x);
  } else {
    return kept;
  }
}
template <class V, int STREAMS, int... NUMBER>
CONVKIT_INLINE void merge_all(V *x, Indexes<NUMBER...>) {
  const V y[STREAMS] = {with_streams<V, STREAMS, NUMBER, 1>(x[0], x)...};
  CONVKIT_UNROLL
  for (int i = 0; i < STREAMS; ++i) x[i] = y[i];
}
#else
constexpr bool merges_any() { return false; }
template <class V, int STREAMS, class List>
void merge_all(V *, List) {}
#endif

template <class V, int STREAMS>
CONVKIT_INLINE void merge_vectors(V *x) {
  if constexpr (STREAMS == 2 || STREAMS == 4) {
    merge_pairs<V, STREAMS>(x);
  } else if constexpr (STREAMS > 1) {
    merge_all<V, STREAMS>(x, typename MakeIndexes<STREAMS>::Type());
  }
}

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
