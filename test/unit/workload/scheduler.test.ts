import { setFlagsFromString } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Chunk,
  type RankSchedule,
  RequestTable,
  type SchedulerLimits,
  SchedulerModel,
  type StepSchedule,
  schedulerLimits,
} from '../../../dist/workload/index.js';
import { KvCacheOracle } from '../../oracles/kv-cache-oracle.js';
import { SchedulerOracle } from '../../oracles/scheduler-oracle.js';
import { FULL_RUN, runs } from '../../support/property-runs.js';
import { schedulerCases as cases } from '../../support/scheduler-cases.js';

type Row = [arrivalMs: number, inputTokens: number, outputTokens: number, hashIds?: number[]];

function table(...rows: Row[]): RequestTable {
  return RequestTable.from(
    rows.map(([arrivalMs, inputTokens, outputTokens, hashIds]) => ({
      arrivalMs,
      inputTokens,
      outputTokens,
      hashIds: hashIds ?? null,
    })),
  );
}

function copy(schedule: StepSchedule): StepSchedule {
  return structuredClone(schedule);
}

/** Every step of a model, as lasting copies. */
function stepsOf(model: SchedulerModel, most = 20_000): StepSchedule[] {
  const steps: StepSchedule[] = [];
  for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
    steps.push(copy(schedule));
    if (steps.length > most) throw new Error(`no end after ${most} steps`);
    model.complete();
  }
  return steps;
}

function rankOf(step: StepSchedule | undefined, rank = 0): RankSchedule {
  const found = step?.ranks[rank];
  if (found === undefined) throw new Error('no such step or rank');
  return found;
}

function brief({ request, phase, start, queryLen }: Chunk): string {
  return `${request} ${phase} ${start}+${queryLen}`;
}

