/* Activations, on whole vectors. Included by kernels/<isa>.cpp before tile.inl.h, inside namespace
 * convkit::CONVKIT_ISA.
 *
 * The same operations in the same order on each instruction set: those with fused multiply-add agree
 * bit for bit. exp is ours, so the results do not depend on a C library either.
 *
 *     x = n * ln 2 + r,  |r| <= ln(2) / 2         e^x = 2^n * e^r,   e^r - 1 = r + r^2/2! + r^3/3! + ...
 *
 * The Taylor series to degree 7 (float32) and 13 (float64) ends below a tenth of a unit in the last
 * place on that interval, so no fitted coefficients are needed. Measured: exp within 1, tanh, sigmoid, elu and silu
 * within 3 units in the last place.
 *
 * NaN: max(low, x) and min(high, x) return their second operand when one is NaN (the rule of
 * x86, followed by every Vec), so x is always second. Infinities give the limits of the functions: silu
 * and hard-swish are 0 at -inf, where the bare product would be NaN. */

/* Partial loads and stores are slow where there are no masks, so whole vectors never take them there. */
template <class V>
CONVKIT_INLINE V load_some(const typename V::Element *p, int32_t count) {
  return !V::masks && count == V::lanes ? V::load(p) : V::load_partial(p, count);
}
template <class V>
CONVKIT_INLINE void store_some(typename V::Element *p, V x, int32_t count) {
  if (!V::masks && count == V::lanes) {
    V::store(p, x);
  } else {
    V::store_partial(p, x, count);
  }
}

enum Activation { LINEAR, CLIP, LEAKY_RELU, PRELU, ELU, SIGMOID, TANH, SILU, HARD_SIGMOID, HARD_SWISH };

/* A tile's registers hold little besides its sums, so the bounds come last. */
template <class V, int ROWS, int VECTORS>
CONVKIT_INLINE void clip_all(const Epilogue<typename V::Element> *epilogue, V (&sum)[ROWS][VECTORS]) {
  const V low = V::set(epilogue->a), high = V::set(epilogue->b);
  CONVKIT_UNROLL
  for (int r = 0; r < ROWS; ++r) {
    CONVKIT_UNROLL
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = V::min(high, V::max(low, sum[r][v]));
  }
}

/* The same vector by vector. Where there is no bias or no clipping, values stand for it that change nothing (x + -0 is
 * x, whatever x is), so that there is one piece of code and not one for each case. */
template <class V>
struct RegisterEpilogue {
  using T = typename V::Element;
  const Epilogue<T> *all;
  bool here; /* else all of it follows the store */
  V low, high;

  CONVKIT_INLINE explicit RegisterEpilogue(const Epilogue<T> *e) : all(e), here(e && e->activation <= CLIP) {
    const bool clips = here && e->activation == CLIP;
    low = V::set(clips ? e->a : -T(INFINITY));
    high = V::set(clips ? e->b : T(INFINITY));
  }
  CONVKIT_INLINE bool remains() const { return all && !here; }
  /* Of one channel. */
  CONVKIT_INLINE V bias() const { return V::set(!here ? T(-0.0) : all->bias ? *all->bias : T(0)); }
  CONVKIT_INLINE V finished(V x, V bias) const { return V::min(high, V::max(low, V::add(x, bias))); }
};

template <typename T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float log2_e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693145751953125f; /* few bits: n * ln2_high is exact */
  static constexpr float ln2_low = 1.42860682030941723e-6f;
  static constexpr float lowest = -104.0f; /* e^lowest rounds to zero */
  static constexpr int terms = 6;
  static constexpr float series[terms] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 1.0f / 2};
};

template <>
struct ExpConstants<double> {
  static constexpr double log2_e = 1.44269504088896340736;
  static constexpr double ln2_high = 0.693147180369123816490;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double lowest = -746.0;
  static constexpr int terms = 12;
  static constexpr double series[terms] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                           1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                           1.0 / 120,        1.0 / 24,        1.0 / 6,        1.0 / 2};
};

