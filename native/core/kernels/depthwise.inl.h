/* Depthwise convolution with channels first: pixels in lanes, one channel at a time (contract in kernel_table.h).
 * Included by kernels/<isa>.cpp after tile.inl.h, inside namespace convkit::CONVKIT_ISA.
 *
 * A tile is some rows of the result, a few vectors wide. A vector of the source, once loaded, serves all rows that
 * it lies under. With three kernel rows and a tile of three:
 *
 *     source row   0     1     2     3     4
 *     result 0     w0    w1    w2                 each row is still one chain in the order of its taps,
 *     result 1           w0    w1    w2           whatever the height of the tile
 *     result 2                 w0    w1    w2
 *                  up ------>  all   down ---->   which rows take part is known at compile time
 *
 * so the loop over source rows has a beginning and an end that are unrolled, and a middle of any length. */

/* One source row for the result rows FIRST .. LAST; `weights` is the kernel row that result row 0 would meet there. */
template <class V, int ROWS, int VECTORS, int STRIDE, int FIRST, int LAST>
CONVKIT_INLINE void depthwise_row(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                  const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  const int64_t width = call->kernel[2];
  for (int64_t x = 0; x < width; ++x) {
    const typename V::Element *const from = source + call->columns[x];
    V lane[VECTORS];
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) lane[v] = V::load(from + v * V::lanes);
    CONVKIT_UNROLL
    for (int r = FIRST; r <= LAST; ++r) {
      const V weight = V::set(weights[x - int64_t{r} * STRIDE * width]);
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::multiply_add(weight, lane[v], sum[r][v]);
    }
  }
}

template <class V, int ROWS, int VECTORS, int STRIDE, int I>
CONVKIT_INLINE void depthwise_up(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                 const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  if constexpr (I < STRIDE * (ROWS - 1)) {
    depthwise_row<V, ROWS, VECTORS, STRIDE, 0, I / STRIDE>(call, source + I * call->source_step,
                                                           weights + I * call->kernel[2], sum);
    depthwise_up<V, ROWS, VECTORS, STRIDE, I + 1>(call, source, weights, sum);
  }
}

/* `source` and `weights` are one row behind the last kernel row. */
template <class V, int ROWS, int VECTORS, int STRIDE, int I>
CONVKIT_INLINE void depthwise_down(const DepthwiseCall<typename V::Element> *call, const typename V::Element *source,
                                   const typename V::Element *weights, V (&sum)[ROWS][VECTORS]) {
  if constexpr (I < STRIDE * (ROWS - 1)) {
    depthwise_row<V, ROWS, VECTORS, STRIDE, I / STRIDE + 1, ROWS - 1>(call, source + I * call->source_step,
                                                                      weights + I * call->kernel[2], sum);
    depthwise_down<V, ROWS, VECTORS, STRIDE, I + 1>(call, source, weights, sum);
  }
}

/* Bias and clipping in registers, the rest right after the store; all rows are of one channel. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void depthwise_store(const DepthwiseCall<typename V::Element> *call, V (&sum)[ROWS][VECTORS]) {
  using T = typename V::Element;
  const Epilogue<T> *const epilogue = call->epilogue;
  const bool in_registers = epilogue && epilogue->activation <= CLIP;
  if (in_registers) {
    const bool clips = epilogue->activation == CLIP;
    const V bias = V::set(epilogue->bias ? *epilogue->bias : T(0));
    const V low = V::set(epilogue->a), high = V::set(epilogue->b);
    CONVKIT_UNROLL
    for (int r = 0; r < ROWS; ++r) {
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) {
        sum[r][v] = V::add(sum[r][v], bias);
        if (clips) sum[r][v] = V::min(high, V::max(low, sum[r][v]));
      }
    }
  }
  const int32_t last = call->width - (VECTORS - 1) * V::lanes;
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    T *const row = call->result + r * call->result_step;
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(row + v * V::lanes, sum[r][v]);
    store_some<V>(row + (VECTORS - 1) * V::lanes, sum[r][VECTORS - 1], last);
    if (epilogue && !in_registers) finish<V>(row, 0, 1, call->width, epilogue);
  }
}

template <class V, int ROWS, int VECTORS, int STRIDE>
void depthwise_tile(const DepthwiseCall<typename V::Element> *call) {
  using T = typename V::Element;
  V sum[ROWS][VECTORS];
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::set(T(0));
  }
  const int64_t height = call->kernel[1], width = call->kernel[2];
  constexpr int64_t ramp = int64_t{STRIDE} * (ROWS - 1);
  for (int64_t z = 0; z < call->kernel[0]; ++z) {
    const T *const plane = call->source + call->planes[z];
    const T *const weights = call->weights + z * height * width;
    depthwise_up<V, ROWS, VECTORS, STRIDE, 0>(call, plane, weights, sum);
    for (int64_t i = ramp; i < height; ++i) {
      depthwise_row<V, ROWS, VECTORS, STRIDE, 0, ROWS - 1>(call, plane + i * call->source_step, weights + i * width,
                                                           sum);
    }
    depthwise_down<V, ROWS, VECTORS, STRIDE, 0>(call, plane + height * call->source_step, weights + height * width,
                                                sum);
  }
  depthwise_store<V, ROWS, VECTORS>(call, sum);
}

/* ---- one row of taps ---- */

