import { describe, expect, it } from 'vitest';
import { type CaptureKey, createPlanner, decodeKey, type Policy, piecewiseKey } from '../../../dist/entry/planner.js';
import {
  type CaptureReport,
  createRank,
  createSolo,
  type DeviceBuffer,
  type Executor,
  type Forward,
  openDevice,
} from '../../../dist/index.js';
import { errorOf, readI32, TEST_DEVICE } from '../../support/device-fixture.js';
import { counts, limits, type Made, solo, step } from '../../support/solo-rank.js';

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
    return [one, forward as unknown as Pieces, one.rank.captureSync()];
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
      ...{
        graphAgreement: 'min-mode-padded',
        split: 'padded-share',
        sharedBlocks: 'veto',
        decodeMatch: 'uniform',
        mixedGraphs: 'never',
        ubatchAgreement: 'same-phase',
      },
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
    const { captured, skipped } = one.rank.captureSync();
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
    expect(() => rank.captureSync()).toThrow('the second piece broke');
    expect(device.memory()).toMatchObject({ allocatedBytes, graphs: 0 });
    expect(rank.executor.stream.capturing).toBe(false);
  });

  it.each([0, 1.5, Number.NaN])('needs a number of pieces, and %d is none', async (count) => {
    const planner = await createPlanner({ limits });
    using device = openDevice({ device: TEST_DEVICE });
    const piecewise = { pieces: count, piece: () => {}, attention: () => {} };
    const forward = (): Forward => ({ part: () => {}, piecewise });
    const error = errorOf('ERR_INPUT_INVALID', () =>
      createRank({ planner, device, collective: createSolo(), forward }),
    );
    expect(error.message).toContain(`${count} pieces`);
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0 });
  });
});
