/* Elements of a row that belong to different streams, each of every second (third, ...) element: taken apart and put
 * together in registers. */

/* Two or four streams. */
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
