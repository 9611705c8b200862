import { describe, expect, it } from 'vitest';
import { runReport } from '../../../dist/cli/run-report.js';
import { DEFAULT_LIMITS, MAX_RANKS } from '../../../dist/config.js';
import { LOCKSTEP_POLICY, type ReasonCode } from '../../../dist/entry/planner.js';
import { REASON_MEANINGS, reasonText } from '../../../dist/explain/index.js';
import { DEFAULT_TIMEOUT_MS } from '../../../dist/ranks/index.js';
import { completeRunOptions } from '../../../dist/run/complete-options.js';
import { KvVerifier, SAMPLED_SHARE } from '../../../dist/run/kv-verifier.js';
import { DEFAULT_RUN_OPTIONS } from '../../../dist/run/run-options.js';
import { controlsOf } from '../../../dist/run/run-sampling.js';
import { DEFAULT_SCHEDULER_LIMITS, schedulerLimits } from '../../../dist/workload/index.js';
import { optionFaults } from '../../support/option-faults.js';

const faultsOf = (options: object): string[] => optionFaults(completeRunOptions, options);

describe('options of a run', () => {
  it('left out, they are those of the planner, the scheduler and the collectives', () => {
    expect(completeRunOptions({ ranks: undefined })).toEqual({
      ranks: 2,
      tensorParallelSize: 1,
      pool: null,
      limits: DEFAULT_LIMITS,
      policy: LOCKSTEP_POLICY,
      plan: { keys: [] },
      ladderEngine: null,
      ladderNotes: [],
      scheduler: { ...DEFAULT_SCHEDULER_LIMITS, ranks: 2 },
      device: 'auto',
      transport: 'threads',
      verify: 'full',
      timeoutMs: DEFAULT_TIMEOUT_MS,
      deviceMemory: null,
      async: false,
      checkShapes: false,
      stepLog: null,
      captureLog: null,
      record: null,
      model: null,
      sampling: { temperature: 0, topK: 0, topP: 1, share: 1 },
    });
    expect(completeRunOptions({ ...DEFAULT_RUN_OPTIONS, ranks: 1 })).toMatchObject({ ranks: 1, transport: 'solo' });
  });

  it('planned ahead takes a model', () => {
    expect(() => completeRunOptions({ async: true })).toThrow(/async plans the steps of a model ahead/);
    expect(completeRunOptions({ async: true, model: 'random:dense' }).async).toBe(true);
  });

  it('drawing tokens takes a model, and fits what devices take', () => {
    expect(faultsOf({ sampling: { temperature: 1 } })).toEqual([
      expect.stringMatching(/^sampling is for the tokens of a model/),
    ]);
    const model = 'random:dense';
    expect(completeRunOptions({ model, sampling: { temperature: 0.3, topK: 4 } }).sampling).toEqual({
      ...{ temperature: Math.fround(0.3), topK: 4, topP: 1, share: 1 },
    });
    const faults = faultsOf({ model, sampling: { temperature: -1, topK: 0.5, topP: 0, share: 2, top: 1 } });
    expect(faults.map((fault) => fault.split(' is ')[0])).toEqual([
      'sampling options has no top; it has temperature, topK, topP, share',
      ...['share', 'temperature', 'topK', 'topP'],
    ]);
    expect(faultsOf({ model, sampling: {} })).toHaveLength(1);
    for (const sampling of [5, null]) expect(faultsOf({ model, sampling })).toHaveLength(1);
  });

  it('requests draw with seeds of their own, as many as their share says', () => {
    const [sampling, seed] = [{ temperature: 1, topK: 3, topP: 0.5, share: 0.25 }, 7];
    const all = Array.from({ length: 4000 }, (_, request) => controlsOf(sampling, seed, request));
    const drawn = all.filter(({ temperature }) => temperature > 0);
    expect(drawn.length / all.length).toBeCloseTo(0.25, 1);
    expect(new Set(drawn.map((controls) => controls.seed)).size).toBe(drawn.length);
    expect(drawn[0]).toMatchObject({ temperature: 1, topK: 3, topP: 0.5 });
    expect(all).toEqual(all.map((_, request) => controlsOf(sampling, seed, request)));
    const greedy = { temperature: 0, topK: 0, topP: 1, seed: 0n };
    expect(controlsOf({ ...sampling, temperature: 0 }, seed, 1)).toEqual(greedy);
    expect(controlsOf({ ...sampling, share: 0 }, seed, 1)).toEqual(greedy);
    expect(controlsOf({ ...sampling, share: 1 }, 8, 1).seed).not.toBe(controlsOf({ ...sampling, share: 1 }, 9, 1).seed);
  });

  it('an unknown name is refused, and told beside the other faults', () => {
    const faults = faultsOf({ rank: 4, verify: 'half' });
    expect(faults[0]).toMatch(/^run options has no rank; it has ranks, tensorParallelSize, limits, policy, /);
    expect(faults[1]).toMatch(/^verify is half/);
    expect(faults).toHaveLength(2);
  });

  it.each([
    { acceptRate: 1.5 },
    { seed: -1 },
    { speed: 0 },
    { speed: 1e-9 },
    { speed: 1e300 },
    { stepTime: [8, Number.NaN, 0] },
    { stepTime: [8, 1] },
    { stepTime: [1e300, 0, 0] },
  ])('%j is what the scheduler refuses, in its words', (options) => {
    const refused = (): unknown => schedulerLimits({ ranks: 2, ...(options as object) });
    expect(refused).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ faults: faultsOf(options) }) }),
    );
  });

  it('several KV cache groups are refused, one is taken', () => {
    const kvGroups = [{ blockSize: 16 }, { blockSize: 32 }];
    const faults = faultsOf({ limits: { kvGroups } });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^kvGroups holds 2 groups; a run's scheduler and KV cache have one/);
    const { limits, scheduler } = completeRunOptions({ limits: { kvGroups: [{ blockSize: 32, numBlocks: 500 }] } });
    expect([limits.blockSize, limits.numBlocks]).toEqual([32, 500]);
    expect([scheduler.blockSize, scheduler.numBlocks]).toEqual([32, 500]);
  });

  it('each fault is told once, whoever else would see it', () => {
    expect(faultsOf({ ranks: 4, tensorParallelSize: 17, stepLog: 5 })).toEqual([
      'tensorParallelSize is 17; it must be an integer from 1 to 16',
      'stepLog is 5; it must be a path',
    ]);
    expect(faultsOf({ ranks: MAX_RANKS + 1 })).toEqual([
      `ranks is ${MAX_RANKS + 1}; it must be an integer from 1 to ${MAX_RANKS}`,
    ]);
    const faults = faultsOf({ ranks: 0, seed: -1, ladder: [0], limits: { blockSize: 0, maxNumSeqs: 0 } });
    expect(faults.map((fault) => fault.split(' ')[0]).sort()).toEqual(['blockSize', 'maxNumSeqs', 'ranks', 'seed']);
    expect(faultsOf({ seed: -1, ladder: [0] }).map((fault) => fault.split(' ')[0])).toEqual(['seed', 'sizes[0]']);
  });
});

