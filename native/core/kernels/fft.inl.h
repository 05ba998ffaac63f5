/* Fourier transforms (contract in kernel_table.h).
 *
 * Lanes are independent sequences, so every butterfly is whole-vector arithmetic with broadcast twiddles, and no vector
 * is ever shuffled:
 *
 *     element 0        element 1        element 2
 *     re | im          re | im          re | im          re, im: one vector each, a lane per sequence
 *
 * Forward: decimation in frequency. A pass of radix R takes elements n / R apart, transforms them, turns number q of
 * them by w^(q j) and leaves the R blocks to the next pass. So frequencies come out in the order of reversed digits.
 * The inverse goes through the same passes backwards, turning first, and ends in natural order; a product of
 * spectra does not care for the order in between.
 *
 *     length 8 = 4 * 2     frequency at place  0  1  2  3  4  5  6  7
 *                                              0  4  1  5  2  6  3  7
 *
 * With real and imaginary parts in each other's place, a forward butterfly is an inverse one (i * conj(z) is z with its
 * parts exchanged), so there is one set of butterflies.
 *
 * Real sequences. Even elements become the real parts, odd ones the imaginary parts of a sequence z of half the length.
 * With Z its transform, E = (Z[k] + conj Z[-k]) / 2 and O = (Z[k] - conj Z[-k]) / 2i are those of the even and the odd
 * elements, and E + w O, E - w O are two frequencies of the real sequence. In more dimensions z halves the
 * last axis only, and k and -k are places in all of them; nothing else changes. */

/* Elements 1 .. R - 1, turned. */
template <class V, int R>
CONVKIT_INLINE void times_twiddles(Complex<V> (&x)[R], const typename V::Element *w) {
  CONVKIT_UNROLL
  for (int q = 1; q < R; ++q) x[q] = times(x[q], V::set(w[2 * q - 2]), V::set(w[2 * q - 1]));
}

/* One pass over `blocks` neighbouring blocks of R * span elements. Both ways go through the same code: a pass is tens
 * of instructions on vectors, and two branches that always go the same way are nothing beside them. */
template <class V, int R>
void fft_pass(typename V::Element *data, int64_t step, int64_t blocks, int64_t span,
              const typename V::Element *twiddles, bool inverse) {
  using T = typename V::Element;
  const int64_t re = inverse ? V::lanes : 0, im = V::lanes - re, leg = span * step;
  const bool turns_before = span > 1 && inverse, turns_behind = span > 1 && !inverse;
  for (int64_t block = 0; block < blocks; ++block) {
    const T *w = twiddles;
    for (int64_t j = 0; j < span; ++j, data += step) {
      Complex<V> x[R];
      CONVKIT_UNROLL
      for (int q = 0; q < R; ++q) x[q] = {V::load(data + q * leg + re), V::load(data + q * leg + im)};
      if (turns_before) times_twiddles<V, R>(x, w);
      butterfly(x);
      if (turns_behind) times_twiddles<V, R>(x, w);
      CONVKIT_UNROLL
      for (int q = 0; q < R; ++q) {
        V::store(data + q * leg + re, x[q].re);
        V::store(data + q * leg + im, x[q].im);
      }
      w += 2 * (R - 1);
    }
    data += leg * (R - 1);
  }
}

template <class V>
void fft_pass_of(int32_t radix, typename V::Element *data, int64_t step, int64_t blocks, int64_t span,
                 const typename V::Element *twiddles, bool inverse) {
  switch (radix) {
    case 2:
      return fft_pass<V, 2>(data, step, blocks, span, twiddles, inverse);
    case 3:
      return fft_pass<V, 3>(data, step, blocks, span, twiddles, inverse);
    case 4:
      return fft_pass<V, 4>(data, step, blocks, span, twiddles, inverse);
    case 5:
      return fft_pass<V, 5>(data, step, blocks, span, twiddles, inverse);
    default:
      return fft_pass<V, 8>(data, step, blocks, span, twiddles, inverse);
  }
}

/* The passes from `first` on of `blocks` neighbouring blocks. What fits into the first-level cache stays there from
 * pass to pass; a longer line is first cut by one pass, and then each of its blocks is finished by itself. */