/* For x <= 0: n and e^r - 1 of the formula above. */
template <class V>
struct ReducedExp {
  V n, r_minus_1;
  explicit ReducedExp(V x) {
    using K = ExpConstants<typename V::Element>;
    x = V::max(V::set(K::lowest), x);
    n = V::round(V::multiply(x, V::set(K::log2_e)));
    V r = V::multiply_add(n, V::set(-K::ln2_high), x);
    r = V::multiply_add(n, V::set(-K::ln2_low), r);
    V tail = V::set(K::series[0]);
    CONVKIT_UNROLL
    for (int i = 1; i < K::terms; ++i) tail = V::multiply_add(tail, r, V::set(K::series[i]));
    r_minus_1 = V::multiply_add(V::multiply(r, r), tail, r);
  }
};

template <class V>
V exp_of_negative(V x) {
  const ReducedExp<V> e(x);
  return V::scale(V::add(e.r_minus_1, V::set(1)), e.n);
}

/* e^x - 1 without cancellation: 2^n (e^r - 1) + (2^n - 1). */
template <class V>
CONVKIT_NO_INLINE V exp_minus_1_of_negative(V x) { /* elu and tanh share it */
  const ReducedExp<V> e(x);
  const V power = V::scale(V::set(1), e.n);
  return V::multiply_add(power, e.r_minus_1, V::add(power, V::set(-1)));
}

/* With t = e^-|x|: 1 / (1 + t) for x >= 0, t / (1 + t) below; nothing overflows. */
template <class V>
V sigmoid(V x) {
  const V t = exp_of_negative<V>(V::min(x, V::negate(x)));
  return V::divide(V::select_negative(x, t, V::set(1)), V::add(t, V::set(1)));
}

/* With m = e^(-2|x|) - 1: tanh |x| = -m / (2 + m). */
template <class V>
V tanh(V x) {
  const V m = exp_minus_1_of_negative<V>(V::multiply(V::min(x, V::negate(x)), V::set(2)));
  const V y = V::divide(m, V::add(m, V::set(2)));
  return V::select_negative(x, y, V::negate(y));
}

template <class V>
V hard_sigmoid(V x) {
  const V ramp = V::add(V::divide(x, V::set(6)), V::set(typename V::Element(0.5)));
  return V::min(V::set(1), V::max(V::set(0), ramp));
}

/* Asked vector by vector: the branch always goes the same way, and kinds that need the same exponential share it. */
template <class V>
CONVKIT_INLINE V activate(int32_t kind, V x, V a, V b, V slope) {
  switch (kind) {
    case CLIP:
      return V::min(b, V::max(a, x));
    case LEAKY_RELU:
    case PRELU:
      return V::select_negative(x, V::multiply(slope, x), x);
    case TANH:
      return tanh<V>(x);
    case ELU:
      return V::select_negative(x, V::multiply(a, exp_minus_1_of_negative<V>(V::min(V::set(0), x))), x);
    case SIGMOID:
    case SILU: {
      const V y = sigmoid<V>(x);
      return kind == SIGMOID ? y : V::multiply(V::max(V::set(-1000), x), y);
    }
    case HARD_SIGMOID:
    case HARD_SWISH: {
      const V y = hard_sigmoid<V>(x);
      return kind == HARD_SIGMOID ? y : V::multiply(V::max(V::set(-1000), x), y);
    }
    default:
      return x;
  }
}

template <class V>
void finish(typename V::Element *c, int64_t c_step, int64_t rows, int64_t columns,
            const Epilogue<typename V::Element> *e) {
  using T = typename V::Element;
  const V a = V::set(e->a), b = V::set(e->b);
  const bool has_slope = e->activation == PRELU, by_lane = e->channels_in_lanes != 0;
  for (int64_t i = 0; i < rows; ++i, c += c_step) {
    V bias = V::set(e->bias && !by_lane ? e->bias[i] : T(0));
    V slope = has_slope && !by_lane ? V::set(e->slope[i]) : a; /* a: of leaky relu */
    for (int64_t j = 0; j < columns; j += V::lanes) {
      const int32_t count = columns - j < V::lanes ? int32_t(columns - j) : V::lanes;
      if (e->bias && by_lane) bias = load_some<V>(e->bias + j, count);
      if (has_slope && by_lane) slope = load_some<V>(e->slope + j, count);
      const V x = V::add(load_some<V>(c + j, count), bias);
      store_some<V>(c + j, activate<V>(e->activation, x, a, b, slope), count);
    }
  }
}
