import { describe, expect, it } from 'vitest';
import { optimiseLadder, scoreLadder } from '../../../dist/capture/index.js';

/** Counts by size from pairs of size and count. */
function countsOf(largest: number, pairs: Record<number, number>): number[] {
  return Array.from({ length: largest + 1 }, (_, size) => pairs[size] ?? 0);
}

const tokens = (largest: number): number[] => Array.from({ length: largest + 1 }, (_, size) => size);

describe('a ladder', () => {
  it('captures what is run: sizes without steps are no graphs', async () => {
    const counts = countsOf(64, { 3: 100, 17: 50, 40: 1 });
    const curve = await optimiseLadder({ counts, costs: tokens(64) });
    expect(curve.ladders.map(({ sizes }) => sizes)).toEqual([[64], [17, 64], [3, 17, 64], [3, 17, 40, 64]]);
    expect(curve.ladders.map(({ padding }) => padding)).toEqual([100 * 61 + 50 * 47 + 24, 100 * 14 + 24, 24, 0]);
    expect(curve.atMost(128)).toBe(curve.ladders[3]);
    expect(curve.atMost(0)).toBeUndefined();
  });

  it('pads where padding is free: a staircase needs a graph a stair', async () => {
    const counts = countsOf(512, Object.fromEntries(tokens(512).map((size) => [size, 1])));
    const costs = tokens(512).map((size) => Math.ceil(size / 128));
    const curve = await optimiseLadder({ counts, costs });
    expect(curve.ladders.at(-1)?.sizes).toEqual([128, 256, 384, 512]);
    expect(curve.ladders.at(-1)?.ratio).toBe(0);
  });

  it('holds the sizes that must be there, on the multiple', async () => {
    const counts = countsOf(24, { 1: 9, 2: 9, 13: 9, 20: 1 });
    const options = { counts, costs: tokens(24), multiple: 4, include: [8, 16, 8] };
    const curve = await optimiseLadder(options);
    expect(curve.ladders.map(({ sizes }) => sizes)).toEqual([
      [8, 16, 24],
      [4, 8, 16, 24],
      [4, 8, 16, 20, 24],
    ]);
    await expect(optimiseLadder({ ...options, maxGraphs: 2 })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('raise maxGraphs'),
    });
  });

  it('counts a size that is captured in micro-batches too twice, and so takes more of the small ones', async () => {
    const counts = countsOf(16, { 2: 12, 4: 10, 6: 10, 10: 11, 12: 12, 16: 1 });
    const costs = tokens(16);
    const plain = await optimiseLadder({ counts, costs });
    expect(plain.atMost(5)?.sizes).toEqual([2, 6, 10, 12, 16]);
    const curve = await optimiseLadder({ counts, costs, twinsFrom: 8 });
    expect(curve.ladders.map(({ graphs, sizes, padding }) => [graphs, sizes.join(' '), padding])).toEqual([
      [2, '16', 502],
      [3, '6 16', 182],
      [4, '2 6 16', 134],
      [5, '6 12 16', 90],
      [6, '2 6 12 16', 42],
      // Of the ladders of sizes alone 7 graphs would be those 6 still.
      [7, '2 4 6 12 16', 22],
      [8, '2 6 10 12 16', 20],
      [9, '2 4 6 10 12 16', 0],
    ]);
    await expect(optimiseLadder({ counts, costs, twinsFrom: 8, maxGraphs: 1 })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('with their twins; raise maxGraphs'),
    });
  });

  it('of no steps at all is the largest size', async () => {
    const curve = await optimiseLadder({ counts: countsOf(8, {}), costs: tokens(8) });
    expect(curve.ladders).toEqual([
      { sizes: [8], graphs: 1, steps: 0, eagerSteps: 0, exactCost: 0, padding: 0, ratio: 0 },
    ]);
  });

  it('is found by what it must be: a ratio, another ladder, a budget', async () => {
    const counts = countsOf(32, Object.fromEntries(tokens(32).map((size) => [size, 40 - size])));
    const costs = tokens(32);
    const curve = await optimiseLadder({ counts, costs });
    const within = curve.fewestWithin(0.1);
    expect(within?.ratio).toBeLessThanOrEqual(0.1);
    expect(curve.atMost((within?.graphs ?? 0) - 1)?.ratio).toBeGreaterThan(0.1);
    const powers = scoreLadder(counts, costs, [1, 2, 4, 8, 16, 32]);
    expect(curve.fewestLike(powers)?.graphs).toBeLessThanOrEqual(6);
    expect(curve.fewestLike(powers)?.padding).toBeLessThanOrEqual(powers.padding);
    expect(curve.best(({ graphs }) => graphs * 10 <= 55)?.graphs).toBe(5);
    expect(curve.best(() => false)).toBeUndefined();
  });

  it('of 16,384 sizes and 128 graphs is found, each size with its own count', async () => {
    const counts = tokens(16384).map((size) => (size * 7919) % 101);
    const curve = await optimiseLadder({ counts, costs: tokens(16384) });
    expect(curve.ladders).toHaveLength(128);
    // Near-uniform steps: 128 equal strides of 128 waste 63.5 tokens a step, of 8192 on average.
    expect(curve.ladders[127].ratio).toBeGreaterThan(0.007);
    expect(curve.ladders[127].ratio).toBeLessThan(63.5 / 8192);
  });

  it('is refused with every fault at once', async () => {
    const bad = { counts: [0, 1, 2], costs: [0, 1], multiple: 4, include: [9], maxGraphs: 0, graphs: 3 };
    await expect(optimiseLadder(bad as never)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: {
        faults: [
          expect.stringMatching(/ladder options has no graphs/),
          expect.stringMatching(/maxGraphs is 0/),
          expect.stringMatching(/largest size is 2; it must be a multiple of 4.*up to 4/),
          expect.stringMatching(/costs covers sizes up to 1; counts goes to 2/),
          expect.stringMatching(/include is 9/),
        ],
      },
    });
    const code = 'ERR_CONFIG_INVALID';
    const faulty = (counts: number[], costs: number[]): Promise<unknown> => optimiseLadder({ counts, costs });
    await expect(faulty([0, 1, 1], [0, 2, 1])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/fall from 2 to 1 at size 2/),
    });
    await expect(faulty([0, -1], [0, 1])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/counts\[1\] is -1/),
    });
    await expect(faulty([0, 1], [0, Number.NaN])).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/costs\[1\] is NaN/),
    });
    await expect(faulty([], [])).rejects.toMatchObject({ code, message: expect.stringMatching(/largest size/) });
    await expect(optimiseLadder({} as never)).rejects.toMatchObject({ code });
  });
});

describe('the score of a ladder', () => {
  it('counts padding over the steps that run as graphs, and the eager ones apart', () => {
    const counts = countsOf(9, { 1: 4, 3: 2, 8: 1, 9: 5 });
    expect(scoreLadder(counts, tokens(9), [2, 8])).toEqual({
      graphs: 2,
      steps: 7,
      eagerSteps: 5,
      exactCost: 4 + 6 + 8,
      padding: 4 * 1 + 2 * 5,
      ratio: 14 / 18,
    });
  });
});
