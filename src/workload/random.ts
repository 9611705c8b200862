import { hash32 } from '../numbers.js';

export { hash2, hash32, hashOnto, mix32 } from '../numbers.js';

/**
 * Seeded generator: xoshiro128** (Blackman and Vigna), its state filled by splitmix32. Only integer operations and the
 * correctly rounded + - * / and square root, so that a seed gives the same numbers on every machine and engine;
 * `Math.log` and `Math.exp` may differ in the last bit between engines and are not used.
 */
export class Random {
  readonly #state: Int32Array = new Int32Array(4);

  constructor(seed: number) {
    const s = this.#state;
    for (let i = 0; i < 4; i++) s[i] = hash32(seed, i, 0x85ebca6b);
    // The all-zero state is the one fixed point.
    if ((s[0] | s[1] | s[2] | s[3]) === 0) s[0] = 1;
  }

  /** u32. */
  next(): number {
    const s = this.#state as Int32Array & [number, number, number, number];
    const x = Math.imul(s[1], 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in (0, 1), never an end. */
  uniform(): number {
    return (this.next() + 0.5) / 0x100000000;
  }

  /** Uniform integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Exponential with mean 1. */
  exponential(): number {
    return -log(this.uniform());
  }

  /** Normal with mean 0 and standard deviation 1. Source: Marsaglia's polar method, of whose pair the second is dropped. */
  normal(): number {
    for (;;) {
      const u = 2 * this.uniform() - 1;
      const v = 2 * this.uniform() - 1;
      const square = u * u + v * v;
      if (square > 0 && square < 1) return u * Math.sqrt((-2 * log(square)) / square);
    }
  }
}

/** Natural logarithm of a positive, normal number, by the series of atanh; within a few units in the last place. */
export function log(value: number): number {
  let mantissa = value;
  let exponent = 0;
  for (; mantissa > Math.SQRT2; exponent++) mantissa /= 2;
  for (; mantissa < Math.SQRT1_2; exponent--) mantissa *= 2;
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let sum = 0;
  for (let k = 25; k >= 1; k -= 2) sum = sum * square + 1 / k;
  return 2 * s * sum + exponent * Math.LN2;
}

/** e to a power between -700 and 700, by its series; relative error below 1e-14 for powers within 100 of 0. */
export function exp(power: number): number {
  let halvings = Math.round(power / Math.LN2);
  const rest = power - halvings * Math.LN2;
  let sum = 1;
  for (let k = 16; k >= 1; k--) sum = 1 + (sum * rest) / k;
  for (; halvings > 0; halvings--) sum *= 2;
  for (; halvings < 0; halvings++) sum /= 2;
  return sum;
}
