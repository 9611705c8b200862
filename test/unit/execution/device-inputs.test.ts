import { expect, test } from 'vitest';
import { openDevice } from '../../../dist/device/index.js';
import { createPlanner, decodeKey, type PlannerOptions } from '../../../dist/entry/planner.js';
import { bufferOf, readI32 } from '../../support/device-fixture.js';

/** Requests of two steps: blocks, tokens computed before the first, tokens of each step, drafts of the first that were accepted. */
const REQUESTS = [
  { blockIds: [3, 9], computed: 2, first: 3, accepted: 2, second: 2 },
  { blockIds: [4, 5], computed: 3, first: 2, accepted: 0, second: 3 },
  { blockIds: [7, 6, 8], computed: 6, first: 3, accepted: 1, second: 1 },
];
const [BLOCK_SIZE, MAX_DRAFTS] = [4, 2];

test.each([
  ['packed', {}],
  ['in a decode graph, short windows and a padded request', { graph: true }],
  ['with padded requests of one token', { graph: true, padding: 'sglang' }],
  ['with context parallelism', { contextParallel: true }],
] as const)(
  'device_inputs fills what the planner writes when it knows the sampled tokens: %s',
  async (_what, given) => {
    const parallel = 'contextParallel' in given;
    const options: PlannerOptions = {
      limits: {
        maxNumSeqs: 4,
        maxModelLen: 32,
        blockSize: BLOCK_SIZE,
        queryLen: 1 + MAX_DRAFTS,
        numBlocks: 20,
        ...(parallel ? { contextParallelSize: 2, contextParallelRank: 1, interleaveSize: 2 } : {}),
      },
      ...('padding' in given ? { padding: given.padding } : {}),
      ...('graph' in given ? { plan: { keys: [decodeKey(4, 1 + MAX_DRAFTS, 1)] } } : {}),
    } as PlannerOptions;
    const planner = await createPlanner(options);
    const { requests } = planner;
    const rows = REQUESTS.map(({ blockIds, computed }) => requests.add({ blockIds, numComputedTokens: computed }));
    requests.scheduleEach(
      rows,
      REQUESTS.map(({ first }) => first),
    );
    planner.build(planner.resolve(planner.vote()));
    for (const [index, { accepted }] of REQUESTS.entries()) requests.advance(rows[index] ?? 0, 1 + accepted);
    requests.scheduleEach(
      rows,
      REQUESTS.map(({ second }) => second),
    );
    const local = planner.build(planner.resolve(planner.vote()));
    const { tensors, blockTable } = local.snapshot();
    const [tokens, count] = [local.paddedTokens, local.attentionRequests];

    using device = openDevice({ device: 'host' });
    const stream = device.createStream();
    const of = (values: readonly number[]) => bufferOf(device, stream, Int32Array.from(values));
    // The last step's outputs stand in another order than this step's requests.
    const lastRow = [2, 0, 1];
    const inLastOrder = <T>(value: (index: number) => T): T[] => [1, 2, 0].map(value);
    const source = Array.from({ length: count }, (_, index) => lastRow[index] ?? -1);
    const base = Array.from({ length: count }, (_, index) => (REQUESTS[index]?.computed ?? 0) + 1);
    const inputIds = of(Array(tokens).fill(-7));
    const seqLens = of(Array(count).fill(-7));
    const [positions, slots] = [0, 1].map(() => bufferOf(device, stream, new BigInt64Array(tokens).fill(-7n)));
    if (positions === undefined || slots === undefined) throw new RangeError('no buffers');
    stream.launch(device.loadModule().kernel('device_inputs'), [
      of(source),
      of(base),
      of(inLastOrder((index) => REQUESTS[index]?.accepted ?? 0)),
      of(inLastOrder((index) => [10, 20, 30].map((id) => id + index)).flat()),
      of(inLastOrder((index) => [40, 50].map((id) => id + index)).flat()),
      bufferOf(device, stream, tensors.queryStartLoc),
      bufferOf(device, stream, tensors.tokenToRequest),
      bufferOf(device, stream, blockTable),
      inputIds,
      positions,
      slots,
      seqLens,
      ...[count, tokens, MAX_DRAFTS, blockTable.length / count, BLOCK_SIZE, 'padding' in given ? 1 : 0],
      ...(parallel ? [2, 1, 2, 0] : [1, 0, 1, 0]),
    ]);
    const [found, places] = [new BigInt64Array(tokens), new BigInt64Array(tokens)];
    stream.downloadSync(positions, 0, found);
    stream.downloadSync(slots, 0, places);
    expect([...found]).toEqual([...tensors.positions.subarray(0, tokens)]);
    expect([...places]).toEqual([...tensors.slotMapping.subarray(0, tokens)]);
    expect(readI32(stream, seqLens)).toEqual([...tensors.seqLens.subarray(0, count)]);
    const ids = REQUESTS.flatMap(({ accepted, second }, index) => {
      const own = [(accepted + 1) * 10 + index, 40 + index, 50 + index].slice(0, second);
      return local.queryLen > 0 ? [...own, 0, 0].slice(0, local.queryLen) : own;
    });
    expect(readI32(stream, inputIds)).toEqual([...ids, ...Array(tokens - ids.length).fill(0)]);
  },
);
