import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CaptureKey,
  type CapturePlan,
  decodePlan,
  type LockstepError,
  mixedKey,
  type Policy,
  piecewiseKey,
} from '../../../dist/entry/planner.js';
import {
  type RunOptions,
  runWorkload,
  type SimulatedSpan,
  type SimulateOptions,
  type StepLogLine,
  simulate,
  spanLines,
} from '../../../dist/entry/run.js';
import { generateWorkload, RequestTable, readRequests } from '../../../dist/entry/workload.js';
import { completePolicy } from '../../../dist/policy/policy.js';
import { runPlainly } from '../../oracles/simulate-oracle.js';
import { drawn, runs } from '../../support/property-runs.js';
import { traces, tracesAbsent } from '../../support/traces.js';

const ladder = [1, 2, 4, 8, 16, 24, 32, 40, 48, 64];

/** Every step that a simulation took, and its summary. */
async function linesOf(requests: RequestTable, options: SimulateOptions) {
  const lines: StepLogLine[] = [];
  let spans = 0;
  const summary = await simulate(requests, options, {
    onSpan: (span) => {
      spans++;
      lines.push(...spanLines(span));
    },
  });
  return { lines, spans, summary };
}

/** What a run and a simulation of the same options must count alike. */
const COUNTS = [
  'steps',
  'graphSteps',
  'eagerSteps',
  'eagerDecodeSteps',
  'idleRankSteps',
  'twinSteps',
  'ubatchedSteps',
  'reasons',
  'paddingRatio',
  'paddingRatioLargest',
  'paddingRatioAll',
  'tokens',
  'promptTokens',
  'generatedTokens',
  'reusedTokens',
  'finished',
  'rejected',
  'preemptions',
  'simulatedSeconds',
] as const;

async function compareWithRun(requests: RequestTable, options: RunOptions & SimulateOptions): Promise<number> {
  const simulated: Record<string, unknown> = { ...(await simulate(requests, options)) };
  const run: Record<string, unknown> = { ...(await runWorkload(requests, { ...options, verify: 'sampled' } as never)) };
  for (const name of COUNTS) expect({ [name]: simulated[name] }).toEqual({ [name]: run[name] });
  return simulated.steps as number;
}

const policies = fc
  .record({
    ubatches: fc.integer({ min: 1, max: 4 }),
    ubatchThresholdDecode: fc.integer({ min: 1, max: 12 }),
    ubatchThresholdPrefill: fc.integer({ min: 1, max: 200 }),
    ubatchHysteresis: fc.constantFrom(0, 0, 1, 3, 8),
    ubatchMinRequests: fc.constantFrom(0, 3),
    tokenAlignment: fc.constantFrom(1, 2, 4),
    enforceEager: fc.constantFrom(false, false, false, true),
    maxPaddingFactor: fc.constantFrom(1.2, 2, 50),
    ubatchAgreement: fc.constantFrom<Policy['ubatchAgreement']>(
      'busy-wish',
      'busy-wish',
      'all-wish',
      'min-tokens',
      'any-minimum',
      'same-phase',
    ),
    graphAgreement: fc.constantFrom<Policy['graphAgreement']>('shape', 'shape', 'min-mode-padded', 'min-mode'),
    decodeMatch: fc.constantFrom<Policy['decodeMatch']>('padded', 'uniform', 'exact', 'exact-all'),
    eagerGather: fc.constantFrom<Policy['eagerGather']>('variable', 'padded-decode', 'max-or-sum', 'own-padded'),
    eagerEmptyPart: fc.constantFrom<Policy['eagerEmptyPart']>('dummy', 'plain'),
  })
  // Parts of a piecewise graph are shares of the agreed size.
  .map((policy): Partial<Policy> => {
    const agreed = policy.ubatches > 1 && policy.graphAgreement === 'min-mode-padded';
    return agreed ? { ...policy, split: 'padded-share', sharedBlocks: 'veto' } : policy;
  });

const workloads = fc
  .record({
    seed: fc.nat(1000),
    requests: fc.integer({ min: 1, max: 30 }),
    prefixes: fc.boolean(),
    requestsPerSecond: fc.constantFrom(2, 20, 200),
  })
  .map(({ seed, requests, prefixes, requestsPerSecond }) =>
    generateWorkload({
      requests,
      seed,
      requestsPerSecond,
      inputTokens: { median: 60, max: 700 },
      outputTokens: { median: 20, min: 1, max: 120 },
      prefixes: prefixes ? { count: 2, blocks: 1 } : null,
    }),
  );

