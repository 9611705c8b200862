import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRawBatch } from '../../../dist/batch/raw-batch.js';
import { runs } from '../../support/property-runs.js';

async function slots(
  blockIds: readonly number[],
  start: number,
  queryLen: number,
  limits: Record<string, number>,
): Promise<number[]> {
  using batch = await createRawBatch({
    limits: {
      maxNumSeqs: 1,
      maxNumBatchedTokens: 256,
      maxModelLen: blockIds.length * limits.blockSize * (limits.contextParallelSize ?? 1),
      ...limits,
    },
    poison: true,
  });
  batch.requests.schedule(batch.requests.add({ blockIds, numComputedTokens: start }), { phase: 'prefill', queryLen });
  return Array.from(batch.buildPadded(queryLen, 1).slotMapping.subarray(0, queryLen), Number);
}

describe('slot mapping', () => {
  test('a slot is block id * block size + offset, whatever the kernel calls a block', async () => {
    const found = await slots([5, 6, 7], 14, 34, { blockSize: 16 });
    expect(found.slice(0, 4)).toEqual([94, 95, 96, 97]);
    expect(found.at(-1)).toBe(127);
    expect(await slots([5, 9], 15, 18, { blockSize: 32, kernelBlockSize: 16 })).toEqual(
      [...Array(17).keys()].map((offset) => 175 + offset).concat(288),
    );
  });

  test('with two context-parallel ranks, one token in turn', async () => {
    const limits = { blockSize: 16, contextParallelSize: 2, contextParallelRank: 1 };
    expect(await slots([5, 6], 0, 6, limits)).toEqual([-1, 80, -1, 81, -1, 82]);
    expect(await slots([5, 6], 32, 2, limits)).toEqual([-1, 96]);
  });

  test('every token is stored by exactly one context-parallel rank, and no slot twice', async () => {
    const shape = fc.record({
      ranks: fc.constantFrom(2, 3, 4),
      interleave: fc.constantFrom(1, 2, 4),
      start: fc.nat(40),
      queryLen: fc.integer({ min: 1, max: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ ranks, interleave, start, queryLen }) => {
        const blockSize = 4 * interleave;
        const blockIds = Array.from(
          { length: Math.ceil((start + queryLen) / (blockSize * ranks)) },
          (_, index) => 3 + 2 * index,
        );
        const limits = { blockSize, contextParallelSize: ranks, interleaveSize: interleave };
        const byRank = await Promise.all(
          Array.from({ length: ranks }, (_, rank) =>
            slots(blockIds, start, queryLen, { ...limits, contextParallelRank: rank }),
          ),
        );
        for (let token = 0; token < queryLen; token++) {
          expect(byRank.filter((own) => own[token] >= 0)).toHaveLength(1);
        }
        for (const own of byRank) {
          const stored = own.filter((slot) => slot >= 0);
          expect(new Set(stored).size).toBe(stored.length);
        }
      }),
      runs(30),
    );
  });
});
