import { afterEach, describe, expect, it } from 'vitest';
import { type PlanEvent, RANK_CHANNELS, type StepStats } from '../../../dist/entry/metrics.js';
import { createPlanner, decodePlan, LOCKSTEP_POLICY, type Row, type StepPlanner } from '../../../dist/entry/planner.js';
import { decodeRecording, openRecorder } from '../../../dist/entry/run.js';
import { type Collective, createRank, createSolo, openDevice, type Rank } from '../../../dist/index.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };
const plan = decodePlan({ sizes: [1, 2, 4], limits, policy: LOCKSTEP_POLICY });
type Name = keyof typeof RANK_CHANNELS;

interface Watched {
  readonly rank: Rank;
  readonly planner: StepPlanner;
  readonly rows: Row[];
}

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

async function ranked(collective: Collective = createSolo()): Promise<Watched> {
  const planner = await createPlanner({ limits, plan });
  const device = openDevice({ device: TEST_DEVICE });
  const rank = createRank({ planner, device, collective });
  ends.push(
    () => device.dispose(),
    () => rank.dispose(),
  );
  const rows = [1, 5, 9].map((block) => planner.requests.add({ blockIds: [block, block + 1] }));
  return { rank, planner, rows };
}

/** What is published on all channels, in order, until the test ends. */
function listen(): [Name, Record<string, unknown>][] {
  const heard: [Name, Record<string, unknown>][] = [];
  for (const [name, channel] of Object.entries(RANK_CHANNELS)) {
    const hear = (event: unknown): void => void heard.push([name as Name, event as Record<string, unknown>]);
    channel.subscribe(hear);
    ends.push(() => void channel.unsubscribe(hear));
  }
  return heard;
}

function decode({ planner, rows }: Watched, requests: number): void {
  for (const row of rows.slice(0, requests)) planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
}

describe('events of a rank', () => {
  it('tell plan, captures, steps, parks and faults, each in its form', async () => {
    const heard = listen();
    const watched = await ranked();
    const { rank, planner, rows } = watched;
    rank.captureSync();
    expect(heard.map(([name]) => name)).toEqual(['capture', 'capture', 'capture', 'plan']);
    expect(heard[0]?.[1]).toEqual({
      rank: 0,
      key: plan.keys.find(({ tokens }) => tokens === 4),
      graphs: 1,
      reservedBytes: expect.any(Number),
      allocatedBytes: expect.any(Number),
      seconds: expect.any(Number),
    });
    const [, planned] = heard[3] as [Name, unknown];
    const { keys, ...about } = planned as PlanEvent;
    expect(about).toEqual({ rank: 0, ranks: 1, planHash: planner.planHash, skipped: [] });
    expect(keys).toEqual(planner.plan.keys);
    heard.length = 0;

    decode(watched, 3);
    await rank.step();
    planner.requests.schedule(rows[0] as Row, { phase: 'prefill', queryLen: 5, lastChunk: false });
    rank.stepSync();
    await rank.step();
    expect(heard).toEqual([
      [
        'step',
        {
          rank: 0,
          step: 0,
          run: 'full',
          reason: 'graph',
          captureKey: 0,
          tokens: 3,
          paddedTokens: 4,
          requests: 3,
          parts: 1,
          busyRanks: 1,
        },
      ],
      [
        'step',
        expect.objectContaining({
          step: 1,
          run: 'eager',
          reason: 'no-key-for-phase',
          captureKey: -1,
          tokens: 5,
          requests: 1,
        }),
      ],
      ['park', { rank: 0, step: 2, state: 'parked' }],
    ]);
    heard.length = 0;
    decode(watched, 1);
    await rank.step();
    await rank.step({ leave: true });
    expect(heard.map(([name, { state, step }]) => [name, state, step])).toEqual([
      ['park', 'woken', 3],
      ['step', undefined, 3],
      ['park', 'left', 4],
    ]);
    heard.length = 0;
    await expect(rank.step({ fault: 7 })).rejects.toThrow();
    expect(heard).toEqual([['fault', { rank: 0, step: 5, code: 'ERR_RANK_FAULT', error: expect.any(Error) }]]);
  });

  it('tell of a capture that its caller gave up, though a step that is given up before its vote is none', async () => {
    const heard = listen();
    const { rank } = await ranked();
    expect(() => rank.captureSync({ interrupted: () => true })).toThrow(/gave the capture up/);
    expect(heard).toEqual([['fault', { rank: 0, step: 0, code: 'ERR_ABORTED', error: expect.any(Error) }]]);
    expect(rank.stats().faults).toBe(1);
  });

  it('of a forward that breaks carry what it threw', async () => {
    const heard = listen();
    using planner = await createPlanner({ limits, plan });
    using device = openDevice({ device: TEST_DEVICE });
    const part = (): void => {
      throw new TypeError('the model broke');
    };
    const recorder = openRecorder({ planner, path: null });
    using rank = createRank({ planner, device, collective: createSolo(), recorder, forward: () => ({ part }) });
    expect(() => rank.captureSync()).toThrow('the model broke');
    expect(heard).toEqual([['fault', { rank: 0, step: 0, code: null, error: expect.any(TypeError) }]]);
    expect(rank.stats().faults).toBe(1);
    const { capture } = decodeRecording(recorder.bytes(), 'this rank');
    expect(capture).toEqual({
      ...{ stage: 'warm-up', key: 0, step: 0, sequence: 2 },
      ...{ state: 'gathered', refused: false, error: 'ERR_RANK_FAULT' },
    });
  });
});

describe('counts of a rank', () => {
  it('are of all it did, by value, whether anybody listens or not', async () => {
    const watched = await ranked();
    const { rank, planner, rows } = watched;
    const before = rank.stats();
    rank.captureSync();
    const expected: StepStats = {
      rank: 0,
      ranks: 1,
      steps: 0,
      runs: { eager: 0, piecewise: 0, full: 0 },
      reasons: {},
      ubatchedSteps: 0,
      tokens: 0,
      paddedTokens: 0,
      parks: 0,
      parked: false,
      faults: 0,
      graphs: 3,
      graphBytes: expect.any(Number) as unknown as number,
    };
    expect(before).toEqual({ ...expected, graphs: 0, graphBytes: 0 });
    expect(rank.stats()).toEqual(expected);
    for (let step = 0; step < 5; step++) {
      decode(watched, 3);
      rank.stepSync();
    }
    planner.requests.schedule(rows[0] as Row, { phase: 'prefill', queryLen: 5, lastChunk: false });
    rank.stepSync();
    rank.stepSync();
    await expect(rank.step({ fault: 7 })).rejects.toThrow();
    const stats = rank.stats();
    expect(stats).toEqual({
      ...expected,
      steps: 6,
      runs: { eager: 1, piecewise: 0, full: 5 },
      reasons: { graph: 5, 'no-key-for-phase': 1, 'all-idle': 1 },
      tokens: 20,
      paddedTokens: 25,
      parks: 1,
      faults: 1,
    });
    expect(structuredClone(stats)).toEqual(stats);
  });
});
