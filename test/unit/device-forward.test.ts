import { afterEach, describe, expect, it } from 'vitest';
import {
  type CaptureReport,
  createRank,
  createSolo,
  type Device,
  type DeviceBuffer,
  type Executor,
  type Forward,
  type ForwardPart,
  openDevice,
  type Rank,
  type StepResult,
} from '../../dist/index.js';
import { type CaptureKey, mixedKey, piecewiseKey } from '../../dist/planner/capture-plan.js';
import { createPlanner, decodeKey, type Policy, type StepPlanner } from '../../dist/planner/index.js';
import { errorOf, readI32 } from '../support/device-fixture.js';

const limits = { maxNumSeqs: 6, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 4, numBlocks: 64, queryLen: 1 };

interface Made {
  readonly rank: Rank;
  readonly planner: StepPlanner;
  readonly device: Device;
}

const made: Made[] = [];
afterEach(() => {
  for (const { rank, planner, device } of made.splice(0)) {
    rank.dispose();
    planner.dispose();
    device.dispose();
  }
});

async function solo(
  keys: readonly CaptureKey[],
  forward: (executor: Executor) => Forward,
  policy: Partial<Policy> = {},
): Promise<Made> {
  const planner = await createPlanner({ limits, plan: { keys }, policy });
  const device = openDevice({ device: 'host' });
  const rank = createRank({ planner, device, collective: createSolo(), forward, checkShapes: true });
  made.push({ rank, planner, device });
  return { rank, planner, device };
}

/** Takes a step with as many new decodes of one token, and a new prefill of each length. */
function step({ rank, planner }: Made, decodes: number, prefills: readonly number[] = []): StepResult {
  for (const [index, queryLen] of [...Array<number>(decodes).fill(1), ...prefills].entries()) {
    const blockIds = Array.from({ length: Math.ceil(queryLen / 4) }, (_, block) => 1 + 8 * index + block);
    const row = planner.requests.add({ blockIds });
    planner.requests.schedule(row, { phase: index < decodes ? 'decode' : 'prefill', queryLen });
  }
  return rank.stepSync();
}

/** Counts of a part, as a model sees them. */
const counts = ({ tokens, requests, decodeRequests }: ForwardPart): number[] => [tokens, requests, decodeRequests];

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
    rank.capture();
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
    one.rank.capture();
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
    one.rank.capture();
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

