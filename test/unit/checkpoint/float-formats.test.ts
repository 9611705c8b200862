import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { narrow, widen } from '../../../dist/checkpoint/float-formats.js';
import { runs } from '../../support/property-runs.js';

/** The value that bits of a binary format stand for, as IEEE 754 defines it. */
function valueOf16(bits: number, exponentBits: number): number {
  const mantissaBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = bits & (2 ** mantissaBits - 1);
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

const FORMATS = [
  ['F16', 5],
  ['BF16', 8],
] as const;
const ALL = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

function widened(dtype: 'F16' | 'BF16', from: Uint16Array): Float32Array {
  const into = new Float32Array(from.length);
  widen(dtype, from, new Uint32Array(into.buffer));
  return into;
}

function narrowed(dtype: 'F16' | 'BF16', from: Float32Array): Uint16Array {
  const into = new Uint16Array(from.length);
  narrow(dtype, new Uint32Array(from.buffer), into);
  return into;
}

describe.each(FORMATS)('%s', (dtype, exponentBits) => {
  test('stands for the values that its format defines, all of them', () => {
    const values = widened(dtype, ALL);
    const wrong = [...ALL].filter((bits) => !Object.is(values[bits], valueOf16(bits, exponentBits)));
    expect(wrong).toEqual([]);
  });

  test('comes back from float32 bit for bit; a NaN stays a NaN', () => {
    const back = narrowed(dtype, widened(dtype, ALL));
    const wrong = [...ALL].filter((bits) =>
      Number.isNaN(valueOf16(bits, exponentBits))
        ? !Number.isNaN(valueOf16(back[bits], exponentBits))
        : back[bits] !== bits,
    );
    expect(wrong).toEqual([]);
  });

  test('halfway between two neighbours the even one is nearest, and a hair beside it the one on that side', () => {
    const infinity = (2 ** exponentBits - 1) << (15 - exponentBits);
    // The neighbour of the greatest is infinity, which rounds as if it were one step on.
    const step = (bits: number): number =>
      bits < infinity
        ? valueOf16(bits, exponentBits)
        : 2 * valueOf16(infinity - 2 ** (15 - exponentBits), exponentBits);
    const wrong: number[] = [];
    for (let low = 0; low < infinity; low++) {
      const half = Float32Array.of((step(low) + step(low + 1)) / 2);
      const word = new Uint32Array(half.buffer)[0];
      const near = new Float32Array(Uint32Array.of(word - 1, word, word + 1).buffer);
      const [below, at, above] = narrowed(dtype, near);
      if (below !== low || at !== low + (low % 2) || above !== low + 1) wrong.push(low);
      const negative = narrowed(
        dtype,
        near.map((value) => -value),
      );
      if (negative[1] !== (at | 0x8000)) wrong.push(-low);
    }
    expect(wrong).toEqual([]);
  });

  test('of any float32 is no farther from it than its neighbours', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (word) => {
        const value = new Float32Array(Uint32Array.of(word).buffer);
        const [bits] = narrowed(dtype, value);
        const found = valueOf16(bits, exponentBits);
        if (!Number.isFinite(found)) {
          expect(Math.sign(found)).toBe(Math.sign(value[0]));
          return;
        }
        const distance = Math.abs(found - value[0]);
        for (const other of [bits - 1, bits + 1]) {
          const neighbour = valueOf16(other & 0xffff, exponentBits);
          if (Number.isFinite(neighbour)) expect(distance).toBeLessThanOrEqual(Math.abs(neighbour - value[0]));
        }
      }),
      runs(20_000),
    );
  });
});