describe('steps of the scheduler model', () => {
  it('prefills in chunks of the token budget, samples at the last chunk, then decodes one token a step', () => {
    const model = new SchedulerModel(table([0, 20, 3]), { ranks: 1, maxNumBatchedTokens: 8 });
    const steps = stepsOf(model);
    expect(steps.map((step) => rankOf(step).scheduled.map(brief))).toEqual([
      ['0 prefill 0+8'],
      ['0 prefill 8+8'],
      ['0 prefill 16+4'],
      ['0 decode 20+1'],
      ['0 decode 21+1'],
    ]);
    expect(steps.map((step) => rankOf(step).scheduled[0]?.lastChunk)).toEqual([false, false, true, true, true]);
    expect(rankOf(steps[0]).added).toEqual([{ request: 0, numComputedTokens: 0, blockIds: [1] }]);
    expect(rankOf(steps[2]).appended).toEqual([{ request: 0, blockIds: [2] }]);
    expect(model.stats).toMatchObject({ finished: 1, promptTokens: 20, generatedTokens: 3, preemptions: 0 });
    // 8 ms a step and 0.096 ms for each of 8 + 8 + 4 + 1 + 1 tokens.
    expect(model.stats.clockMs).toBeCloseTo(5 * 8 + 22 * 0.096, 9);
  });

  it('schedules decodes first, then the prefill left over, then admits in order of arrival', () => {
    const limits = { ranks: 1, maxNumBatchedTokens: 10, maxNumSeqs: 3 };
    const model = new SchedulerModel(table([0, 4, 9], [0, 12, 2], [0, 3, 2], [0, 1, 1]), limits);
    expect(
      stepsOf(model)
        .slice(0, 5)
        .map((step) => rankOf(step).scheduled.map(brief)),
    ).toEqual([
      ['0 prefill 0+4', '1 prefill 0+6'],
      ['0 decode 4+1', '1 prefill 6+6', '2 prefill 0+3'],
      ['0 decode 5+1', '1 decode 12+1', '2 decode 3+1'],
      ['0 decode 6+1', '3 prefill 0+1'],
      ['0 decode 7+1'],
    ]);
  });

  it('ends a request of no output with its prefill', () => {
    const model = new SchedulerModel(table([0, 5, 0]), { ranks: 1 });
    expect(stepsOf(model).map((step) => rankOf(step).scheduled.map(brief))).toEqual([['0 prefill 0+5']]);
    expect(model.stats).toMatchObject({ finished: 1, generatedTokens: 0 });
  });

  it('shortens the drafts at the end of an output', () => {
    const accepting = new SchedulerModel(table([0, 2, 8]), { ranks: 1, queryLen: 3, acceptRate: 1 });
    expect(stepsOf(accepting).map((step) => rankOf(step).scheduled.map(brief))).toEqual([
      ['0 prefill 0+2'],
      ['0 decode 2+3'],
      ['0 decode 5+3'],
      ['0 decode 8+1'],
    ]);
    const refusing = new SchedulerModel(table([0, 2, 4]), { ranks: 1, queryLen: 3, acceptRate: 0 });
    expect(stepsOf(refusing).map((step) => rankOf(step).scheduled.map(brief))).toEqual([
      ['0 prefill 0+2'],
      ['0 decode 2+3'],
      ['0 decode 3+2'],
      ['0 decode 4+1'],
    ]);
  });

  it('accepts drafts at the configured rate, whatever else is in the batch', () => {
    const limits = { ranks: 1, queryLen: 2, acceptRate: 0.7, seed: 5 };
    const advances = (steps: StepSchedule[], request: number): number[] =>
      steps.flatMap((step) =>
        rankOf(step)
          .scheduled.filter((c) => c.request === request)
          .map((c) => c.advance),
      );
    const alone = advances(stepsOf(new SchedulerModel(table([0, 4, 4000]), limits)), 0);
    const beside = advances(stepsOf(new SchedulerModel(table([0, 4, 4000], [3, 90, 500], [9, 7, 50]), limits)), 0);
    expect(beside).toEqual(alone);
    const decodes = alone.slice(1, -1);
    const accepted = decodes.filter((advance) => advance === 2).length / decodes.length;
    // 2,350 draws: a standard deviation of 0.0095.
    expect(Math.abs(accepted - 0.7)).toBeLessThan(0.04);
  });

  it('preempts the request admitted last, admits nobody in that step, and prefills it again from the front', () => {
    // 4 usable blocks of 4 tokens; each request needs 3 in the end.
    const limits = { ranks: 1, blockSize: 4, numBlocks: 5 };
    const model = new SchedulerModel(table([0, 7, 5], [0, 7, 5], [0, 1, 1]), limits);
    const steps = stepsOf(model);
    expect(steps.map((step) => rankOf(step).scheduled.map(brief))).toEqual([
      ['0 prefill 0+7', '1 prefill 0+7'],
      ['0 decode 7+1', '1 decode 7+1'],
      ['0 decode 8+1'],
      ['0 decode 9+1'],
      ['0 decode 10+1'],
      ['1 prefill 0+9', '2 prefill 0+1'],
      ['1 decode 9+1'],
      ['1 decode 10+1'],
    ]);
    expect(rankOf(steps[2]).removed).toEqual([1]);
    expect(model.stats).toMatchObject({
      finished: 3,
      preemptions: 1,
      generatedTokens: 11,
      promptTokens: 7 + 7 + 9 + 1,
    });
  });

  it('gives an arrival to the rank of least load, counting a waiting request as four running ones', () => {
    const rows: Row[] = [
      [0, 1, 9],
      [0, 1, 9],
      [0, 1, 9],
      [0, 1, 9],
    ];
    const model = new SchedulerModel(table(...rows, [1, 1, 1]), { ranks: 3, maxNumSeqs: 1 });
    const first = copy(model.next() as StepSchedule);
    // Ranks 0, 1, 2 get one each; request 3 ties and goes to rank 0, where only one may run.
    expect(first.ranks.map((rank) => rank.scheduled.map((chunk) => chunk.request))).toEqual([[0], [1], [2]]);
    model.complete();
    model.next();
    model.complete();
    // Request 4 arrived while rank 0 had one running and one waiting, ranks 1 and 2 one running: it waits at rank 1.
    const rest = stepsOf(model);
    const admitted = rest.flatMap((step) => step.ranks.map((rank) => rank.added.map((added) => added.request)));
    expect(admitted.filter((requests) => requests.length > 0)).toEqual([[3], [4]]);
    const step = rest.find(({ ranks }) => ranks[1]?.added.length === 1);
    expect(step?.ranks[1]?.added[0]?.request).toBe(4);
  });

  it('parks until the next arrival when nothing runs or waits', () => {
    const model = new SchedulerModel(table([0, 1, 1], [1000, 1, 1]), { ranks: 2, speed: 4 });
    const steps = stepsOf(model);
    expect(steps.map((step) => [step.step, step.idle])).toEqual([
      [0, false],
      [1, true],
      [2, false],
    ]);
    expect(steps[1]?.ranks).toEqual([
      { removed: [0], added: [], appended: [], scheduled: [] },
      { removed: [], added: [], appended: [], scheduled: [] },
    ]);
    expect(model.stats.clockMs).toBeCloseTo(1000 / 4 + 8 + 0.096, 9);
    expect(model.next()).toBeNull();
  });

  it('rejects on arrival what can never fit, and does not wake for it', () => {
    const limits = { ranks: 1, blockSize: 4, numBlocks: 5, maxModelLen: 15 };
    const rows: Row[] = [
      [0, 16, 0],
      [0, 8, 7],
      [0, 10, 6],
      [900, 17, 1],
    ];
    const model = new SchedulerModel(table(...rows), limits);
    const steps = stepsOf(model);
    expect(model.stats).toMatchObject({ finished: 1, rejected: 3, generatedTokens: 7 });
    expect(steps.some((step) => step.idle)).toBe(false);
    const tight = new SchedulerModel(table([0, 12, 4], [0, 12, 5]), { ranks: 1, blockSize: 4, numBlocks: 5 });
    stepsOf(tight);
    expect(tight.stats).toMatchObject({ finished: 1, rejected: 1 });
  });

  it('reuses whole blocks of a shared chain in the same step, but computes one prompt token', () => {
    const rows: Row[] = [
      [0, 1100, 1, [1, 2, 3]],
      [0, 1100, 1, [1, 2, 4]],
      [0, 1024, 1, [1, 2]],
      [0, 1024, 1, [9, 2]],
    ];
    const added = (blockSize: number): number[] => {
      const model = new SchedulerModel(table(...rows), { ranks: 1, blockSize });
      return rankOf(stepsOf(model)[0]).added.map((one) => one.numComputedTokens);
    };
    expect(added(16)).toEqual([0, 1024, 1008, 0]);
    // floor(512 * 2 / 100) blocks of 100 tokens.
    expect(added(100)).toEqual([0, 1000, 1000, 0]);
    expect(added(1024)).toEqual([0, 1024, 0, 0]);
  });

  it('keeps the KV of a finished prefix until its blocks are needed, the least recently used first', () => {
    const limits = { ranks: 1, blockSize: 512, numBlocks: 4 };
    const a: Row = [0, 513, 1, [1, 10]];
    const b: Row = [10_000, 513, 1, [2, 11]];
    const again = (arrivalMs: number, id: number, last: number): Row => [arrivalMs, 513, 1, [id, last]];
    // a leaves block [1] keyed, b leaves [2]; the third request reuses [1]; the fourth needs two blocks and evicts [2].
    const rows = [a, b, again(20_000, 1, 12), again(30_000, 3, 13), again(40_000, 1, 14), again(50_000, 2, 15)];
    const model = new SchedulerModel(table(...rows), limits);
    const reused = stepsOf(model).flatMap((step) => rankOf(step).added.map((added) => added.numComputedTokens));
    expect(reused).toEqual([0, 0, 512, 0, 512, 0]);
    expect(model.stats.reusedTokens).toBe(1024);
  });

  it('refuses next() before complete() and complete() before next()', () => {
    const model = new SchedulerModel(table([0, 1, 1]), { ranks: 1 });
    expect(() => model.complete()).toThrow(expect.objectContaining({ code: 'ERR_STEP_ORDER' }));
    model.next();
    expect(() => model.next()).toThrow(expect.objectContaining({ code: 'ERR_STEP_ORDER' }));
    model.complete();
    expect(model.next()).toBeNull();
    expect(() => model.complete()).toThrow(expect.objectContaining({ code: 'ERR_STEP_ORDER' }));
  });

  it('has nothing to do for no requests', () => {
    expect(new SchedulerModel(RequestTable.from([]), { ranks: 2 }).next()).toBeNull();
  });
});

