import { describe, expect, it } from 'vitest';
import {
  createPlanner,
  type ErrorCode,
  type KvGroup,
  type Limits,
  LockstepError,
  type PlannerOptions,
  type Row,
  type StepPlanner,
} from '../../../dist/entry/planner.js';
import { VOTE_WORDS, word } from '../../../dist/layout/layout.js';
import { refusedWith } from '../../support/expectations.js';
import { METADATA_BUILDS } from '../../support/metadata-builds.js';

const LIMITS: Partial<Limits> = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 32 };

/** Full attention in blocks of 4; a sliding window of 6 tokens in blocks of 8, which its kernel reads as two of 4. */
const GROUPS: KvGroup[] = [
  { blockSize: 4, numBlocks: 50 },
  { blockSize: 8, kernelBlockSize: 4, numBlocks: 20, window: 6 },
];

function grouped(options: PlannerOptions = {}, kvGroups: readonly KvGroup[] = GROUPS): Promise<StepPlanner> {
  return createPlanner({ limits: { ...LIMITS, kvGroups }, poison: true, ...options });
}

/** A decode at position 13, whose first 8 tokens the window has left behind, and a prompt of 5. */
function schedule({ requests }: StepPlanner): Row[] {
  const decode = requests.add({
    blockIds: [
      [6, 7, 8, 9],
      [0, 3],
    ],
    numComputedTokens: 13,
  });
  const prefill = requests.add({ blockIds: [[10, 11], [5]] });
  requests.schedule(decode, { phase: 'decode', queryLen: 1 });
  requests.schedule(prefill, { phase: 'prefill', queryLen: 5 });
  return [decode, prefill];
}

function build(planner: StepPlanner): ReturnType<StepPlanner['local']['snapshot']> {
  return planner.build(planner.resolve(planner.vote())).snapshot();
}

async function faults(limits: object): Promise<string> {
  const error = await createPlanner({ limits: limits as Partial<Limits> }).then(
    () => new Error('nothing was refused'),
    (thrown: unknown) => thrown as LockstepError,
  );
  if (!(error instanceof LockstepError)) throw error;
  expect(error.code).toBe('ERR_CONFIG_INVALID');
  return error.message;
}