describe('a piecewise key', () => {
  /** Three pieces that set `x` to 1, 2 and 3, and attentions that keep what they find in `seen[0]` and `seen[1]`. */
  class Pieces implements Forward {
    readonly calls: string[] = [];
    readonly x: DeviceBuffer;
    readonly seen: DeviceBuffer;
    readonly piecewise: Forward['piecewise'];

    constructor({ device, kernels, stream: main }: Executor) {
      this.x = device.allocate(4);
      this.seen = device.allocate(8);
      const [fill, copy] = [kernels.kernel('fill'), kernels.kernel('copy')];
      main.launch(fill, [this.x, 0, 1]);
      this.piecewise = {
        pieces: 3,
        piece: (stream, index, part) => {
          this.calls.push(`piece ${index}: ${counts(part)}`);
          stream.launch(fill, [this.x, index + 1, 1]);
        },
        attention: (stream, index, part) => {
          this.calls.push(`attention ${index}: ${counts(part)}`);
          stream.launch(copy, [this.x, { buffer: this.seen, offset: 4 * index }, 4]);
        },
      };
    }

    part(): void {
      this.calls.push('part');
    }
  }

  async function pieces(keys: readonly CaptureKey[], policy?: Partial<Policy>): Promise<[Made, Pieces, CaptureReport]> {
    let forward: Pieces | undefined;
    const one = await solo(
      keys,
      (executor) => {
        forward = new Pieces(executor);
        return forward;
      },
      policy,
    );
    return [one, forward as unknown as Pieces, one.rank.capture()];
  }

  it('is captured a graph a piece, and replayed with attention between, on this rank’s own requests', async () => {
    const [one, forward, { captured }] = await pieces([piecewiseKey(16)]);
    const piece = [0, 1, 2].map((index) => `piece ${index}: 16,0,0`);
    const warmUp = [piece[0], 'attention 0: 16,1,0', piece[1], 'attention 1: 16,1,0', piece[2]];
    expect(forward.calls.splice(0)).toEqual([...warmUp, ...piece]);
    expect(captured).toHaveLength(1);
    expect(captured[0]).toMatchObject({ graphs: 3, nodes: 3 });
    expect(one.device.memory().graphs).toBe(3);
    const { stream } = one.rank.executor;
    for (const [decodes, prompt] of [
      [2, 9],
      [1, 12],
    ]) {
      stream.launch(one.rank.executor.kernels.kernel('fill'), [forward.seen, -1, 2]);
      expect(step(one, decodes, [prompt]).decision).toMatchObject({ run: 'piecewise', paddedTokens: 16 });
      expect(forward.calls.splice(0)).toEqual(
        [0, 1].map((index) => `attention ${index}: 16,${decodes + 1},${decodes}`),
      );
      expect([...readI32(stream, forward.seen), ...readI32(stream, forward.x)]).toEqual([1, 2, 3]);
    }
  });

  it('that is cut at run time replays the pieces of each part', async () => {
    const policy: Partial<Policy> = {
      ...{ ubatches: 2, ubatchThresholdPrefill: 8, ubatchThresholdDecode: 8 },
      ...{ graphAgreement: 'min-mode', decodeMatch: 'uniform', mixedGraphs: 'never', ubatchAgreement: 'same-phase' },
    };
    const [one, forward, { captured }] = await pieces([piecewiseKey(15)], policy);
    expect(captured[0].graphs).toBe(9);
    const whole = [0, 1, 2].map((index) => `piece ${index}: 15,0,0`);
    const parts = [7, 8].flatMap((tokens) => [0, 1, 2].map((index) => `piece ${index}: ${tokens},0,0`));
    expect(forward.calls.splice(0).slice(-9)).toEqual([...whole, ...parts]);
    const { rank, planner } = one;
    const row = planner.requests.add({ blockIds: [1, 2, 3, 4] });
    planner.requests.schedule(row, { phase: 'prefill', queryLen: 13 });
    planner.vote();
    const decision = planner.resolve(planner.table);
    expect(decision).toMatchObject({ run: 'piecewise', partCount: 2 });
    rank.executor.launch(decision, planner.build(decision));
    expect(forward.calls.map((call) => call.replace(/,.*/, ''))).toEqual([
      ...['attention 0: 7', 'attention 1: 7'],
      ...['attention 0: 8', 'attention 1: 8'],
    ]);
    expect(readI32(rank.executor.stream, forward.seen)).toEqual([1, 2]);
  });

  it('leaves the plan where the forward has no pieces; the others stay', async () => {
    const one = await solo([piecewiseKey(16), decodeKey(2, 1, 1)], () => ({ part: () => {} }));
    const { captured, skipped } = one.rank.capture();
    expect([captured.map(({ key }) => key), skipped]).toEqual([[decodeKey(2, 1, 1)], [piecewiseKey(16)]]);
    expect(one.planner.plan.keys).toEqual([decodeKey(2, 1, 1)]);
    expect(step(one, 1, [9]).decision).toMatchObject({ run: 'eager', reason: 'no-key-for-phase' });
  });

  it('of which a piece fails in its capture leaves no graph behind', async () => {
    let calls = 0;
    const piecewise: Forward['piecewise'] = {
      pieces: 2,
      piece: () => {
        calls += 1;
        if (calls === 4) throw new TypeError('the second piece broke');
      },
      attention: () => {},
    };
    const { rank, device } = await solo([piecewiseKey(16)], () => ({ part: () => {}, piecewise }));
    const { allocatedBytes } = device.memory();
    expect(() => rank.capture()).toThrow('the second piece broke');
    expect(device.memory()).toMatchObject({ allocatedBytes, graphs: 0 });
    expect(rank.executor.stream.capturing).toBe(false);
  });

  it.each([0, 1.5, Number.NaN])('needs a number of pieces, and %d is none', async (count) => {
    const planner = await createPlanner({ limits });
    using device = openDevice({ device: 'host' });
    const piecewise = { pieces: count, piece: () => {}, attention: () => {} };
    const forward = (): Forward => ({ part: () => {}, piecewise });
    const error = errorOf('ERR_INPUT_INVALID', () =>
      createRank({ planner, device, collective: createSolo(), forward }),
    );
    expect(error.message).toContain(`${count} pieces`);
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0 });
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
    const { captured } = one.rank.capture();
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