describe('limits of the scheduler model', () => {
  it('have one layout however they were given, so that code compiled for one model serves the next', () => {
    setFlagsFromString('--allow-natives-syntax');
    const alike = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;
    const some = schedulerLimits({ ranks: 2 });
    // Complete ones, frozen, as every simulation of the same options is given them.
    for (let model = 0; model < 3; model++) expect(alike(schedulerLimits(some), some)).toBe(true);
    expect(alike(some, {})).toBe(false);
    setFlagsFromString('--no-allow-natives-syntax');
  });

  it('fills in the defaults', () => {
    expect(schedulerLimits({ ranks: 4, seed: undefined })).toEqual({
      ranks: 4,
      maxNumSeqs: 256,
      maxNumBatchedTokens: 8192,
      blockSize: 16,
      numBlocks: 131072,
      maxModelLen: 131072,
      queryLen: 1,
      draftSchedule: null,
      acceptRate: 0.7,
      seed: 0,
      speed: 1,
      stepTime: [8, 0.096, 0],
    });
  });

  it('lists every fault at once', () => {
    const limits = { ranks: 0, acceptRate: 2, maxNumSequences: 4 };
    expect(() => schedulerLimits(limits as unknown as SchedulerLimits)).toThrow(
      /scheduler limits has no maxNumSequences.*ranks is 0.*acceptRate is 2; it must be a number from 0 to 1/s,
    );
  });

  it.each<Record<string, unknown>>([
    { ranks: 0 },
    { ranks: 1.5 },
    { ranks: 1, numBlocks: 1 },
    { ranks: 1, blockSize: 0 },
    { ranks: 1, acceptRate: 1.1 },
    { ranks: 1, acceptRate: Number.NaN },
    { ranks: 1, seed: -1 },
    { ranks: 1, speed: 0 },
    { ranks: 1, speed: Infinity },
    { ranks: 1, stepTime: [8, -1, 0] },
    { ranks: 1, stepTime: [8, 1] },
    { ranks: 1, maxNumSequences: 4 },
    { ranks: 1, toString: 4 },
  ])('refuses %o', (limits) => {
    expect(() => schedulerLimits(limits as unknown as SchedulerLimits)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
    );
  });
});

