import { describe, expect, it } from 'vitest';
import { type CaptureKey, createPlanner, decodeKey, mixedKey, type Policy } from '../../../dist/entry/planner.js';
import { createRank, createSolo, type DeviceBuffer, type Forward, openDevice } from '../../../dist/index.js';
import { onHost, readI32, TEST_DEVICE } from '../../support/device-fixture.js';
import { counts, limits, solo, step } from '../../support/solo-rank.js';

describe('what a forward is launched with', () => {
  it.each<[string, CaptureKey, number[][]]>([
    ['a decode key: a row a decode', decodeKey(4, 1, 1), [[4, 4, 4]]],
    [
      'an ubatched key: its parts',
      decodeKey(4, 1, 2),
      [
        [2, 2, 2],
        [2, 2, 2],
      ],
    ],
    ['a mixed key: decode rows, then rows for prefills', mixedKey(16, 2, 3, 1), [[16, 5, 3]]],
    ['a mixed key with prefill slots alone', mixedKey(16, 2, 0, 1), [[16, 2, 0]]],
  ])('%s, in warm-up and capture alike', async (_name, key, expected) => {
    const seen: number[][] = [];
    const part: Forward['part'] = (_stream, given) => void seen.push(counts(given));
    const { rank } = await solo([key], () => ({ part }), { ubatches: key.parts, ubatchThresholdDecode: 4 });
    rank.captureSync();
    expect(seen).toEqual([...expected, ...expected]);
  });

  it('an eager step: this rank’s own requests, decodes first', async () => {
    const seen: number[][] = [];
    const one = await solo([], () => ({ part: (_stream, part) => void seen.push(counts(part)) }));
    expect(step(one, 2, [5, 3]).decision.run).toBe('eager');
    expect(step(one, 0, [7]).decision.run).toBe('eager');
    expect(seen).toEqual([
      [10, 4, 2],
      [7, 1, 0],
    ]);
  });

  it('the graph of a mixed key runs what was captured, on the batch of each step', async () => {
    let cache: DeviceBuffer | undefined;
    let calls = 0;
    const one = await solo([mixedKey(16, 2, 3, 1)], (executor) => {
      cache = executor.device.allocate(limits.numBlocks * limits.blockSize * 4);
      const write = executor.kernels.kernel('kv_write');
      return {
        part: (stream, { tensors, tokens }) => {
          calls += 1;
          stream.launch(write, [tensors.inputIds, tensors.slotMapping, cache as DeviceBuffer, tokens]);
        },
      };
    });
    one.rank.captureSync();
    const { requests } = one.planner;
    for (const block of [1, 2, 3]) {
      const row = requests.add({ blockIds: [block] });
      requests.schedule(row, { phase: 'decode', queryLen: 1, inputIds: Int32Array.of(10 * block) });
    }
    const prompt = requests.add({ blockIds: [5, 7] });
    requests.schedule(prompt, { phase: 'prefill', queryLen: 6, inputIds: Int32Array.of(50, 51, 52, 53, 70, 71) });
    const { decision, local } = one.rank.stepSync();
    expect(decision).toMatchObject({ run: 'full', reason: 'graph-mixed', paddedTokens: 16, paddedRequests: 5 });
    expect([local.attentionRequests, local.queryLen, calls]).toEqual([5, 0, 2]);
    const held = readI32(one.rank.executor.stream, cache as DeviceBuffer, 32);
    expect([4, 8, 12, 20, 21, 22, 23, 28, 29].map((slot) => held[slot])).toEqual([10, 20, 30, 50, 51, 52, 53, 70, 71]);
  });
});

