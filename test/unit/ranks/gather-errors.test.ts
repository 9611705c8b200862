import { describe, expect, it } from 'vitest';
import { missingRanks } from '../../../dist/ranks/failure/gather-errors.js';

describe('the ranks that an all-gather misses', () => {
  it.each([
    [7, [7, 6, 8, 0], [1, 3]],
    [0, [0, 2 ** 32 - 1, 1, 5], [1, 3]],
    [2 ** 31, [2 ** 31, 2 ** 31 - 1, 2 ** 31 + 1, 2 ** 31], [1]],
  ])('in number %i are those behind it or far from it, and none that is in the next', (sequence, at, missing) => {
    const seen = {
      size: at.length,
      arrived: (rank: number) => at[rank] ?? 0,
      joined: () => true,
      heartbeatAge: () => 0,
    };
    expect(missingRanks(seen, sequence).map(({ rank }) => rank)).toEqual(missing);
  });
});
