/** Arithmetic of the kernels' floats in its plainest form: each operation rounded to float32, sums in their one order. */
export const f32 = Math.fround;

const SUM_LANES = 16;

/** What 16 lanes hold, added pairwise. A Float32Array rounds what is stored in it. */
function pairwise(lanes: Float32Array): number {
  for (let half = SUM_LANES / 2; half >= 1; half /= 2) {
    for (let lane = 0; lane < half; lane++) lanes[lane] = (lanes[lane] ?? 0) + (lanes[lane + half] ?? 0);
  }
  return lanes[0] ?? 0;
}

/** The sum of values, some of them absent: lane l of 16 adds elements l, l + 16, … in order, then lanes are added pairwise. */
export function laneSum(values: readonly (number | undefined)[]): number {
  const lanes = new Float32Array(SUM_LANES);
  for (const [index, value] of values.entries()) {
    if (value !== undefined) lanes[index % SUM_LANES] = (lanes[index % SUM_LANES] ?? 0) + value;
  }
  return pairwise(lanes);
}

/** The dot product of `count` elements of two lists from a place in each on, in the same order. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>, count = a.length, atA = 0, atB = 0): number {
  const lanes = new Float32Array(SUM_LANES);
  for (let index = 0; index < count; index++) {
    const product = f32((a[atA + index] ?? 0) * (b[atB + index] ?? 0));
    lanes[index % SUM_LANES] = (lanes[index % SUM_LANES] ?? 0) + product;
  }
  return pairwise(lanes);
}

const words = new DataView(new ArrayBuffer(4));

/** The bits of a float, as an i32. */
export function bitsOf(value: number): number {
  words.setFloat32(0, value);
  return words.getInt32(0);
}

/** The polynomial of e^r for |r| up to ln(2) / 2, highest power first. Source: Cephes expf. */
const POLYNOMIAL = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
].map(f32);
const RECIPROCAL_LN_2 = f32(Math.LOG2E);
const LN_2_LOW = f32(-2.1219444e-4);

/** e^x as the kernels compute it: no library's function has the same bits everywhere. */
export function exponential(x: number): number {
  if (x > f32(88.7228394)) return Infinity;
  if (x < f32(-87.3365448)) return 0;
  // Rounded to an integer, of two the even one, as float32 does at 1.5 * 2^23.
  const n = f32(f32(f32(x * RECIPROCAL_LN_2) + 12_582_912) - 12_582_912);
  const r = f32(f32(x - f32(n * 0.693359375)) - f32(n * LN_2_LOW));
  const p = POLYNOMIAL.reduce((sum, coefficient) => f32(f32(sum * r) + coefficient));
  return f32(f32(f32(f32(p * f32(r * r)) + r) + 1) * 2 ** Math.floor(n / 2) * 2 ** Math.ceil(n / 2));
}
