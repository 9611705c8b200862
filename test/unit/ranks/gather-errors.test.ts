import { describe, expect, it } from 'vitest';
import { divergedError, missingRanks } from '../../../dist/ranks/failure/gather-errors.js';

const seenAt = (at: readonly number[]) => ({
  size: at.length,
  arrived: (rank: number) => at[rank] ?? 0,
  joined: () => true,
  heartbeatAge: () => 0,
});

describe('the ranks that are where none can be', () => {
  it.each([
    [7, 7, [7, 6, 8, 5], [2, 3]],
    [7, 8, [7, 6, 8, 9, 5], [3, 4]],
    [0, 1, [0, 2 ** 32 - 1, 1, 2, 2 ** 32 - 2], [3, 4]],
    [2 ** 32 - 1, 0, [2 ** 32 - 1, 2 ** 32 - 2, 0, 1, 9], [3, 4]],
  ])('with all-gathers %i to %i under way are those before and beyond', (sequence, last, at, ranks) => {
    expect(divergedError(seenAt(at), sequence, last).details.ranks).toEqual(ranks);
  });
});

describe('the ranks that an all-gather misses', () => {
  it.each([
    [7, [7, 6, 8, 0], [1, 3]],
    [0, [0, 2 ** 32 - 1, 1, 5], [1, 3]],
    [2 ** 31, [2 ** 31, 2 ** 31 - 1, 2 ** 31 + 1, 2 ** 31], [1]],
  ])('in number %i are those behind it or far from it, and none that is in the next', (sequence, at, missing) => {
    expect(missingRanks(seenAt(at), sequence).map(({ rank }) => rank)).toEqual(missing);
  });
});