describe('parts', () => {
  const twoParts = { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 8 };

  it.each<[string, Partial<Policy>, string[]]>([
    ['overlap where nothing keeps them from it', {}, ['overlap 2', 'overlap 2', 'overlap 2']],
    [
      'run one after the other where they share a resource of which there is one',
      { exclusiveResources: ['communicator'] },
      Array(6).fill('part'),
    ],
    [
      'overlap all the same where the policy says so',
      { exclusiveResources: ['communicator'], onSharedResource: 'overlap' },
      ['overlap 2', 'overlap 2', 'overlap 2'],
    ],
  ])('%s: in a graph and in an eager step', async (_name, policy, expected) => {
    const calls: string[] = [];
    const forward: Forward = {
      part: () => void calls.push('part'),
      overlap: (_stream, parts) => void calls.push(`overlap ${parts.length}`),
    };
    const one = await solo([decodeKey(4, 1, 2)], () => forward, { ...twoParts, ...policy });
    one.rank.captureSync();
    expect(step(one, 4).decision).toMatchObject({ reason: 'graph-ubatched', overlap: expected.length === 3 });
    expect(step(one, 0, [8, 8]).decision).toMatchObject({ run: 'eager', overlap: expected.length === 3 });
    expect(calls).toEqual(expected);
  });

  it('that overlap are given to `part` where a forward has nothing to make of it', async () => {
    let calls = 0;
    const part = (): void => {
      calls += 1;
    };
    const forward: Forward = { part };
    const one = await solo([], () => forward, twoParts);
    expect(step(one, 0, [8, 8]).decision).toMatchObject({ partCount: 2, overlap: true });
    expect(calls).toBe(2);
  });
});

describe('the capture log', () => {
  it('tells how far each key made the device’s memory grow, workspaces of its warm-up included', async () => {
    const workspaces: DeviceBuffer[] = [];
    const one = await solo([decodeKey(2, 1, 1), decodeKey(4, 1, 1), mixedKey(16, 2, 2, 1)], ({ device }) => ({
      part: (stream, { tokens }) => {
        if (tokens === 4 && !stream.capturing) workspaces.push(device.allocate(1 << 20));
      },
    }));
    const before = one.device.memory();
    const { captured } = one.rank.captureSync();
    expect(captured.map(({ key }) => key.tokens)).toEqual([16, 4, 2]);
    const [mixed, four, two] = captured;
    expect(four.allocatedBytes - four.bytes).toBe(1 << 20);
    expect([mixed.allocatedBytes, two.allocatedBytes]).toEqual([mixed.bytes, two.bytes]);
    const after = one.device.memory();
    const sum = (name: 'allocatedBytes' | 'reservedBytes'): number => captured.reduce((all, key) => all + key[name], 0);
    expect(sum('allocatedBytes')).toBe(after.allocatedBytes - before.allocatedBytes);
    expect(sum('reservedBytes')).toBe(after.peakBytes - before.peakBytes);
    expect(four.reservedBytes).toBeGreaterThanOrEqual(1 << 20);
    // The last key fits where the others had their reserves.
    expect(two.reservedBytes).toBeLessThan(1 << 16);
    for (const { seconds } of captured) expect(seconds).toBeGreaterThan(0);
    for (const buffer of workspaces) buffer.dispose();
  });
});

describe('the reserve of a key', () => {
  async function rankWith(memoryLimit?: number) {
    const planner = await createPlanner({ limits, plan: { keys: [decodeKey(2, 1, 1)] } });
    const device = openDevice({ device: TEST_DEVICE, ...(memoryLimit === undefined ? {} : { memoryLimit }) });
    const rank = createRank({ planner, device, collective: createSolo() });
    return { rank, device };
  }

  onHost('is freed before its graph takes memory: room for the larger of the two is enough', async () => {
    const { device } = await rankWith();
    const { allocatedBytes } = device.memory();
    device.dispose();
    const one = await rankWith(allocatedBytes + (1 << 16));
    const [captured] = one.rank.captureSync().captured;
    expect(captured.bytes).toBeGreaterThan(0);
    one.device.dispose();
  });

  it('is freed after the recording ends: in the capture it could not be, and afterwards it would be too late', async () => {
    const { rank, device } = await rankWith();
    const reserve = device.allocate(64);
    let graphs = -1;
    rank.executor.capture(decodeKey(2, 1, 1), () => {
      expect(rank.executor.stream.capturing).toBe(false);
      graphs = device.memory().graphs;
      reserve.dispose();
    });
    expect([graphs, device.memory().graphs]).toEqual([0, 1]);
    device.dispose();
  });
});