describe('laws of the scheduler model', () => {
  it('takes the steps of the plain oracle', () => {
    let preempted = 0;
    let reused = 0;
    fc.assert(
      fc.property(cases, ({ rows, limits }) => {
        const requests = RequestTable.from(rows);
        const model = new SchedulerModel(requests, limits);
        const oracle = new SchedulerOracle([...requests], limits);
        for (let schedule = model.next(); ; schedule = model.next()) {
          const expected = oracle.step();
          if (schedule === null || expected === null) {
            expect(schedule).toBe(expected);
            break;
          }
          const ranks = schedule.ranks.map(({ removed, added, appended, scheduled }) => ({
            removed,
            added: added.map(({ blockIds, ...rest }) => ({ ...rest, blocks: blockIds.length })),
            appended: appended.map(({ blockIds, ...rest }) => ({ ...rest, blocks: blockIds.length })),
            scheduled,
          }));
          expect({ idle: schedule.idle, ranks }).toEqual(expected);
          model.complete();
          expect(model.stats.clockMs).toBe(oracle.clockMs);
        }
        expect(model.stats).toMatchObject({ rejected: oracle.rejected, preemptions: oracle.preemptions });
        preempted += model.stats.preemptions;
        reused += model.stats.reusedTokens;
      }),
      runs(300),
    );
    // The workloads reach what the law is about.
    if (!FULL_RUN) return;
    expect(preempted).toBeGreaterThan(20);
    expect(reused).toBeGreaterThan(2000);
  });

  it('adds its chunks up as they add up one by one, and makes the same steps without edits and without block ids', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), ({ rows, limits: some }, one) => {
        const limits = one ? { ...some, queryLen: 1 } : some;
        const requests = RequestTable.from(rows);
        const whole = new SchedulerModel(requests, limits);
        const counting = new SchedulerModel(requests, limits, { edits: false, blockIds: false });
        for (let schedule = whole.next(); schedule !== null; schedule = whole.next()) {
          const counted = counting.next();
          for (const [rank, { scheduled }] of schedule.ranks.entries()) {
            // The totals are asked for first: chunks that are made on demand change none of them.
            const totals = { ...counting.totals(rank) };
            expect(counted?.ranks[rank]?.scheduled).toEqual(scheduled);
            const queryLens = scheduled.map((chunk) => chunk.queryLen);
            const seqLens = scheduled.map(({ start, queryLen }) => start + queryLen);
            const decodes = scheduled.filter(({ phase }) => phase === 'decode');
            const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
            expect(totals).toMatchObject({
              tokens: sum(queryLens),
              kvTokens: sum(seqLens),
              maxSeqLen: Math.max(0, ...seqLens),
              decodeRequests: decodes.length,
              prefillRequests: scheduled.length - decodes.length,
              maxQueryLen: Math.max(0, ...queryLens),
              minQueryLen: scheduled.length === 0 ? 0 : Math.min(...queryLens),
              maxDecodeQueryLen: Math.max(0, ...decodes.map(({ queryLen }) => queryLen)),
            });
          }
          whole.complete();
          counting.complete();
          expect(counting.stats).toEqual(whole.stats);
        }
        expect(counting.next()).toBeNull();
        expect(() => counting.blocksOf(0)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
      }),
      runs(150),
    );
  });

  it('reads only what was written: blocks, sharing, eviction and drafts keep every KV slot right', () => {
    fc.assert(
      fc.property(cases, ({ rows, limits }) => {
        const requests = RequestTable.from(rows);
        const model = new SchedulerModel(requests, limits);
        const caches = Array.from({ length: limits.ranks }, () => new KvCacheOracle(requests, limits));
        for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
          for (const [rank, one] of schedule.ranks.entries()) caches[rank]?.apply(one);
          model.complete();
        }
      }),
      runs(150),
    );
  });

  it('holds its limits, computes in every step that is not idle, and finishes or rejects every request', () => {
    fc.assert(
      fc.property(cases, ({ rows, limits }) => {
        const requests = RequestTable.from(rows);
        const model = new SchedulerModel(requests, limits);
        const left = new Map<number, { computed: number; sampled: number }>();
        const ended: number[] = [];
        for (const step of stepsOf(model)) {
          let tokens = 0;
          for (const { removed, added, scheduled } of step.ranks) {
            const rankTokens = scheduled.reduce((sum, chunk) => sum + chunk.queryLen, 0);
            tokens += rankTokens;
            expect(rankTokens).toBeLessThanOrEqual(limits.maxNumBatchedTokens);
            expect(scheduled.length).toBeLessThanOrEqual(limits.maxNumSeqs);
            const phases = scheduled.map((chunk) => chunk.phase);
            expect(phases).toEqual([...phases].sort());
            if (removed.some((request) => !ended.includes(request))) expect(added).toEqual([]);
            for (const { request, numComputedTokens } of added) {
              left.set(request, { computed: numComputedTokens, sampled: left.get(request)?.sampled ?? 0 });
            }
            for (const chunk of scheduled) {
              const at = left.get(chunk.request) ?? { computed: -1, sampled: 0 };
              expect(chunk.start).toBe(at.computed);
              expect(chunk.advance).toBeLessThanOrEqual(chunk.queryLen);
              at.computed += chunk.advance;
              const output = requests.get(chunk.request).outputTokens;
              at.sampled += chunk.phase === 'decode' ? chunk.advance : chunk.lastChunk ? Math.min(1, output) : 0;
              if (chunk.lastChunk && at.sampled === output) ended.push(chunk.request);
            }
          }
          expect(tokens > 0).toBe(!step.idle);
        }
        expect(new Set(ended).size).toBe(ended.length);
        expect(ended.length).toBe(model.stats.finished);
        expect(model.stats.finished + model.stats.rejected).toBe(requests.length);
        const outputs = ended.map((request) => requests.get(request).outputTokens);
        expect(model.stats.generatedTokens).toBe(outputs.reduce((sum, output) => sum + output, 0));
      }),
      runs(100),
    );
  });

  it('is a pure function of requests and limits', () => {
    fc.assert(
      fc.property(cases, ({ rows, limits }) => {
        const requests = RequestTable.from(rows);
        const twin = RequestTable.fromShared(structuredClone(requests.toShared()));
        expect(stepsOf(new SchedulerModel(twin, limits))).toEqual(stepsOf(new SchedulerModel(requests, limits)));
      }),
      runs(25),
    );
  });
});