describe('KV cache groups', () => {
  it.each(METADATA_BUILDS)(
    'have slots, pages and a block table each, over the same requests and tokens, built as %s',
    async (_name, wasm) => {
      const planner = await grouped({ wasm, tensors: { csr: true } });
      schedule(planner);
      const { groups, tensors, blockTable } = build(planner);
      const [full, window] = groups;
      expect([...full.tensors.slotMapping]).toEqual([37n, 40n, 41n, 42n, 43n, 44n]);
      expect([...window.tensors.slotMapping]).toEqual([29n, 40n, 41n, 42n, 43n, 44n]);
      expect([...full.blockTable]).toEqual([6, 7, 8, 9, 0, 0, 0, 0, 10, 11, 0, 0, 0, 0, 0, 0]);
      // The null block has two kernel blocks as well: 0 and 1.
      expect([...window.blockTable]).toEqual([0, 1, 6, 7, 0, 0, 0, 0, 10, 11, 0, 0, 0, 0, 0, 0]);
      expect([...full.tensors.kvIndices]).toEqual([6, 7, 8, 9, 10, 11]);
      expect([...window.tensors.kvIndices]).toEqual([0, 1, 6, 7, 10, 11]);
      expect([...window.tensors.kvIndptr]).toEqual([0, 4, 6]);
      expect([...window.tensors.kvLastPageLen]).toEqual([2, 1]);
      expect(full.tensors.slotMapping).toBe(tensors.slotMapping);
      expect(full.blockTable).toBe(blockTable);
      expect([...tensors.seqLens]).toEqual([14, 5]);
    },
  );

  it.each(METADATA_BUILDS)(
    'share a step’s parts: each has the slots of its own tokens, built as %s',
    async (_name, wasm) => {
      const policy = { ubatches: 2, ubatchThresholdDecode: 1, ubatchThresholdPrefill: 1 };
      const planner = await grouped({ wasm, policy });
      schedule(planner);
      const { parts, groups } = build(planner);
      expect(parts.map(({ tokens }) => tokens)).toEqual([
        [0, 3],
        [3, 6],
      ]);
      const slots = groups.map(({ partTensors }) => partTensors.map(({ slotMapping }) => slotMapping.join()));
      expect(slots).toEqual([
        ['37,40,41', '42,43,44'],
        ['29,40,41', '42,43,44'],
      ]);
    },
  );

  it.each(METADATA_BUILDS)(
    'grow by themselves, and list the edits of their own device tables, built as %s',
    async (_name, wasm) => {
      const planner = await grouped({ wasm });
      const [decode, prefill] = schedule(planner);
      build(planner);
      planner.requests.advance(prefill, 5);
      planner.requests.advance(decode, 1);
      planner.requests.appendBlocks(decode, [4], 1);
      planner.requests.schedule(decode, { phase: 'decode', queryLen: 1 });
      planner.requests.schedule(prefill, { phase: 'prefill', queryLen: 1 });
      planner.requests.appendBlocks(prefill, [6], 1);
      build(planner);
      expect(planner.local.groups.map(({ tableEdits }) => tableEdits)).toEqual([0, 2]);
      expect([...planner.local.groups[1].blockTable.subarray(0, 16)]).toEqual([
        ...[0, 1, 6, 7, 8, 9, 0, 0],
        ...[10, 11, 12, 13, 0, 0, 0, 0],
      ]);
    },
  );

  it('one group is what the flat limits say', async () => {
    const [flat, list] = await Promise.all([
      createPlanner({ limits: { ...LIMITS, blockSize: 4, numBlocks: 50 }, poison: true }),
      grouped({}, [{ blockSize: 4, numBlocks: 50 }]),
    ]);
    const steps = [flat, list].map((planner) => {
      const row = planner.requests.add({ blockIds: [7, 8], numComputedTokens: 4 });
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
      return build(planner);
    });
    expect(steps[1]).toEqual(steps[0]);
    expect(steps[0].groups).toHaveLength(1);
    expect(list.requests.add({ blockIds: [[9]] })).toBe(1);
  });

  it('are as many as eight', async () => {
    const sizes = [1, 2, 4, 8, 16, 32, 3, 5];
    const planner = await grouped(
      {},
      sizes.map((blockSize) => ({ blockSize })),
    );
    const blockIds = sizes.map((blockSize, group) => Array.from({ length: Math.ceil(9 / blockSize) }, () => 1 + group));
    planner.requests.schedule(planner.requests.add({ blockIds, numComputedTokens: 8 }), {
      phase: 'decode',
      queryLen: 1,
    });
    const slots = build(planner).groups.map(({ tensors }) => Number(tensors.slotMapping[0]));
    expect(slots).toEqual(sizes.map((blockSize, group) => (1 + group) * blockSize + (8 % blockSize)));
  });
});

describe('limits with KV cache groups', () => {
  it('are complete after one pass, and the same after another', async () => {
    const { limits } = await grouped({ limits: { ...LIMITS, numBlocks: 70, kvGroups: [{ blockSize: 4 }, GROUPS[1]] } });
    expect(limits).toMatchObject({ blockSize: 4, kernelBlockSize: 4, numBlocks: 70 });
    expect(limits.kvGroups).toEqual([
      { blockSize: 4, kernelBlockSize: 4, numBlocks: 70, window: 0 },
      { blockSize: 8, kernelBlockSize: 4, numBlocks: 20, window: 6 },
    ]);
    expect((await createPlanner({ limits })).limits).toEqual(limits);
  });

  it('are refused with every fault at once, each by its place', async () => {
    const message = await faults({
      blockSize: 16,
      numBlocks: 9,
      interleaveSize: 4,
      kvGroups: [
        { blockSize: 8, numBlocks: 10 },
        { blockSize: 6, kernelBlockSize: 4, pages: 3 },
        { blockSize: 0, numBlocks: 1, window: -1 },
      ],
    });
    for (const fault of [
      "blockSize is 16 and kvGroups[0].blockSize is 8: leave blockSize out, it is the first group's",
      'numBlocks is 9 and kvGroups[0].numBlocks is 10',
      'kvGroups[1] has no pages; it has blockSize, kernelBlockSize, numBlocks, window',
      'kvGroups[1].kernelBlockSize (4) must divide blockSize (6)',
      'interleaveSize (4) must divide kvGroups[1].blockSize (6)',
      'kvGroups[2].blockSize is 0',
      'kvGroups[2].numBlocks is 1',
      'kvGroups[2].window is -1',
    ]) {
      expect(message).toContain(fault);
    }
  });

  it.each([
    [[], 'an array of 0; it must be an array of 1 to 8 groups'],
    [Array.from({ length: 9 }, () => ({ blockSize: 4 })), 'an array of 9'],
    [{ blockSize: 4 }, 'it must be an array of 1 to 8 groups'],
    [[null], 'kvGroups[0] is null; it must be an object'],
    [[{ blockSize: 4 }, { numBlocks: 5 }], 'kvGroups[1].blockSize is missing'],
  ])('%j is refused', async (kvGroups, expected) => {
    expect(await faults({ kvGroups })).toContain(expected);
  });
});