/* Elements before the next cache line. */
template <typename T>
CONVKIT_INLINE int64_t before_line(const T *p) {
  return int64_t(((64 - reinterpret_cast<uintptr_t>(p) % 64) % 64) / sizeof(T));
}

/* Columns x .. x + VECTORS * lanes - 1, the last vector cut to `last` unless they are streamed. */
template <class V, int TAPS, int VECTORS, bool STREAMS, class Finish>
CONVKIT_INLINE void depthwise_line_part(const typename V::Element *const (&from)[TAPS], const V (&weight)[TAPS],
                                        int64_t x, typename V::Element *to, int32_t last, const Finish &finished) {
  V sum[VECTORS];
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS; ++v) sum[v] = V::set(0);
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) {
      sum[v] = V::multiply_add(weight[t], V::load(from[t] + x + v * V::lanes), sum[v]);
    }
  }
  if (STREAMS) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) V::stream(to + x + v * V::lanes, finished(sum[v]));
    return;
  }
  CONVKIT_UNROLL
  for (int v = 0; v < VECTORS - 1; ++v) V::store(to + x + v * V::lanes, finished(sum[v]));
  store_some<V>(to + x + (VECTORS - 1) * V::lanes, finished(sum[VECTORS - 1]), last);
}

/* So little work an element that what counts is how far ahead the processor can read: few vectors at a time, with
 * nothing but them between a vector and the next. */
template <class V, int TAPS>
void depthwise_line(const DepthwiseCall<typename V::Element> *call) {
  using T = typename V::Element;
  constexpr int vectors = 2;
  const T *from[TAPS];
  V weight[TAPS];
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) {
    from[t] = call->source + call->planes[0] + call->columns[t];
    weight[t] = V::set(call->weights[t]);
  }
  T *const to = call->result;
  const bool streams = call->streams && call->width >= 64 && (!call->epilogue || call->epilogue->activation <= CLIP);
  const auto run = [&](const auto &finished) {
    const int64_t width = call->width;
    int64_t x = 0;
    /* Vectors at the ends overlap their neighbours, so that none reads further than without streaming. */
    if (streams) {
      const int64_t head = before_line(to);
      for (; x < head; x += V::lanes) depthwise_line_part<V, TAPS, 1, false>(from, weight, x, to, V::lanes, finished);
      for (x = head; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
        depthwise_line_part<V, TAPS, vectors, true>(from, weight, x, to, V::lanes, finished);
      }
      for (; x < width; x += V::lanes) {
        const int64_t at = x < width - V::lanes ? x : width - V::lanes;
        depthwise_line_part<V, TAPS, 1, false>(from, weight, at, to, V::lanes, finished);
      }
      V::fence();
      return;
    }
    for (; x + vectors * V::lanes <= width; x += vectors * V::lanes) {
      depthwise_line_part<V, TAPS, vectors, false>(from, weight, x, to, V::lanes, finished);
    }
    for (; x < width; x += V::lanes) {
      const int64_t left = width - x;
      depthwise_line_part<V, TAPS, 1, false>(from, weight, x, to, left < V::lanes ? int32_t(left) : V::lanes, finished);
    }
  };
  const Epilogue<T> *const epilogue = call->epilogue;
  if (!epilogue || epilogue->activation > CLIP) {
    run([](V x) { return x; });
    if (epilogue) finish<V>(to, 0, 1, call->width, epilogue);
    return;
  }
  const V bias = V::set(epilogue->bias ? *epilogue->bias : T(0));
  if (epilogue->activation == CLIP) {
    const V low = V::set(epilogue->a), high = V::set(epilogue->b);
    run([&](V x) { return V::min(high, V::max(low, V::add(x, bias))); });
  } else {
    run([&](V x) { return V::add(x, bias); });
  }
}