describe('scratch memory of a forward', () => {
  it('is taken anew by each key, shared by their graphs, and reserved by the largest', async () => {
    const scratch: number[] = [];
    const one = await solo([decodeKey(2, 1, 1), decodeKey(4, 1, 1), mixedKey(16, 2, 2, 1)], ({ pool, kernels }) => ({
      part: (stream, { tokens }) => {
        const piece = pool.take(tokens * 1000);
        scratch.push(piece.offset);
        stream.launch(kernels.kernel('fill'), [piece, tokens, tokens * 250]);
      },
    }));
    const { captured } = one.rank.captureSync();
    expect(captured.map((key) => [key.poolReservedBytes, key.poolAllocatedBytes])).toEqual([
      [16_000, 16_000],
      [0, 4000],
      [0, 2000],
    ]);
    expect(new Set(scratch)).toEqual(new Set([0]));
    expect(one.rank.executor.pool.reservedBytes).toBe(16_000);
  });
});

describe('fresh device tensors', () => {
  it.each([
    ['lockstep', 0],
    ['sglang', 1],
    ['flashinfer', 1],
    ['trtllm', 1],
  ] as const)(
    'hold a batch of padding as the record %s has it, of which each request has %i tokens',
    async (padding, tokens) => {
      const policy = { ubatches: 2, ubatchThresholdDecode: 4 };
      const plan = { keys: [decodeKey(4, 1, 2)] };
      const planner = await createPlanner({ limits, plan, policy, padding, tensors: { csr: true } });
      using device = openDevice({ device: TEST_DEVICE });
      using rank = createRank({ planner, device, collective: createSolo() });
      const { metadata, stream } = rank.executor;
      const views = [metadata.whole, ...metadata.parts];
      expect(views).toHaveLength(3);
      const requests = limits.maxNumSeqs;
      for (const view of views) {
        expect(readI32(stream, view.seqLens, requests)).toEqual(Array(requests).fill(tokens));
        const starts = Array.from({ length: requests + 1 }, (_, request) => request * tokens);
        expect(readI32(stream, view.kvIndptr, requests + 1)).toEqual(starts);
        expect(readI32(stream, view.kvLastPageLen, requests)).toEqual(Array(requests).fill(1));
        expect(new Set(readI32(stream, view.kvIndices))).toEqual(new Set([0]));
        expect(new Set(readI32(stream, view.slotMapping))).toEqual(new Set([-1]));
        expect(new Set(readI32(stream, view.queryStartLoc))).toEqual(new Set([0]));
      }
      expect(new Set(readI32(stream, metadata.blockTable))).toEqual(new Set([0]));
    },
  );
});

describe('tensors that the device supplies', () => {
  it.each([true, false])('are uploaded where the forward writes them on the host: %s', async (writes) => {
    const plan = { keys: [decodeKey(4, 1, 1)] };
    const planner = await createPlanner({ limits, plan, deviceSupplied: ['inputIds'] });
    using device = openDevice({ device: TEST_DEVICE });
    const supply: Forward['supply'] = ({ tensors, step }) => void tensors.inputIds.set([step + 7, step + 8, 0, 0]);
    const forward = { part: () => {}, ...(writes ? { supply } : {}) };
    using rank = createRank({ planner, device, collective: createSolo(), forward: () => forward });
    rank.captureSync();
    const { metadata, stream } = rank.executor;
    const { requests } = planner;
    for (const block of [1, 2])
      requests.schedule(requests.add({ blockIds: [block] }), { phase: 'decode', queryLen: 1 });
    for (let time = 0; time < 3; time++) {
      rank.stepSync();
      const [first, second] = writes ? [time + 7, time + 8] : [0, 0];
      expect(readI32(stream, metadata.whole.inputIds, 4)).toEqual([first, second, 0, 0]);
      expect(readI32(stream, metadata.whole.seqLens, 4)).toEqual([time + 1, time + 1, 0, 0]);
      requests.continueDecodes();
    }
  });
});
