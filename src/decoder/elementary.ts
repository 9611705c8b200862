/**
 * exp, log, sin and cos by additions, multiplications and divisions of float64 alone: the same bits on every machine and in every
 * version of Node, which `Math` does not promise. Relative error about 1e-15 of exp and log, absolute about 1e-12 of sin and cos below
 * 2^20: far below float32, to which all results are rounded.
 */

const { LN2 } = Math;
/** LN2 in two parts, of which the first has few bits: multiples of it up to 2^20 are exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const HALF_PI_HIGH = 1.5707963267341256;
const HALF_PI_LOW = 6.077100506506192e-11;

/** Terms of the series; each is below the last bit of the one before it at the ends of the reduced range. */
const TERMS = 20;

/** e^x for x in [-700, 700]. */
export function exp(x: number): number {
  const twos = Math.round(x / LN2);
  const rest = x - twos * LN2_HIGH - twos * LN2_LOW;
  let sum = 1;
  for (let term = TERMS; term >= 1; term--) sum = 1 + (sum * rest) / term;
  for (let i = 0; i < Math.abs(twos); i++) sum *= twos > 0 ? 2 : 0.5;
  return sum;
}

/** The natural logarithm of x > 0, not subnormal. */
export function log(x: number): number {
  let mantissa = x;
  let twos = 0;
  for (; mantissa > Math.SQRT2; twos++) mantissa /= 2;
  for (; mantissa < Math.SQRT1_2; twos--) mantissa *= 2;
  // log m = 2 artanh((m - 1) / (m + 1)).
  const ratio = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let term = 2 * TERMS + 1; term >= 1; term -= 2) sum = sum * ratio * ratio + 1 / term;
  return 2 * ratio * sum + twos * LN2;
}

/** cos and sin of an angle in radians, 0 to 2^20. */
export function cosSin(angle: number): { readonly cos: number; readonly sin: number } {
  const quarters = Math.round(angle / (Math.PI / 2));
  const rest = angle - quarters * HALF_PI_HIGH - quarters * HALF_PI_LOW;
  const square = rest * rest;
  let cos = 1;
  let sin = 1;
  for (let term = TERMS; term >= 2; term -= 2) {
    cos = 1 - (cos * square) / (term * (term - 1));
    sin = 1 - (sin * square) / (term * (term + 1));
  }
  sin *= rest;
  switch (quarters % 4) {
    case 0:
      return { cos, sin };
    case 1:
      return { cos: -sin, sin: cos };
    case 2:
      return { cos: -cos, sin: -sin };
    default:
      return { cos: sin, sin: -cos };
  }
}