template <class V>
struct LineTable {
  using Line = void (*)(const DepthwiseCall<typename V::Element> *);
  static constexpr Line all[kLineTaps] = {depthwise_line<V, 1>, depthwise_line<V, 2>, depthwise_line<V, 3>,
                                          depthwise_line<V, 4>, depthwise_line<V, 5>, depthwise_line<V, 6>,
                                          depthwise_line<V, 7>, depthwise_line<V, 8>};
};

/* ---- copies ---- */

template <typename T, int STEP>
void copy_apart(T *__restrict out, const T *__restrict source, int64_t count) {
  for (int64_t x = 0; x < count; ++x) out[x] = source[x * STEP];
}

/* Rows of elements `step` apart; the contract is in kernel_table.h. */
template <class V>
void copy_rows(typename V::Element *out, int64_t pitch, const typename V::Element *source, int64_t source_pitch,
               int64_t step, int64_t count, int64_t rows) {
  using T = typename V::Element;
  const int64_t whole = count / V::lanes * V::lanes;
  const int32_t rest = int32_t(count - whole);
  for (int64_t y = 0; y < rows; ++y, out += pitch, source += source_pitch) {
    if (step == 1) {
      for (int64_t x = 0; x < whole; x += V::lanes) V::store(out + x, V::load(source + x));
      if (rest) V::store(out + whole, V::load_partial(source + whole, rest));
    } else if (step == 2) {
      copy_apart<T, 2>(out, source, count);
    } else if (step == 3) {
      copy_apart<T, 3>(out, source, count);
    } else if (step == 4) {
      copy_apart<T, 4>(out, source, count);
    } else {
      for (int64_t x = 0; x < count; ++x) out[x] = source[x * step];
    }
  }
}

template <typename T, int PHASES>
void interleave_as(const T *__restrict in, int64_t in_step, int64_t count, T *__restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    for (int p = 0; p < PHASES; ++p) out[i * PHASES + p] = in[p * in_step + i];
  }
}

/* out[i * phases + p] = in[p * in_step + i] */
template <typename T>
void interleave(const T *in, int64_t in_step, int64_t phases, int64_t count, T *out) {
  if (phases == 2) return interleave_as<T, 2>(in, in_step, count, out);
  if (phases == 3) return interleave_as<T, 3>(in, in_step, count, out);
  if (phases == 4) return interleave_as<T, 4>(in, in_step, count, out);
  for (int64_t p = 0; p < phases; ++p) {
    for (int64_t i = 0; i < count; ++i) out[i * phases + p] = in[p * in_step + i];
  }
}

/* ---- the weight gradient ---- */

/* Sums of TAPS_Y x TAPS_X taps over some rows. A sum is kGradientLanes elements, on every instruction set. */
template <class V, int TAPS_Y, int TAPS_X>
void depthwise_gradient(const DepthwiseGradientCall<typename V::Element> *call) {
  using T = typename V::Element;
  constexpr int lanes = 64 / int(sizeof(T)), parts = lanes / V::lanes;
  V sum[TAPS_Y * TAPS_X][parts];
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
    T *const at = call->sums + (t / TAPS_X) * call->sums_step + t % TAPS_X * lanes;
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) sum[t][v] = V::load(at + v * V::lanes);
  }
  for (int64_t y = 0; y < call->rows; ++y) {
    const T *const features = call->features + y * call->features_step;
    const T *const source = call->source + y * call->source_step;
    int64_t x = 0;
    for (; x + lanes <= call->width; x += lanes) {
      CONVKIT_UNROLL
      for (int v = 0; v < parts; ++v) {
        const V feature = V::load(features + x + v * V::lanes);
        CONVKIT_UNROLL
        for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
          const T *const from = source + x + t / TAPS_X * call->tap_step + call->columns[t % TAPS_X];
          sum[t][v] = V::multiply_add(feature, V::load(from + v * V::lanes), sum[t][v]);
        }
      }
    }
    /* The rest: both operands are cut, since what lies behind the rows may be anything. */
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) {
      const int64_t left = call->width - x - v * V::lanes;
      if (left > 0) {
        const int32_t count = left < V::lanes ? int32_t(left) : V::lanes;
        const V feature = load_some<V>(features + x + v * V::lanes, count);
        CONVKIT_UNROLL
        for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
          const T *const from = source + x + t / TAPS_X * call->tap_step + call->columns[t % TAPS_X];
          sum[t][v] = V::multiply_add(feature, load_some<V>(from + v * V::lanes, count), sum[t][v]);
        }
      }
    }
  }
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS_Y * TAPS_X; ++t) {
    T *const at = call->sums + (t / TAPS_X) * call->sums_step + t % TAPS_X * lanes;
    CONVKIT_UNROLL
    for (int v = 0; v < parts; ++v) V::store(at + v * V::lanes, sum[t][v]);
  }
}

