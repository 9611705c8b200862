import { describe, expect, it } from 'vitest';
import { createPlanner, type ErrorCode, type Limits, type Row, type StepPlanner } from '../../../dist/entry/planner.js';
import { refusedWith } from '../../support/expectations.js';
import { METADATA_BUILDS } from '../../support/metadata-builds.js';

const LIMITS: Partial<Limits> = {
  maxNumSeqs: 3,
  maxNumBatchedTokens: 16,
  maxModelLen: 32,
  blockSize: 4,
  numBlocks: 20,
  queryLen: 2,
};

/** Row 0: 6 tokens in blocks 3 and 4, decoding. Row 1: an empty request with block 5, its prompt not begun. */
async function twoRequests(): Promise<StepPlanner> {
  const planner = await createPlanner({ limits: LIMITS, poison: true });
  planner.requests.add({ blockIds: [3, 4], numComputedTokens: 6 });
  planner.requests.add({ blockIds: [5] });
  return planner;
}

/** Everything the next steps of these two requests come to, from where `planner` is now. */
function nextSteps(planner: StepPlanner): unknown[] {
  const { requests } = planner;
  const run = (): unknown => {
    const vote = [...planner.vote()];
    const local = planner.build(planner.resolve(planner.table)).snapshot();
    return { vote, local, computed: [0, 1].map((row) => requests.numComputedTokens(row as Row)) };
  };
  const scheduled = run();
  requests.advance(0 as Row, 1);
  requests.schedule(1 as Row, {
    phase: 'prefill',
    queryLen: 4,
    lastChunk: true,
    inputIds: Int32Array.of(7, 8, 9, 10),
  });
  requests.schedule(0 as Row, { phase: 'decode', queryLen: 1 });
  const both = run();
  const row = requests.add({ blockIds: [6], numComputedTokens: 2 });
  requests.schedule(row, { phase: 'decode', queryLen: 2 });
  return [scheduled, both, row, run()];
}

const row = (value: number): Row => value as Row;
const many = (count: number, value = 1): number[] => Array.from({ length: count }, () => value);
const ids = (value: unknown): number[] => value as number[];

