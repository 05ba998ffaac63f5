/* Rows of a channel on their way into the padded copy of a band, and phases of a row on their way out (contract in
 * kernel_table.h). Rows are short and there are many of them: a copy may write a whole vector where a few elements were
 * asked for. */

template <typename T, int STEP>
void copy_apart(T *__restrict out, const T *__restrict source, int64_t count) {
  CONVKIT_VECTORIZE
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
      copy_row<V, 2>(source, count, count, out);
    } else if (step == 3) {
      copy_apart<T, 3>(out, source, count);
    } else if (step == 4) {
      copy_apart<T, 4>(out, source, count);
    } else {
      for (int64_t x = 0; x < count; ++x) out[x] = source[x * step];
    }
  }
}

/* even[i] = source[2 * i] and odd[i] = source[2 * i + 1], exactly so many of each. */
template <class V>
void split_rows(typename V::Element *even, int64_t even_count, typename V::Element *odd, int64_t odd_count,
                int64_t pitch, const typename V::Element *source, int64_t source_pitch, int64_t rows) {
  const int64_t read = 2 * even_count > 2 * odd_count ? 2 * even_count - 1 : 2 * odd_count;
  for (int64_t y = 0; y < rows; ++y, even += pitch, odd += pitch, source += source_pitch) {
    int64_t i = 0;
    V a, b;
    for (; 2 * (i + V::lanes) <= read; i += V::lanes) {
      V::split(V::load(source + 2 * i), V::load(source + 2 * i + V::lanes), &a, &b);
      V::store(even + i, a);
      V::store(odd + i, b);
    }
    const int32_t left = int32_t(read - 2 * i), behind = left - V::lanes;
    if (left == 0) continue;
    V::split(load_some<V>(source + 2 * i, behind < 0 ? left : V::lanes),
             behind > 0 ? V::load_partial(source + 2 * i + V::lanes, behind) : V::set(0), &a, &b);
    if (even_count > i) store_some<V>(even + i, a, int32_t(even_count - i));
    if (odd_count > i) store_some<V>(odd + i, b, int32_t(odd_count - i));
  }
}

/* Whole vectors of 2 or 4 phases; returns the number of elements of a phase that are done. */
template <class V, int PHASES>
int64_t interleave_vectors(const typename V::Element *in, int64_t in_step, int64_t count, typename V::Element *out) {
  int64_t i = 0;
  for (; i + V::lanes <= count; i += V::lanes, in += V::lanes, out += PHASES * V::lanes) {
    V even[PHASES / 2], odd[PHASES / 2]; /* of 4 phases: 0 and 2, 1 and 3 */
    if (PHASES == 2) {
      even[0] = V::load(in), odd[0] = V::load(in + in_step);
    } else {
      const V a = V::load(in), b = V::load(in + in_step), c = V::load(in + 2 * in_step), d = V::load(in + 3 * in_step);
      even[0] = V::zip_low(a, c), even[PHASES / 2 - 1] = V::zip_high(a, c);
      odd[0] = V::zip_low(b, d), odd[PHASES / 2 - 1] = V::zip_high(b, d);
    }
    CONVKIT_UNROLL
    for (int k = 0; k < PHASES / 2; ++k) {
      V::store(out + 2 * k * V::lanes, V::zip_low(even[k], odd[k]));
      V::store(out + (2 * k + 1) * V::lanes, V::zip_high(even[k], odd[k]));
    }
  }
  return i;
}

/* out[i * phases + p] = in[p * in_step + i] */
template <class V>
void interleave(const typename V::Element *in, int64_t in_step, int64_t phases, int64_t count,
                typename V::Element *out) {
  int64_t first = 0;
  if (phases == 2) first = interleave_vectors<V, 2>(in, in_step, count, out);
  if (phases == 4) first = interleave_vectors<V, 4>(in, in_step, count, out);
  if (phases == 3 && merges_any()) {
    for (; first + V::lanes <= count; first += V::lanes) {
      V x[3] = {V::load(in + first), V::load(in + in_step + first), V::load(in + 2 * in_step + first)};
      merge_vectors<V, 3>(x);
      CONVKIT_UNROLL
      for (int v = 0; v < 3; ++v) V::store(out + 3 * first + v * V::lanes, x[v]);
    }
  }
  for (int64_t p = 0; p < phases; ++p) {
    for (int64_t i = first; i < count; ++i) out[i * phases + p] = in[p * in_step + i];
  }
}