/* ---- channels in lanes ---- */

/* PIXELS pixels of one or two vectors of channels. */
template <class V, int PIXELS, int VECTORS>
void depthwise_last_tile(const DepthwiseLastCall<typename V::Element> *call) {
  using T = typename V::Element;
  const int32_t last = call->channels - (VECTORS - 1) * V::lanes;
  V sum[PIXELS][VECTORS];
  CONVKIT_UNROLL
  for (int p = 0; p < PIXELS; ++p) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[p][v] = V::set(T(0));
  }
  const auto add = [&](const auto &load_last) {
    for (int64_t t = 0; t < call->taps; ++t) {
      const T *const from = call->source + call->offsets[t];
      const T *const weights = call->weights + call->numbers[t] * call->weight_step;
      V weight[VECTORS];
      CONVKIT_UNROLL
      for (int v = 0; v < VECTORS; ++v) weight[v] = V::load(weights + v * V::lanes);
      CONVKIT_UNROLL
      for (int p = 0; p < PIXELS; ++p) {
        const T *const pixel = from + p * call->source_step;
        CONVKIT_UNROLL
        for (int v = 0; v < VECTORS; ++v) {
          const V x = v < VECTORS - 1 ? V::load(pixel + v * V::lanes) : load_last(pixel + v * V::lanes);
          sum[p][v] = V::multiply_add(weight[v], x, sum[p][v]);
        }
      }
    }
  };
  if (last == V::lanes) {
    add([](const T *at) { return V::load(at); });
  } else {
    add([last](const T *at) { return V::load_partial(at, last); });
  }
  CONVKIT_UNROLL
  for (int p = 0; p < PIXELS; ++p) {
    T *const to = call->result + p * call->result_step;
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS - 1; ++v) V::store(to + v * V::lanes, sum[p][v]);
    store_some<V>(to + (VECTORS - 1) * V::lanes, sum[p][VECTORS - 1], last);
  }
  if (call->epilogue) finish<V>(call->result, call->result_step, PIXELS, call->channels, call->epilogue);
}

template <class V, int PIXELS>
struct LastTable {
  using Tile = void (*)(const DepthwiseLastCall<typename V::Element> *);
  template <int P>
  static constexpr int pixels = P < PIXELS ? P : PIXELS;
  static constexpr Tile all[kLastPixels][kLastVectors] = {
      {depthwise_last_tile<V, 1, 1>, depthwise_last_tile<V, 1, 2>},
      {depthwise_last_tile<V, 2, 1>, depthwise_last_tile<V, 2, 2>},
      {depthwise_last_tile<V, pixels<3>, 1>, depthwise_last_tile<V, pixels<3>, 2>},
      {depthwise_last_tile<V, pixels<4>, 1>, depthwise_last_tile<V, pixels<4>, 2>},
      {depthwise_last_tile<V, pixels<5>, 1>, depthwise_last_tile<V, pixels<5>, 2>},
      {depthwise_last_tile<V, pixels<6>, 1>, depthwise_last_tile<V, pixels<6>, 2>},
      {depthwise_last_tile<V, pixels<7>, 1>, depthwise_last_tile<V, pixels<7>, 2>},
      {depthwise_last_tile<V, pixels<8>, 1>, depthwise_last_tile<V, pixels<8>, 2>}};
};