describe('edits of requests in several groups', () => {
  const row = (value: number): Row => value as Row;
  type Refusal = [string, ErrorCode, object, (requests: StepPlanner['requests']) => unknown];
  const refused: Refusal[] = [
    ['the null block', 'ERR_BLOCK_INVALID', { block: 0, group: 1 }, (r) => r.add({ blockIds: [[7], [0]] })],
    [
      'the null block where the window still reaches',
      'ERR_BLOCK_INVALID',
      { block: 0, group: 1 },
      (r) => r.add({ blockIds: [many(4), [0, 7]], numComputedTokens: 12 }),
    ],
    [
      'the null block in a group without a window',
      'ERR_BLOCK_INVALID',
      { block: 0, group: 0 },
      (r) =>
        r.add({
          blockIds: [
            [0, 2, 3, 4],
            [1, 2],
          ],
          numComputedTokens: 15,
        }),
    ],
    ['the null block, appended', 'ERR_BLOCK_INVALID', { row: 0, group: 1 }, (r) => r.appendBlocks(row(0), [0], 1)],
    [
      'a block past the second pool',
      'ERR_BLOCK_INVALID',
      { row: -1, block: 20, numBlocks: 20, group: 1 },
      (r) => r.add({ blockIds: [[20], [20]] }),
    ],
    [
      'a block past the second pool, appended',
      'ERR_BLOCK_INVALID',
      { row: 1, block: 49, group: 1 },
      (r) => r.appendBlocks(row(1), [3, 49], 1),
    ],
    [
      'blocks past maxModelLen',
      'ERR_BATCH_LIMIT',
      { blocks: 5, limit: 4, group: 1 },
      (r) => r.add({ blockIds: [[], many(5)] }),
    ],
    [
      'blocks appended past maxModelLen',
      'ERR_BATCH_LIMIT',
      { row: 0, blocks: 5, group: 1 },
      (r) => r.appendBlocks(row(0), many(3), 1),
    ],
    [
      'computed tokens that the second group has no blocks for',
      'ERR_POSITION_BEYOND_BLOCKS',
      { tokens: 9, covered: 8, group: 1 },
      (r) => r.add({ blockIds: [many(4), [1]], numComputedTokens: 9 }),
    ],
    [
      'tokens that the second group has no blocks for',
      'ERR_POSITION_BEYOND_BLOCKS',
      { row: 2, tokens: 9, covered: 8, group: 1 },
      (r) => r.schedule(row(2), { phase: 'decode', queryLen: 1 }),
    ],
    [
      'an advance beyond the second group',
      'ERR_POSITION_BEYOND_BLOCKS',
      { row: 2, tokens: 10, covered: 8, group: 1 },
      (r) => r.advance(row(2), 2),
    ],
    ['one list for two groups', 'ERR_INPUT_INVALID', { groups: 2 }, (r) => r.add({ blockIds: [1, 2] })],
    ['three lists for two groups', 'ERR_INPUT_INVALID', { groups: 2 }, (r) => r.add({ blockIds: [[1], [2], [3]] })],
    ['no list at all', 'ERR_INPUT_INVALID', { groups: 2 }, (r) => r.add({} as never)],
    ['a list that is none', 'ERR_INPUT_INVALID', {}, (r) => r.add({ blockIds: [[1], 2] as never })],
    ['half a block', 'ERR_INPUT_INVALID', {}, (r) => r.add({ blockIds: [[1], [2.5]] })],
    ['a group that there is not', 'ERR_INPUT_INVALID', { group: 2 }, (r) => r.appendBlocks(row(0), [1], 2)],
    ['half a group', 'ERR_INPUT_INVALID', { group: 0.5 }, (r) => r.appendBlocks(row(0), [1], 0.5)],
  ];

  it.each(refused)('%s: refused whole', async (_name, code, details, edit) => {
    const [planner, untouched] = await Promise.all([grouped(), grouped()]);
    for (const each of [planner, untouched]) {
      schedule(each);
      each.requests.add({ blockIds: [many(4), [9]], numComputedTokens: 8 });
    }
    const error = refusedWith(code, () => edit(planner.requests));
    expect(error.details).toMatchObject(details);
    const after = [planner, untouched].map((each) => {
      const first = build(each);
      const added = each.requests.add({ blockIds: [[30], [12]] });
      each.requests.schedule(added, { phase: 'prefill', queryLen: 4 });
      each.requests.appendBlocks(row(2), [13], 1);
      each.requests.schedule(row(2), { phase: 'decode', queryLen: 1 });
      return [first, added, build(each)];
    });
    expect(after[0]).toEqual(after[1]);
  });

  it.each(METADATA_BUILDS)(
    'a decode that only the second group has no block for is named, and no group moves on, built as %s',
    async (_name, wasm) => {
      const planner = await grouped({ wasm });
      const [first, second] = [7, 6].map((numComputedTokens) =>
        planner.requests.add({ blockIds: [[1, 2, 3, 4], [3]], numComputedTokens }),
      );
      for (const each of [first, second]) planner.requests.schedule(each, { phase: 'decode', queryLen: 1 });
      build(planner);
      const error = refusedWith('ERR_POSITION_BEYOND_BLOCKS', () => planner.requests.continueDecodes());
      expect(error.details).toEqual({ row: first, tokens: 9, covered: 8, group: 1 });
      planner.requests.appendBlocks(first, [11], 1);
      expect(planner.requests.continueDecodes()).toBe(2);
      const { groups, tensors } = build(planner);
      expect([...tensors.slotMapping]).toEqual([12n, 11n]);
      expect([...groups[1].tensors.slotMapping]).toEqual([88n, 31n]);
    },
  );

  it.each(METADATA_BUILDS)(
    'a block that two requests write is refused by its group, in the checked mode, built as %s',
    async (_name, wasm) => {
      const planner = await grouped({ wasm, checked: true });
      const rows = [
        [[1], [5]],
        [[2], [5]],
      ].map((blockIds) => planner.requests.add({ blockIds }));
      for (const each of rows) planner.requests.schedule(each, { phase: 'prefill', queryLen: 2 });
      const error = refusedWith('ERR_BLOCK_CONFLICT', () => planner.vote());
      expect(error.details).toEqual({ row: rows[0], other: rows[1], block: 5, group: 1 });
      expect(error.message).toContain('Block 5 of KV group 1 is written by');
    },
  );

  // Position 13 of a window of 6 sees positions 8 to 13: block 1 of its group, and block 0 no more.
  it.each<[string, number, boolean]>([
    ['left behind may be written by another', 3, true],
    ['still looks at may not', 4, false],
  ])('a block that a window %s, in the checked mode', async (_name, block, free) => {
    const planner = await grouped({ checked: true });
    const { requests } = planner;
    const decode = requests.add({ blockIds: [many(4), [3, 4]], numComputedTokens: 13 });
    const prompt = requests.add({ blockIds: [[10], [block]] });
    requests.schedule(prompt, { phase: 'prefill', queryLen: 2 });
    if (free) {
      requests.schedule(decode, { phase: 'decode', queryLen: 1 });
      expect([...build(planner).groups[1].tensors.slotMapping]).toEqual([37n, 24n, 25n]);
    } else {
      const error = refusedWith('ERR_BLOCK_CONFLICT', () => planner.vote());
      expect(error.details).toEqual({ row: prompt, other: decode, block, group: 1 });
    }
  });

  it('a block that a window left behind may come back to its own request', async () => {
    const planner = await grouped({ checked: true }, [GROUPS[0], { blockSize: 4, numBlocks: 20, window: 4 }]);
    const decode = planner.requests.add({ blockIds: [many(4), [3, 4, 5, 3]], numComputedTokens: 12 });
    planner.requests.schedule(decode, { phase: 'decode', queryLen: 1 });
    expect([...build(planner).groups[1].tensors.slotMapping]).toEqual([12n]);
  });

  it('a part reads nothing that its window left behind: the step is cut all the same', async () => {
    const policy = { ubatches: 2, ubatchThresholdDecode: 1, ubatchThresholdPrefill: 1, sharedBlocks: 'veto' } as const;
    const vetoes = await Promise.all(
      [3, 4].map(async (block) => {
        const planner = await grouped({ policy });
        const reader = planner.requests.add({ blockIds: [many(4), [3, 4]], numComputedTokens: 13 });
        const writer = planner.requests.add({ blockIds: [[10], [block]] });
        for (const each of [reader, writer]) planner.requests.schedule(each, { phase: 'prefill', queryLen: 2 });
        return planner.vote()[word(VOTE_WORDS, 'ubatchVeto')] !== 0;
      }),
    );
    expect(vetoes).toEqual([false, true]);
  });
});

function many(count: number): number[] {
  return Array.from({ length: count }, (_, index) => 1 + index);
}
