/* Complex numbers in vectors, and the transforms of 2, 3, 4, 5 and 8 of them; see fft.inl.h. */

template <class V>
struct Complex {
  V re, im;
};

template <class V>
CONVKIT_INLINE Complex<V> plus(Complex<V> a, Complex<V> b) {
  return {V::add(a.re, b.re), V::add(a.im, b.im)};
}
template <class V>
CONVKIT_INLINE Complex<V> minus(Complex<V> a, Complex<V> b) {
  return {V::subtract(a.re, b.re), V::subtract(a.im, b.im)};
}
/* a - i b and a + i b */
template <class V>
CONVKIT_INLINE Complex<V> minus_turned(Complex<V> a, Complex<V> b) {
  return {V::add(a.re, b.im), V::subtract(a.im, b.re)};
}
template <class V>
CONVKIT_INLINE Complex<V> plus_turned(Complex<V> a, Complex<V> b) {
  return {V::subtract(a.re, b.im), V::add(a.im, b.re)};
}
/* a + s b, s real */
template <class V>
CONVKIT_INLINE Complex<V> plus_scaled(Complex<V> a, V s, Complex<V> b) {
  return {V::multiply_add(s, b.re, a.re), V::multiply_add(s, b.im, a.im)};
}
template <class V>
CONVKIT_INLINE Complex<V> times(Complex<V> a, V re, V im) {
  return {V::subtract_product(a.im, im, V::multiply(a.re, re)), V::multiply_add(a.im, re, V::multiply(a.re, im))};
}

/* The transforms of a few elements, in place and in natural order. */
template <class V>
CONVKIT_INLINE void butterfly(Complex<V> (&x)[2]) {
  const Complex<V> a = x[0];
  x[0] = plus(a, x[1]);
  x[1] = minus(a, x[1]);
}

template <class V>
CONVKIT_INLINE void butterfly(Complex<V> (&x)[3]) {
  using T = typename V::Element;
  const V half = V::set(T(-0.5)), sine = V::set(T(0.86602540378443864676));
  const Complex<V> sum = plus(x[1], x[2]), d = minus(x[1], x[2]), rest = plus_scaled(x[0], half, sum);
  x[0] = plus(x[0], sum);
  x[1] = {V::multiply_add(sine, d.im, rest.re), V::subtract_product(sine, d.re, rest.im)};
  x[2] = {V::subtract_product(sine, d.im, rest.re), V::multiply_add(sine, d.re, rest.im)};
}

template <class V>
CONVKIT_INLINE void butterfly(Complex<V> (&x)[4]) {
  const Complex<V> a = plus(x[0], x[2]), b = minus(x[0], x[2]), c = plus(x[1], x[3]), d = minus(x[1], x[3]);
  x[0] = plus(a, c);
  x[1] = minus_turned(b, d);
  x[2] = minus(a, c);
  x[3] = plus_turned(b, d);
}

template <class V>
CONVKIT_INLINE void butterfly(Complex<V> (&x)[5]) {
  using T = typename V::Element;
  const V cos1 = V::set(T(0.30901699437494742410)), cos2 = V::set(T(-0.80901699437494742410));
  const V sin1 = V::set(T(0.95105651629515357212)), sin2 = V::set(T(0.58778525229247312917));
  const Complex<V> a = plus(x[1], x[4]), b = plus(x[2], x[3]), c = minus(x[1], x[4]), d = minus(x[2], x[3]);
  const Complex<V> first = plus_scaled(plus_scaled(x[0], cos1, a), cos2, b);
  const Complex<V> second = plus_scaled(plus_scaled(x[0], cos2, a), cos1, b);
  const Complex<V> one = {V::multiply_add(sin2, d.re, V::multiply(sin1, c.re)),
                          V::multiply_add(sin2, d.im, V::multiply(sin1, c.im))};
  const Complex<V> two = {V::subtract_product(sin1, d.re, V::multiply(sin2, c.re)),
                          V::subtract_product(sin1, d.im, V::multiply(sin2, c.im))};
  x[0] = plus(x[0], plus(a, b));
  x[1] = minus_turned(first, one);
  x[2] = minus_turned(second, two);
  x[3] = plus_turned(second, two);
  x[4] = plus_turned(first, one);
}

template <class V>
CONVKIT_INLINE void butterfly(Complex<V> (&x)[8]) {
  const V root = V::set(typename V::Element(0.70710678118654752440));
  Complex<V> even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
  butterfly(even);
  butterfly(odd);
  /* odd[1] and odd[3] are turned by an eighth and three eighths of a circle, and scaled while they are added. */
  const Complex<V> one = {V::add(odd[1].re, odd[1].im), V::subtract(odd[1].im, odd[1].re)};
  const Complex<V> three = {V::subtract(odd[3].im, odd[3].re), V::add(odd[3].re, odd[3].im)};
  x[0] = plus(even[0], odd[0]);
  x[4] = minus(even[0], odd[0]);
  x[1] = plus_scaled(even[1], root, one);
  x[5] = {V::subtract_product(root, one.re, even[1].re), V::subtract_product(root, one.im, even[1].im)};
  x[2] = minus_turned(even[2], odd[2]);
  x[6] = plus_turned(even[2], odd[2]);
  x[3] = {V::multiply_add(root, three.re, even[3].re), V::subtract_product(root, three.im, even[3].im)};
  x[7] = {V::subtract_product(root, three.re, even[3].re), V::multiply_add(root, three.im, even[3].im)};
}