template <class V>
void fft_blocks(const FftLine<typename V::Element> *line, typename V::Element *data, int64_t blocks, int64_t length,
                int32_t first, const typename V::Element *twiddles, bool inverse) {
  if (first == line->passes) return;
  constexpr int64_t cached = 1 << 14;
  const int32_t radix = line->radices[first];
  const int64_t span = length / radix, bytes = length * 2 * V::lanes * int64_t(sizeof(typename V::Element));
  if (bytes > cached && blocks > 1) {
    for (int64_t block = 0; block < blocks; ++block) {
      fft_blocks<V>(line, data + block * length * line->step, 1, length, first, twiddles, inverse);
    }
    return;
  }
  const auto *const next = twiddles + span * (2 * radix - 2);
  if (!inverse) fft_pass_of<V>(radix, data, line->step, blocks, span, twiddles, false);
  fft_blocks<V>(line, data, blocks * radix, span, first + 1, next, inverse);
  if (inverse) fft_pass_of<V>(radix, data, line->step, blocks, span, twiddles, true);
}

template <class V, bool INVERSE>
void fft_line(const FftLine<typename V::Element> *line) {
  fft_blocks<V>(line, line->data, 1, line->length, 0, line->twiddles, INVERSE);
}

/* Two frequencies out of the elements of a pair, each of them doubled. */
template <class V>
struct FrequencyPair {
  Complex<V> sum, difference; /* E + w O, E - w O */
};

template <class V>
CONVKIT_INLINE FrequencyPair<V> split_pair(const typename V::Element *a, const typename V::Element *b, V cosine,
                                           V sine) {
  const Complex<V> x = {V::load(a), V::load(a + V::lanes)}, y = {V::load(b), V::load(b + V::lanes)};
  const Complex<V> even = {V::add(x.re, y.re), V::subtract(x.im, y.im)};
  const Complex<V> odd = times(Complex<V>{V::add(x.im, y.im), V::subtract(y.re, x.re)}, cosine, sine);
  return {plus(even, odd), minus(even, odd)};
}

template <class V>
CONVKIT_INLINE void merge_pair(FrequencyPair<V> pair, typename V::Element *a, typename V::Element *b, V cosine,
                               V sine) {
  const Complex<V> even = plus(pair.sum, pair.difference), turned = minus(pair.sum, pair.difference);
  const Complex<V> odd = {V::multiply_add(turned.im, sine, V::multiply(turned.re, cosine)),
                          V::subtract_product(turned.re, sine, V::multiply(turned.im, cosine))};
  V::store(a, V::subtract(even.re, odd.im));
  V::store(a + V::lanes, V::add(even.im, odd.re));
  V::store(b, V::add(even.re, odd.im));
  V::store(b + V::lanes, V::subtract(odd.re, even.im));
}

template <class V>
void fft_split(const FftPairs<typename V::Element> *pairs, const typename V::Element *data,
               typename V::Element *spectra) {
  for (int64_t i = 0; i < pairs->count; ++i, spectra += 4 * V::lanes) {
    const auto *const a = data + int64_t(pairs->places[2 * i]) * V::lanes;
    const auto *const b = data + int64_t(pairs->places[2 * i + 1]) * V::lanes;
    const FrequencyPair<V> pair =
        split_pair<V>(a, b, V::set(pairs->twiddles[2 * i]), V::set(pairs->twiddles[2 * i + 1]));
    V::store(spectra, pair.sum.re);
    V::store(spectra + V::lanes, pair.sum.im);
    V::store(spectra + 2 * V::lanes, pair.difference.re);
    V::store(spectra + 3 * V::lanes, pair.difference.im);
  }
}

template <class V>
void fft_merge(const FftPairs<typename V::Element> *pairs, const typename V::Element *spectra,
               typename V::Element *data) {
  for (int64_t i = 0; i < pairs->count; ++i, spectra += 4 * V::lanes) {
    const FrequencyPair<V> pair = {{V::load(spectra), V::load(spectra + V::lanes)},
                                   {V::load(spectra + 2 * V::lanes), V::load(spectra + 3 * V::lanes)}};
    merge_pair<V>(pair, data + int64_t(pairs->places[2 * i]) * V::lanes,
                  data + int64_t(pairs->places[2 * i + 1]) * V::lanes, V::set(pairs->twiddles[2 * i]),
                  V::set(pairs->twiddles[2 * i + 1]));
  }
}