function transferred(...values: number[]): Int32Array {
  const array = Int32Array.from(values);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

type Refusal = [string, ErrorCode, object, (requests: StepPlanner['requests']) => unknown];

/** Refused edits, by the code each throws and the values its details must hold. */
const REFUSED: Refusal[] = [
  [
    'schedule of a row never given',
    'ERR_ROW_UNKNOWN',
    { row: 2 },
    (r) => r.schedule(row(2), { phase: 'decode', queryLen: 1 }),
  ],
  ['append to a row beyond all', 'ERR_ROW_UNKNOWN', { row: 77 }, (r) => r.appendBlocks(row(77), [1])],
  ['advance of a negative row', 'ERR_ROW_UNKNOWN', { row: -1 }, (r) => r.advance(row(-1), 1)],
  ['remove of an unknown row', 'ERR_ROW_UNKNOWN', { row: 2 }, (r) => r.remove(row(2))],
  ['numComputedTokens of an unknown row', 'ERR_ROW_UNKNOWN', { row: 2 }, (r) => r.numComputedTokens(row(2))],
  ['numComputedTokens of half a row', 'ERR_ROW_UNKNOWN', { row: 0.5 }, (r) => r.numComputedTokens(row(0.5))],
  ['the null block', 'ERR_BLOCK_INVALID', { block: 0 }, (r) => r.add({ blockIds: [7, 0] })],
  ['a block past the pool', 'ERR_BLOCK_INVALID', { block: 20, numBlocks: 20 }, (r) => r.add({ blockIds: [20] })],
  ['a negative block', 'ERR_BLOCK_INVALID', { block: -3 }, (r) => r.appendBlocks(row(1), [6, -3])],
  ['more blocks than maxModelLen has', 'ERR_BATCH_LIMIT', { blocks: 9, limit: 8 }, (r) => r.add({ blockIds: many(9) })],
  ['blocks appended past maxModelLen', 'ERR_BATCH_LIMIT', { blocks: 9 }, (r) => r.appendBlocks(row(0), many(7))],
  ['more blocks than any list can have', 'ERR_BATCH_LIMIT', { limit: 16 }, (r) => r.add({ blockIds: many(17) })],
  [
    'one of several rows is unknown',
    'ERR_ROW_UNKNOWN',
    { row: 2 },
    (r) => r.appendEach([row(0), row(1), row(2)], [6, 7, 8]),
  ],
  [
    'one of several blocks is past the pool',
    'ERR_BLOCK_INVALID',
    { row: 1, block: 20 },
    (r) => r.appendEach([row(0), row(1)], [6, 20]),
  ],
  [
    'blocks one by one past maxModelLen',
    'ERR_BATCH_LIMIT',
    { row: 0, blocks: 9, limit: 8 },
    (r) => r.appendEach([row(1), ...many(7, row(0)).map(row)], [7, ...many(7, 6)]),
  ],
  ['fewer blocks than rows', 'ERR_INPUT_INVALID', { rows: 2, blockIds: 1 }, (r) => r.appendEach([row(0), row(1)], [6])],
  ['more rows than fit', 'ERR_BATCH_LIMIT', { limit: 16 }, (r) => r.appendEach(many(9, 0).map(row), many(9, 6))],
  [
    'computed tokens past the blocks',
    'ERR_POSITION_BEYOND_BLOCKS',
    { tokens: 5, covered: 4 },
    (r) => r.add({ blockIds: [6], numComputedTokens: 5 }),
  ],
  [
    'computed tokens past maxModelLen',
    'ERR_BATCH_LIMIT',
    { tokens: 33, limit: 32 },
    (r) => r.add({ blockIds: many(8, 6), numComputedTokens: 33 }),
  ],
  [
    'negative computed tokens',
    'ERR_BATCH_LIMIT',
    { tokens: -1 },
    (r) => r.add({ blockIds: [6], numComputedTokens: -1 }),
  ],
  [
    'half a computed token',
    'ERR_INPUT_INVALID',
    { numComputedTokens: 0.5 },
    (r) => r.add({ blockIds: [6], numComputedTokens: 0.5 }),
  ],
  ['a block that is not a number', 'ERR_INPUT_INVALID', {}, (r) => r.add({ blockIds: [6, Number.NaN] })],
  [
    'a block of more than 32 bits',
    'ERR_INPUT_INVALID',
    { blockIds: 2 ** 32 + 7 },
    (r) => r.add({ blockIds: [2 ** 32 + 7] }),
  ],
  ['one number instead of blocks', 'ERR_INPUT_INVALID', {}, (r) => r.add({ blockIds: ids(6) })],
  ['no blocks at all', 'ERR_INPUT_INVALID', {}, (r) => r.appendBlocks(row(0), ids(undefined))],
  ['a string instead of blocks', 'ERR_INPUT_INVALID', { blockIds: '' }, (r) => r.appendBlocks(row(0), ids(''))],
  ['a function instead of blocks', 'ERR_INPUT_INVALID', {}, (r) => r.add({ blockIds: ids(() => 6) })],
  ['fewer blocks than none', 'ERR_INPUT_INVALID', {}, (r) => r.appendBlocks(row(0), ids({ length: -1 }))],
  ['blocks whose buffer was transferred', 'ERR_INPUT_INVALID', {}, (r) => r.appendBlocks(row(0), transferred(6))],
  [
    'more lists than can be counted',
    'ERR_INPUT_INVALID',
    { groups: 1 },
    (r) => r.add({ blockIds: { 0: [6], length: 1e15 } }),
  ],
  [
    'a block that is not a number, of a request in the batch',
    'ERR_INPUT_INVALID',
    { row: 0, blockIds: Number.NaN },
    (r) => r.appendBlocks(row(0), [Number.NaN]),
  ],
  [
    'one of several blocks is half a block',
    'ERR_INPUT_INVALID',
    { row: 1, blockIds: 6.5 },
    (r) => r.appendEach([row(0), row(1)], [7, 6.5]),
  ],
  [
    'a decode longer than queryLen',
    'ERR_BATCH_LIMIT',
    { queryLen: 3, limit: 2 },
    (r) => r.schedule(row(1), { phase: 'decode', queryLen: 3 }),
  ],
  ['an empty chunk', 'ERR_BATCH_LIMIT', { queryLen: 0 }, (r) => r.schedule(row(1), { phase: 'prefill', queryLen: 0 })],
  [
    'a chunk of more than a step',
    'ERR_BATCH_LIMIT',
    { queryLen: 17, limit: 16 },
    (r) => r.schedule(row(1), { phase: 'prefill', queryLen: 17 }),
  ],
  [
    'a chunk that no longer fits the step',
    'ERR_BATCH_LIMIT',
    { tokens: 17, limit: 16 },
    (r) => r.schedule(row(1), { phase: 'prefill', queryLen: 15 }),
  ],
  [
    'positions past the blocks',
    'ERR_POSITION_BEYOND_BLOCKS',
    { tokens: 5, covered: 4 },
    (r) => r.schedule(row(1), { phase: 'prefill', queryLen: 5 }),
  ],
  [
    'a length that is not a number',
    'ERR_INPUT_INVALID',
    { row: 1 },
    (r) => r.schedule(row(1), { phase: 'prefill', queryLen: Number.NaN }),
  ],
  [
    'a row that is not a number',
    'ERR_INPUT_INVALID',
    {},
    (r) => r.schedule(row(Number.NaN), { phase: 'prefill', queryLen: 1 }),
  ],
  [
    'a phase that does not exist',
    'ERR_INPUT_INVALID',
    {},
    (r) => r.schedule(row(1), { phase: 'extend' as 'decode', queryLen: 1 }),
  ],
  [
    'a last chunk that is neither true nor false',
    'ERR_INPUT_INVALID',
    { row: 1 },
    (r) => r.schedule(row(1), { phase: 'prefill', queryLen: 1, lastChunk: 'no' as unknown as boolean }),
  ],
  [
    'fewer ids than tokens',
    'ERR_INPUT_INVALID',
    { inputIds: 1, queryLen: 2 },
    (r) => r.schedule(row(1), { phase: 'prefill', queryLen: 2, inputIds: Int32Array.of(9) }),
  ],
  [
    'a request scheduled twice',
    'ERR_STEP_ORDER',
    { row: 0 },
    (r) => r.schedule(row(0), { phase: 'decode', queryLen: 1 }),
  ],
  ['advance while scheduled', 'ERR_STEP_ORDER', { row: 0 }, (r) => r.advance(row(0), 1)],
  ['advance past the blocks', 'ERR_POSITION_BEYOND_BLOCKS', { tokens: 5, covered: 4 }, (r) => r.advance(row(1), 5)],
  ['advance by less than nothing', 'ERR_BATCH_LIMIT', { tokens: -1 }, (r) => r.advance(row(1), -1)],
  ['advance past maxModelLen', 'ERR_BATCH_LIMIT', { tokens: 33, limit: 32 }, (r) => r.advance(row(1), 33)],
  ['advance by half a token', 'ERR_INPUT_INVALID', { tokens: 0.5 }, (r) => r.advance(row(1), 0.5)],
];

describe('a refused edit says what was wrong, and changes nothing', () => {
  it.each(REFUSED)('%s: %s', async (_name, code, details, edit) => {
    const untouched = await twoRequests();
    const planner = await twoRequests();
    for (const { requests } of [untouched, planner]) requests.schedule(row(0), { phase: 'decode', queryLen: 2 });
    const error = refusedWith(code, () => edit(planner.requests));
    expect(error.details).toMatchObject(details);
    expect(error.message.length).toBeGreaterThan(20);
    expect(nextSteps(planner)).toEqual(nextSteps(untouched));
  });

  it('a request too many', async () => {
    const planner = await twoRequests();
    planner.requests.add({ blockIds: [9] });
    const error = refusedWith('ERR_BATCH_LIMIT', () => planner.requests.add({ blockIds: [10] }));
    expect(error.details).toMatchObject({ requests: 4, limit: 3 });
  });

  it('blocks too many: says which limit to raise', async () => {
    const { requests } = await twoRequests();
    for (const count of [9, 17]) {
      const error = refusedWith('ERR_BATCH_LIMIT', () => requests.add({ blockIds: many(count) }));
      expect(error.message).toContain('or raise maxModelLen');
    }
  });

  it('a row is stale once its request is removed, until add gives it to another', async () => {
    const { requests } = await twoRequests();
    requests.remove(row(0));
    for (const edit of [
      () => requests.schedule(row(0), { phase: 'decode', queryLen: 1 }),
      () => requests.appendBlocks(row(0), [9]),
      () => requests.advance(row(0), 0),
      () => requests.remove(row(0)),
      () => requests.numComputedTokens(row(0)),
    ]) {
      refusedWith('ERR_ROW_UNKNOWN', edit);
    }
    expect(requests.add({ blockIds: [9], numComputedTokens: 3 })).toBe(0);
    expect(requests.numComputedTokens(row(0))).toBe(3);
  });

  it('decodes of which one is scheduled are not continued as well: no request is in a step twice', async () => {
    const planner = await createPlanner({
      limits: { ...LIMITS, numBlocks: 200, maxNumSeqs: 40, maxNumBatchedTokens: 80 },
    });
    const { requests } = planner;
    const rows = many(40).map((_, index) => requests.add({ blockIds: [1 + index], numComputedTokens: 2 }));
    for (const each of rows) requests.schedule(each, { phase: 'decode', queryLen: 1 });
    planner.build(planner.resolve(planner.vote()));
    for (const each of rows) requests.schedule(each, { phase: 'prefill', queryLen: 1 });
    expect(requests.continueDecodes()).toBe(0);
    const local = planner.build(planner.resolve(planner.vote()));
    expect([local.requests, local.decodeRequests, local.tensors.seqLens[39]]).toEqual([40, 0, 3]);
    expect(requests.numComputedTokens(rows[0])).toBe(2);
  });

  it.each(METADATA_BUILDS)(
    'what a request depends on ends with its step, however its next token is scheduled, built as %s',
    async (_name, wasm) => {
      for (const prefills of [0, 1]) {
        const planner = await createPlanner({ limits: LIMITS, checked: true, wasm });
        const { requests } = planner;
        const writer = requests.add({ blockIds: [9] });
        const reader = requests.add({ blockIds: [9, 10], numComputedTokens: 4 });
        requests.schedule(writer, { phase: 'decode', queryLen: 1 });
        requests.schedule(reader, { phase: 'decode', queryLen: 1, dependsOn: writer });
        planner.build(planner.resolve(planner.vote()));
        // With a prefill in the step rows are looked at one by one; without, lanes move on by themselves.
        const prompt = requests.add({ blockIds: [11] });
        if (prefills > 0) requests.schedule(prompt, { phase: 'prefill', queryLen: 1 });
        expect(requests.continueDecodes()).toBe(2);
        const error = refusedWith('ERR_BLOCK_CONFLICT', () => planner.vote());
        expect(error.details).toEqual({ row: writer, other: reader, block: 9 });
      }
    },
  );

  it.each(METADATA_BUILDS)(
    'what depended on a removed request does not depend on the one that has its row now, built as %s',
    async (_name, wasm) => {
      const planner = await createPlanner({ limits: LIMITS, checked: true, wasm });
      const { requests } = planner;
      const writer = requests.add({ blockIds: [9] });
      const reader = requests.add({ blockIds: [9, 10], numComputedTokens: 4 });
      requests.schedule(reader, { phase: 'prefill', queryLen: 1, dependsOn: writer });
      requests.remove(writer);
      const other = requests.add({ blockIds: [9] });
      expect(other).toBe(writer);
      requests.schedule(other, { phase: 'prefill', queryLen: 1 });
      const error = refusedWith('ERR_BLOCK_CONFLICT', () => planner.vote());
      expect(error.details).toEqual({ row: other, other: reader, block: 9 });
    },
  );

  it('tokens of a removed request free their place in the step', async () => {
    const planner = await createPlanner({ limits: LIMITS });
    const { requests } = planner;
    const [a, b] = [many(4, 2), many(4, 3)].map((blockIds) => requests.add({ blockIds }));
    requests.schedule(a, { phase: 'prefill', queryLen: 12 });
    refusedWith('ERR_BATCH_LIMIT', () => requests.schedule(b, { phase: 'prefill', queryLen: 5 }));
    expect(planner.scheduledTokens).toBe(12);
    requests.remove(a);
    expect(planner.scheduledTokens).toBe(0);
    requests.schedule(b, { phase: 'prefill', queryLen: 16 });
    expect(planner.scheduledTokens).toBe(16);
  });
});