/* sums[n] += features * source over pixels, for taps n of a row of taps: a vector of channels. */
template <class V, int TAPS>
void depthwise_last_gradient(const DepthwiseLastGradientCall<typename V::Element> *call) {
  using T = typename V::Element;
  V sum[TAPS];
  const int32_t channels = call->channels;
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) sum[t] = V::load(call->sums + t * call->sums_step);
  const auto add = [&](const auto &load) {
    const T *features = call->features, *source = call->source;
    for (int64_t i = 0; i < call->pixels; ++i) {
      const V feature = load(features);
      CONVKIT_UNROLL
      for (int t = 0; t < TAPS; ++t) sum[t] = V::multiply_add(feature, load(source + call->offsets[t]), sum[t]);
      features += call->features_step;
      source += call->source_step;
    }
  };
  if (channels == V::lanes) {
    add([](const T *at) { return V::load(at); });
  } else {
    add([channels](const T *at) { return V::load_partial(at, channels); });
  }
  CONVKIT_UNROLL
  for (int t = 0; t < TAPS; ++t) V::store(call->sums + t * call->sums_step, sum[t]);
}

template <class V>
struct LastGradientTable {
  using Gradient = void (*)(const DepthwiseLastGradientCall<typename V::Element> *);
  static constexpr Gradient all[kLastTaps] = {depthwise_last_gradient<V, 1>, depthwise_last_gradient<V, 2>,
                                              depthwise_last_gradient<V, 3>, depthwise_last_gradient<V, 4>,
                                              depthwise_last_gradient<V, 5>, depthwise_last_gradient<V, 6>,
                                              depthwise_last_gradient<V, 7>, depthwise_last_gradient<V, 8>};
};

/* ---- tables ---- */

/* The widest tile of a height: SUMS vectors of sums in all. */
constexpr int depthwise_vectors(int sums, int rows) {
  return sums / rows < kMostVectors ? sums / rows : int(kMostVectors);
}

template <class V, int SUMS, class List>
struct DepthwiseTable;
template <class V, int SUMS, int... I>
struct DepthwiseTable<V, SUMS, Indexes<I...>> {
  using Tile = void (*)(const DepthwiseCall<typename V::Element> *);
  template <int ROWS, int VECTORS, int STRIDE>
  static constexpr Tile at() {
    if constexpr (VECTORS <= depthwise_vectors(SUMS, ROWS)) {
      return depthwise_tile<V, ROWS, VECTORS, STRIDE>;
    } else {
      return nullptr;
    }
  }
  static const Tile all[];
};
template <class V, int SUMS, int... I>
const typename DepthwiseTable<V, SUMS, Indexes<I...>>::Tile DepthwiseTable<V, SUMS, Indexes<I...>>::all[] = {
    DepthwiseTable::at<I / kMostVectors % kDepthwiseRows + 1, I % kMostVectors + 1,
                       I / kMostVectors / kDepthwiseRows + 1>()...};

template <class V, int TAPS_Y>
struct GradientTable {
  using Gradient = void (*)(const DepthwiseGradientCall<typename V::Element> *);
  static constexpr Gradient all[kGradientTaps][kGradientTaps] = {
      {depthwise_gradient<V, 1, 1>, depthwise_gradient<V, 1, 2>, depthwise_gradient<V, 1, 3>},
      {depthwise_gradient < V, TAPS_Y >= 2 ? 2 : 1, 1 >, depthwise_gradient<V, TAPS_Y >= 2 ? 2 : 1, 2>,
       depthwise_gradient<V, TAPS_Y >= 2 ? 2 : 1, 3>},
      {depthwise_gradient < V, TAPS_Y >= 3 ? 3 : 1, 1 >, depthwise_gradient<V, TAPS_Y >= 3 ? 3 : 1, 2>,
       depthwise_gradient<V, TAPS_Y >= 3 ? 3 : 1, 3>}};
};

template <class V, int SUMS, int TAPS_Y>
constexpr DepthwiseSet<typename V::Element> depthwise_set() {
  return {
      DepthwiseTable<V, SUMS, typename MakeIndexes<kDepthwiseStrides * kDepthwiseRows * kMostVectors>::Type>::all,
      {depthwise_vectors(SUMS, 1), depthwise_vectors(SUMS, 2), depthwise_vectors(SUMS, 3), depthwise_vectors(SUMS, 4)},
      LineTable<V>::all,
      copy_rows<V>,
      interleave<typename V::Element>,
      GradientTable<V, TAPS_Y>::all,
      TAPS_Y,
      LastTable<V, SUMS / 2>::all,
      SUMS / 2 < kLastPixels ? SUMS / 2 : int32_t(kLastPixels),
      LastGradientTable<V>::all};
}