/** A ladder of decodes; with it, or not, graphs for steps with a prefill. */
function planOf(
  policy: Partial<Policy>,
  limits: { maxNumSeqs: number; queryLen: number },
  kinds: string[],
): CapturePlan {
  const unit = completePolicy(policy).tokenAlignment;
  const keys: CaptureKey[] = [...decodePlan({ sizes: ladder, limits, policy }).keys];
  const sizes = [32, 64, 160, 320];
  if (kinds.includes('mixed')) keys.push(...sizes.map((size) => mixedKey(size * unit, 2, 8, limits.queryLen)));
  if (kinds.includes('piecewise')) keys.push(...sizes.map((size) => piecewiseKey(size * unit)));
  return { keys };
}

describe('a simulation', () => {
  it('takes every step as planners of all ranks would: votes, decisions and counts', async () => {
    let spans = 0;
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(
        workloads,
        policies,
        fc.record({
          ranks: fc.integer({ min: 1, max: 4 }),
          queryLen: fc.constantFrom(1, 1, 1, 2, 4),
          blockSize: fc.constantFrom(1, 4, 16, 24),
          pool: fc.integer({ min: 900, max: 3000 }),
          maxNumSeqs: fc.integer({ min: 1, max: 20 }),
          maxNumBatchedTokens: fc.integer({ min: 16, max: 300 }),
          kinds: fc.subarray(['mixed', 'piecewise']),
          speed: fc.constantFrom(0.5, 1, 10),
        }),
        async (requests, policy, { ranks, speed, kinds, blockSize, pool, ...rest }) => {
          const limits = { ...rest, blockSize, numBlocks: Math.ceil(pool / blockSize), maxModelLen: 850 };
          const options = { ranks, policy, limits, plan: planOf(policy, limits, kinds), speed };
          const simulated = await linesOf(requests, options);
          const plain = await runPlainly(requests, options);
          expect(simulated.lines).toEqual(plain.lines);
          expect(simulated.summary).toMatchObject(plain.counts);
          spans += simulated.spans;
          steps += simulated.lines.length;
        },
      ),
      runs(200),
    );
    expect(steps).toBeGreaterThan(1.2 * spans);
  });

  it('counts what a run counts', async () => {
    const requests = generateWorkload({ requests: 60, seed: 11, requestsPerSecond: 30 });
    await compareWithRun(requests, { ranks: 1, ladder });
    await compareWithRun(requests, { ranks: 3, ladder, limits: { numBlocks: 800 }, speed: 3 });
    await compareWithRun(requests, { ranks: 2, ladder, limits: { queryLen: 4 }, acceptRate: 0.5, seed: 4 });
    const policy = { ubatches: 2, ubatchThresholdDecode: 12, ubatchThresholdPrefill: 100, ubatchHysteresis: 4 };
    await compareWithRun(requests, { ranks: 2, ladder, policy });
    await compareWithRun(requests, { ranks: 2, ladder, policy: { ...policy, twins: false }, twins: false });
  });

  it('tells the watcher what the ranks needed and how they ran, for every step once', async () => {
    const requests = RequestTable.from([
      { arrivalMs: 0, inputTokens: 20, outputTokens: 50, hashIds: null },
      { arrivalMs: 0, inputTokens: 20, outputTokens: 50, hashIds: null },
      { arrivalMs: 0, inputTokens: 20, outputTokens: 50, hashIds: null },
    ]);
    const seen: Pick<SimulatedSpan, 'step' | 'steps' | 'shape'>[] = [];
    const summary = await simulate(
      requests,
      { ranks: 2, ladder },
      { onSpan: ({ step, steps, shape }) => void seen.push({ step, steps, shape }) },
    );
    expect(seen).toEqual([
      {
        step: 0,
        steps: 1,
        shape: { tokens: 40, prefillRequests: 2, decodeRequests: 0, requests: 2, ubatched: false },
      },
      { step: 1, steps: 49, shape: { tokens: 2, prefillRequests: 0, decodeRequests: 2, requests: 2, ubatched: false } },
      { step: 50, steps: 1, shape: { tokens: 0, prefillRequests: 0, decodeRequests: 0, requests: 0, ubatched: false } },
    ]);
    expect(summary).toMatchObject({
      steps: 50,
      graphSteps: 49,
      reasons: { 'no-key-for-phase': 1, graph: 49, leave: 1 },
    });
    // 49 graph steps of 2 tokens on rank 0 and 1 of 2 on rank 1.
    expect(summary.paddingRatio).toBeCloseTo((4 - 3) / 3, 12);
    expect(summary).toMatchObject({ paddingRatioAll: summary.paddingRatio, paddingRatioLargest: 0 });
    expect(summary.timeRatio).toBe(0);
  });

  it('prices graph steps by the cost it is given', async () => {
    const requests = RequestTable.from([{ arrivalMs: 0, inputTokens: 4, outputTokens: 11, hashIds: null }]);
    const plan = decodePlan({ sizes: [4], limits: { maxNumSeqs: 256, queryLen: 1 }, policy: {} });
    const cost = (tokens: number): number => 10 + tokens;
    expect((await simulate(requests, { ranks: 1, plan }, { cost })).timeRatio).toBeCloseTo(14 / 11 - 1, 12);
    expect((await simulate(requests, { ranks: 1, plan })).timeRatio).toBe(3);
    expect((await simulate(requests, { ranks: 1 })).timeRatio).toBe(0);
  });

  it('waits for a watcher, and passes on what it throws', async () => {
    const requests = generateWorkload({ requests: 5, seed: 2 });
    let busy = false;
    await simulate(
      requests,
      { ladder },
      {
        onSpan: async () => {
          expect(busy).toBe(false);
          busy = true;
          await new Promise((resolve) => setTimeout(resolve, 1));
          busy = false;
        },
      },
    );
    const failing = simulate(
      requests,
      { ladder },
      {
        onSpan: () => {
          throw new Error('enough');
        },
      },
    );
    await expect(failing).rejects.toThrow('enough');
  });

  it('stops when it is told, and sums up what was done', async () => {
    const controller = new AbortController();
    const requests = generateWorkload({ requests: 20_000, seed: 1 });
    const summary = await simulate(
      requests,
      { ladder, ranks: 2 },
      { signal: controller.signal, onProgress: ({ steps }) => steps > 50 && controller.abort() },
    );
    expect(summary).toMatchObject({ interrupted: true, requests: 20_000 });
    expect(summary.steps).toBeGreaterThan(50);
    expect(summary.finished).toBeLessThan(20_000);
    expect(summary.reasons.leave).toBeUndefined();
  });

  it('has nothing to do for no requests but leave', async () => {
    const summary = await simulate(RequestTable.from([]), { ranks: 2 });
    expect(summary).toMatchObject({
      steps: 0,
      reasons: { leave: 1 },
      paddingRatio: 0,
      timeRatio: 0,
      interrupted: false,
    });
  });

  it('refuses options that cannot work, all faults at once', async () => {
    const options = { ranks: 0, seed: -1, limits: { blockSize: 0 }, policy: { ubatches: 9 } };
    const error = await simulate(RequestTable.from([]), options).then(
      () => expect.unreachable(),
      (reason: LockstepError) => reason,
    );
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    for (const name of ['ranks', 'seed', 'blockSize', 'ubatches']) expect(error.message).toContain(name);
    await expect(simulate(RequestTable.from([]), { device: 'host' } as never)).rejects.toThrow(
      /simulate options has no device/,
    );
  });
});

describe.skipIf(tracesAbsent)('simulations of real traces (skipped where there are none)', () => {
  const ofTraces: readonly [string, string, number, SimulateOptions][] = [
    ['Azure on 4 ranks', 'azure-llm-2023-conv.csv', 600, { ranks: 4, ladder: 'vllm' }],
    [
      'Azure with micro-batches',
      'azure-llm-2023-conv.csv',
      300,
      { ranks: 2, speed: 20, ladder: 'vllm', policy: { ubatches: 2 } },
    ],
    ['Mooncake', 'mooncake-conversation.jsonl', 60, { ranks: 2, ladder: 'vllm' }],
  ];
  it.each(drawn(ofTraces, 3))('%s counts what a run counts', async (_name, file, limit, options) => {
    const requests = await readRequests(path.join(traces, file), { limit });
    expect(await compareWithRun(requests, options)).toBeGreaterThan(500);
  });
});