describe('options of a model', () => {
  it('have their faults among those of the steps, each once', () => {
    const options = {
      model: 'random:dense',
      tensorParallelSize: 3,
      limits: { contextParallelSize: 2, kvGroups: [{ blockSize: 16 }, { blockSize: 32 }] },
      deviceMemory: 1,
      seed: -1,
      policy: { ubatches: 9 },
    };
    expect(faultsOf(options).map((fault) => fault.split(' ').slice(0, 3).join(' '))).toEqual([
      'ubatches is 9;',
      'seed is -1;',
      'kvGroups holds 2',
      'contextParallelSize is 2,',
      'tensorParallelSize is 3,',
      'tensorParallelSize is 3,',
      'tensorParallelSize is 3,',
      'tensorParallelSize is 3,',
      'a KV cache',
    ]);
  });

  it('tell of a share of memory and its blocks where there is no model', () => {
    expect(faultsOf({ gpuMemoryUtilization: 0.5, limits: { numBlocks: 'auto' }, seed: -1 })).toEqual([
      'gpuMemoryUtilization is for a model with numBlocks auto, and there is no model: leave it out, or give model and numBlocks auto',
      "numBlocks is auto, which is for a model's cache, and there is none: give model, or numBlocks a number",
      'seed is -1; it must be an integer from 0 to 9007199254740991',
    ]);
  });
});

describe('reasons', () => {
  it('mean the same in the summary of a run and in an explanation', () => {
    const reasons = Object.keys(REASON_MEANINGS) as ReasonCode[];
    const run = { reasons: Object.fromEntries(reasons.map((reason) => [reason, 1])), firstMismatches: [] };
    const numbers = new Proxy(run, {
      get: (target, name) => target[name as keyof typeof target] ?? (name === 'deviceChoice' ? 'host' : 0),
    });
    const lines = runReport(numbers as never, []).split('\n');
    const votes = [
      { tokens: 3, prefillRequests: 0, decodeRequests: 3 },
      { tokens: 1, prefillRequests: 0, decodeRequests: 1 },
    ];
    const slots = { paddedPrefillRequests: 1, paddedDecodeRequests: 1 };
    for (const reason of reasons) {
      const meaning = REASON_MEANINGS[reason];
      expect(lines.filter((line) => line.includes(` ${reason} `) && line.endsWith(meaning))).toHaveLength(1);
      const decision = { reason, reasonRank: 0, reasonDetail: 1, busyRanks: 2, ubatchWishes: 1, parts: [], ...slots };
      const text = reasonText(decision as never, votes, { keys: [] });
      expect(text.endsWith(meaning)).toBe(true);
      expect(text).not.toMatch(/undefined|NaN/);
    }
  });
});

describe('the sampled share', () => {
  const read = (seed: number): string[] => {
    const taken: string[] = [];
    const cache = {
      capacity: 1,
      read: (rows: Int32Array, tokens: number) => {
        for (const row of rows) taken.push(`${step} ${row}`);
        return new Int32Array(tokens);
      },
    };
    const ledger = { historyBytes: () => Buffer.alloc(4) };
    const verifier = new KvVerifier(cache as never, ledger as never, { mode: 'sampled', seed, timeoutMs: 1 });
    const scheduled = Array.from({ length: 64 }, (_, request) => ({ request, start: 0, queryLen: 1 }));
    let step = 0;
    const order = scheduled.map(({ request }) => request);
    for (; step < 64; step++) verifier.check({ scheduled } as never, { order } as never, step);
    return taken;
  };

  it('is one in eight, of every request and every step, and another for another seed, also beyond 32 bits', () => {
    const taken = read(1);
    expect(taken.length * SAMPLED_SHARE).toBeGreaterThan(0.8 * 64 * 64);
    expect(taken.length * SAMPLED_SHARE).toBeLessThan(1.2 * 64 * 64);
    for (const place of [0, 1]) expect(new Set(taken.map((pair) => pair.split(' ')[place])).size).toBeGreaterThan(60);
    expect(read(1)).toEqual(taken);
    expect(read(2)).not.toEqual(taken);
    expect(read(1 + 2 ** 32)).not.toEqual(taken);
  });
});
