import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loggedVotes, stepLineShape } from '../../../dist/workload/index.js';
import { runs } from '../../support/property-runs.js';

const vote = (prefills: readonly number[], decodes: readonly number[]) => {
  const lengths = [...prefills, ...decodes];
  return {
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    prefillRequests: prefills.length,
    decodeRequests: decodes.length,
    uniformQueryLen: new Set(lengths).size === 1 ? lengths[0] : 0,
    maxQueryLen: Math.max(0, ...lengths),
    maxDecodeQueryLen: Math.max(0, ...decodes),
  };
};
const isTaken = (row: object): boolean => loggedVotes({ rows: [row] } as never) !== null;

test('rows that some batch has are taken, and those that none can have are not', () => {
  const few = (most: number) => fc.array(fc.integer({ min: 1, max: most }), { maxLength: 3 });
  fc.assert(
    fc.property(few(5), few(3), (prefills, decodes) => {
      expect(isTaken(vote(prefills, decodes))).toBe(true);
    }),
    runs(500),
  );
  // Every batch of up to two requests of each kind and of up to three tokens each, as its row without the uniform length.
  const lists = [[], ...[1, 2, 3].flatMap((a) => [[a], [a, 1], [a, 2], [a, 3]])];
  const name = (row: object): string => JSON.stringify({ ...row, uniformQueryLen: 0 });
  const all = new Set(lists.flatMap((prefills) => lists.map((decodes) => name(vote(prefills, decodes)))));
  for (let tokens = 0; tokens <= 13; tokens++) {
    for (const [prefillRequests, decodeRequests] of [0, 1, 2].flatMap((p) => [0, 1, 2].map((d) => [p, d]))) {
      for (const [maxQueryLen, maxDecodeQueryLen] of [0, 1, 2, 3].flatMap((q) => [0, 1, 2, 3].map((d) => [q, d]))) {
        const row = { tokens, prefillRequests, decodeRequests, uniformQueryLen: 0, maxQueryLen, maxDecodeQueryLen };
        expect({ row, taken: isTaken(row) }).toEqual({ row, taken: all.has(name(row)) });
      }
    }
  }
});

test('a line whose decodes have more tokens than the query length allows is refused', () => {
  const row = { ...vote([], [1, 1]), tokens: 6, maxQueryLen: 5 };
  const line = JSON.stringify({ schemaVersion: 1, step: 1, rows: [row], decision: { run: 'full', parts: [{}] } });
  expect(() => stepLineShape(line, 1, { file: 'f', line: 1 })).toThrowError(
    expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringMatching(/rows\[0\]\.tokens/) }),
  );
  expect(stepLineShape(line, 3, { file: 'f', line: 1 })).toMatchObject({ tokens: 6 });
});

test.each([
  ['a longest request that is no decode, without prefills', { tokens: 6, maxQueryLen: 5, maxDecodeQueryLen: 1 }],
  ['more tokens than the decodes can have', { tokens: 6, maxQueryLen: 2, maxDecodeQueryLen: 2 }],
  ['a uniform length of other tokens', { tokens: 3, uniformQueryLen: 2, maxQueryLen: 2, maxDecodeQueryLen: 2 }],
])('%s contradicts itself', (_, more) => {
  expect(isTaken({ prefillRequests: 0, decodeRequests: 2, uniformQueryLen: 0, ...more })).toBe(false);
});