/* LANES: each sequence has factors of its own. */
template <class V, bool LANES>
void fft_filter(const FftPairs<typename V::Element> *pairs, const typename V::Element *factors,
                typename V::Element *data) {
  constexpr int width = LANES ? V::lanes : 1;
  for (int64_t i = 0; i < pairs->count; ++i, factors += 4 * width) {
    auto *const a = data + int64_t(pairs->places[2 * i]) * V::lanes;
    auto *const b = data + int64_t(pairs->places[2 * i + 1]) * V::lanes;
    const V cosine = V::set(pairs->twiddles[2 * i]), sine = V::set(pairs->twiddles[2 * i + 1]);
    V factor[4];
    CONVKIT_UNROLL
    for (int k = 0; k < 4; ++k) factor[k] = LANES ? V::load(factors + k * width) : V::set(factors[k]);
    FrequencyPair<V> pair = split_pair<V>(a, b, cosine, sine);
    pair.sum = times(pair.sum, factor[0], factor[1]);
    pair.difference = times(pair.difference, factor[2], factor[3]);
    merge_pair<V>(pair, a, b, cosine, sine);
  }
}

/* sum + a conj(b) */
template <class V>
CONVKIT_INLINE void add_product(Complex<V> a, Complex<V> b, typename V::Element *sum) {
  const V re = V::multiply_add(a.im, b.im, V::multiply_add(a.re, b.re, V::load(sum)));
  const V im = V::subtract_product(a.re, b.im, V::multiply_add(a.im, b.re, V::load(sum + V::lanes)));
  V::store(sum, re);
  V::store(sum + V::lanes, im);
}

template <class V>
void fft_correlate(const FftPairs<typename V::Element> *pairs, const typename V::Element *a,
                   const typename V::Element *b, typename V::Element *sums) {
  for (int64_t i = 0; i < pairs->count; ++i, sums += 4 * V::lanes) {
    const int64_t one = int64_t(pairs->places[2 * i]) * V::lanes, other = int64_t(pairs->places[2 * i + 1]) * V::lanes;
    const V cosine = V::set(pairs->twiddles[2 * i]), sine = V::set(pairs->twiddles[2 * i + 1]);
    const FrequencyPair<V> x = split_pair<V>(a + one, a + other, cosine, sine);
    const FrequencyPair<V> y = split_pair<V>(b + one, b + other, cosine, sine);
    add_product(x.sum, y.sum, sums);
    add_product(x.difference, y.difference, sums + 2 * V::lanes);
  }
}

template <class V>
void fft_panel(const FftPanel<typename V::Element> *call) {
  using T = typename V::Element;
  const int64_t tiles = call->tiles, pitch = call->pitch;
  const T *re = call->re, *im = call->im;
  T *row = call->panel;
  for (int64_t c = 0; c < call->channels; ++c, re += tiles, im += tiles, row += 2 * pitch) {
    for (int64_t t = 0; t < tiles; t += V::lanes) {
      V::store(row + t, V::load(re + t));
      V::store(row + pitch + t, V::negate(V::load(im + t)));
    }
    for (int64_t t = 0; t < tiles; t += V::lanes) {
      V::store(row + tiles + t, V::load(im + t));
      V::store(row + pitch + tiles + t, V::load(re + t));
    }
  }
}

/* Vector v of bundle b, for `count` bundles of `vectors` vectors; steps are those from bundle to bundle and from vector
 * to vector. */
template <class V>
CONVKIT_INLINE void fft_rearrange(const typename V::Element *from, int64_t from_bundle, int64_t from_vector,
                                  typename V::Element *to, int64_t to_bundle, int64_t to_vector, int64_t count,
                                  int64_t vectors) {
  for (int64_t b = 0; b < count; ++b) {
    for (int64_t v = 0; v < vectors; ++v) {
      V::store(to + b * to_bundle + v * to_vector, V::load(from + b * from_bundle + v * from_vector));
    }
  }
}

template <class V>
void fft_collect(const typename V::Element *bundles, int64_t step, int64_t count, int64_t vectors,
                 typename V::Element *lines, int64_t pitch) {
  fft_rearrange<V>(bundles, step, V::lanes, lines, V::lanes, pitch, count, vectors);
}

template <class V>
void fft_distribute(const typename V::Element *lines, int64_t pitch, int64_t count, int64_t vectors,
                    typename V::Element *bundles, int64_t step) {
  fft_rearrange<V>(lines, V::lanes, pitch, bundles, step, V::lanes, count, vectors);
}

template <class V>
constexpr FftSet<typename V::Element> fft_set() {
  return {fft_line<V, false>,   fft_line<V, true>, fft_split<V>, fft_merge<V>,   fft_filter<V, true>,
          fft_filter<V, false>, fft_correlate<V>,  fft_panel<V>, fft_collect<V>, fft_distribute<V>};
}
