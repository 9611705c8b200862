import type { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  completeRunOptions,
  decodeKey,
  decodePlan,
  EAGER_REASONS,
  generateWorkload,
  type LockstepError,
  type Policy,
  type ReasonCode,
  RequestTable,
  type RunOptions,
  type RunSummary,
  runWorkload,
} from '../../dist/index.js';
import { mixedKey, piecewiseKey } from '../../dist/planner/capture-plan.js';
import { KvLedger } from '../../dist/runtime/kv-ledger.js';
import { KvVerifier } from '../../dist/runtime/kv-verifier.js';

const ladder = [1, 2, 4, 8, 16, 24, 32, 40, 48, 64];

/** 1, 2, 4, …: as many. */
const powers = (count: number): number[] => Array.from({ length: count }, (_, exponent) => 2 ** exponent);

/** What holds of every run, whatever its options. */
function checkLaws(run: RunSummary): void {
  expect(run.mismatches, JSON.stringify(run.firstMismatches)).toBe(0);
  expect(run.diverged).toBe(0);
  expect(run.steps).toBe(run.graphSteps + run.eagerSteps);
  const counted = Object.entries(run.reasons) as [ReasonCode, number][];
  const eager = counted.filter(([reason]) => EAGER_REASONS.includes(reason)).reduce((sum, [, count]) => sum + count, 0);
  expect(eager).toBe(run.eagerSteps);
  expect(counted.reduce((sum, [, count]) => sum + count, 0)).toBe(
    run.steps + (run.reasons['all-idle'] ?? 0) + (run.reasons.leave ?? 0),
  );
  expect(run.finished + run.rejected).toBe(run.requests);
  expect(run.paddingRatio).toBeGreaterThanOrEqual(0);
}

/** `count` requests of `rank`s' even share that all arrive at once. */
function burst(outputs: readonly number[]): RequestTable {
  return RequestTable.from(
    outputs.map((outputTokens, index) => ({ arrivalMs: 0, inputTokens: 5 + (index % 7), outputTokens, hashIds: null })),
  );
}

describe('a run', () => {
  it('verifies every token of a generated workload', async () => {
    const requests = generateWorkload({ requests: 40, seed: 3 });
    const run = await runWorkload(requests, { ladder, ranks: 2 });
    checkLaws(run);
    expect(run).toMatchObject({
      ranks: 2,
      finished: 40,
      rejected: 0,
      device: 'host',
      transport: 'threads',
      interrupted: false,
    });
    expect(run.generatedTokens).toBe([...requests].reduce((sum, request) => sum + request.outputTokens, 0));
    expect(run.compared).toBeGreaterThan(run.tokens);
    expect(run.reasons['no-key-for-phase']).toBe(run.eagerSteps);
  });

  it('gives the same counts whatever the transport and the machine’s timing', async () => {
    const requests = generateWorkload({ requests: 15, seed: 5 });
    const [a, b, c] = [
      await runWorkload(requests, { ladder, ranks: 1, transport: 'solo' }),
      await runWorkload(requests, { ladder, ranks: 1, transport: 'threads' }),
      await runWorkload(requests, { ladder, ranks: 1, verify: 'sampled' }),
    ];
    const counts = ({ steps, reasons, tokens, paddingRatio }: RunSummary): object => ({
      steps,
      reasons,
      tokens,
      paddingRatio,
    });
    expect(counts(b)).toEqual(counts(a));
    expect(counts(c)).toEqual(counts(a));
    expect(c.compared).toBeLessThan(a.compared);
    expect(c.compared).toBeGreaterThan(0);
  });

  it('runs the plain twin where ranks disagree about micro-batches, and never an eager decode', async () => {
    // 30 requests a rank, some of which end early, so that the ranks hold 25 to 30 decodes and cross the threshold apart.
    const outputs = Array.from({ length: 60 }, (_, index) => (index < 10 ? 60 + 7 * index : 140));
    const options: RunOptions = { ladder, ranks: 2, policy: { ubatches: 2, ubatchThresholdDecode: 26 } };
    const twins = await runWorkload(burst(outputs), options);
    checkLaws(twins);
    expect(twins.eagerDecodeSteps).toBe(0);
    expect(twins.twinSteps).toBeGreaterThan(0);
    expect(twins.ubatchedSteps).toBeGreaterThan(0);

    const single = await runWorkload(burst(outputs), { ...options, twins: false });
    checkLaws(single);
    expect(single.eagerDecodeSteps).toBeGreaterThan(0);
    expect(single.reasons['no-plain-twin']).toBe(single.eagerDecodeSteps);
  });

  it('counts idle ranks, parks, preemptions and requests that can never fit', async () => {
    const requests = RequestTable.from([
      { arrivalMs: 0, inputTokens: 30, outputTokens: 90, hashIds: null },
      { arrivalMs: 0, inputTokens: 30, outputTokens: 90, hashIds: null },
      { arrivalMs: 0, inputTokens: 30, outputTokens: 90, hashIds: null },
      { arrivalMs: 1, inputTokens: 400, outputTokens: 10, hashIds: null },
      { arrivalMs: 60_000, inputTokens: 10, outputTokens: 5, hashIds: null },
    ]);
    const run = await runWorkload(requests, { ladder, ranks: 2, limits: { blockSize: 8, numBlocks: 24 } });
    checkLaws(run);
    expect(run.rejected).toBe(1);
    expect(run.preemptions).toBeGreaterThan(0);
    expect(run.idleRankSteps).toBeGreaterThan(0);
    expect(run.reasons['all-idle']).toBe(1);
  });

  it('replicas compute the same batch: what is counted is what one process a rank counts', async () => {
    const requests = generateWorkload({ requests: 25, seed: 7 });
    const options: RunOptions = { ladder, ranks: 2, limits: { queryLen: 3 }, policy: { ubatches: 2 } };
    const single = await runWorkload(requests, options);
    const replicas = await runWorkload(requests, { ...options, tensorParallelSize: 2 });
    for (const run of [single, replicas]) checkLaws(run);
    expect([single.processes, replicas.processes]).toEqual([2, 4]);
    const { processes, compared, seconds, ...counts } = replicas;
    expect(single).toMatchObject(counts);
    expect(compared).toBe(2 * single.compared);
  });

  it.each<[string, Partial<Policy>]>([
    ['min-mode-padded', { ubatchAgreement: 'all-wish', lastPart: 'refuse' }],
    ['min-mode', { ubatchAgreement: 'min-tokens', lastPart: 'eager' }],
  ])('runs piecewise graphs cut into parts where the ranks agree by %s', async (graphAgreement, policy) => {
    const run = await runWorkload(generateWorkload({ requests: 40, seed: 2, requestsPerSecond: 200 }), {
      ranks: 2,
      plan: { keys: [...[1, 2, 4, 8, 16].map((n) => decodeKey(n, 1, 1)), ...powers(13).map(piecewiseKey)] },
      policy: {
        ...{ graphAgreement: graphAgreement as Policy['graphAgreement'], decodeMatch: 'uniform', mixedGraphs: 'never' },
        ...{ ubatches: 2, ubatchThresholdDecode: 500, ubatchThresholdPrefill: 64, ...policy },
      },
    });
    checkLaws(run);
    expect(run.ubatchedSteps).toBeGreaterThan(0);
    expect(run.reasons['graph-piecewise']).toBeGreaterThanOrEqual(run.ubatchedSteps);
  });

  it('keeps its laws over random limits, policies and workloads', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(1000),
          requests: fc.integer({ min: 1, max: 25 }),
          ranks: fc.integer({ min: 1, max: 3 }),
          queryLen: fc.integer({ min: 1, max: 5 }),
          ubatches: fc.integer({ min: 1, max: 4 }),
          decode: fc.integer({ min: 1, max: 12 }),
          prefill: fc.integer({ min: 1, max: 200 }),
          tokenAlignment: fc.constantFrom(1, 2, 4),
          eagerEmptyPart: fc.constantFrom('dummy' as const, 'plain' as const),
          twins: fc.boolean(),
          blockSize: fc.constantFrom(1, 4, 16, 24),
          pool: fc.integer({ min: 500, max: 3000 }),
          maxNumSeqs: fc.integer({ min: 1, max: 20 }),
          maxNumBatchedTokens: fc.integer({ min: 16, max: 300 }),
          prefixes: fc.boolean(),
          mixed: fc.boolean(),
          piecewise: fc.boolean(),
          slots: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 20 })),
          maxPaddingFactor: fc.constantFrom(1.25, 2, 16),
          mixedMatch: fc.constantFrom('slots' as const, 'strict' as const),
          processes: fc.constantFrom(1, 1, 1, 2),
        }),
        async (c) => {
          const requests = generateWorkload({
            requests: c.requests,
            seed: c.seed,
            requestsPerSecond: 20,
            inputTokens: { median: 60, max: 700 },
            outputTokens: { median: 10, min: 1, max: 60 },
            prefixes: c.prefixes ? { count: 2, blocks: 1 } : null,
          });
          const limits = {
            queryLen: c.queryLen,
            blockSize: c.blockSize,
            numBlocks: 1 + Math.ceil(c.pool / c.blockSize),
            maxNumSeqs: c.maxNumSeqs,
            maxNumBatchedTokens: c.maxNumBatchedTokens,
            maxModelLen: 4096,
          };
          const policy: Partial<Policy> = {
            ubatches: c.ubatches,
            ubatchThresholdDecode: c.decode,
            ubatchThresholdPrefill: c.prefill,
            tokenAlignment: c.tokenAlignment,
            eagerEmptyPart: c.eagerEmptyPart,
            maxPaddingFactor: c.maxPaddingFactor,
            mixedMatch: c.mixedMatch,
          };
          const [prefillSlots, decodeSlots] = c.slots;
          const sizes = powers(9).filter((size) => size % c.tokenAlignment === 0);
          const mixed = sizes.filter((size) => size >= Math.max(c.queryLen, prefillSlots + decodeSlots));
          const { keys } = decodePlan({ sizes: [1, 3, 4, 8, 13, 20], limits, policy, twins: c.twins });
          const run = await runWorkload(requests, {
            ranks: c.ranks,
            tensorParallelSize: c.processes,
            plan: {
              keys: [
                ...keys,
                ...(c.mixed ? mixed.map((size) => mixedKey(size, prefillSlots, decodeSlots, c.queryLen)) : []),
                ...(c.piecewise ? sizes.map(piecewiseKey) : []),
              ],
            },
            seed: c.seed,
            checkShapes: true,
            limits,
            policy,
          });
          checkLaws(run);
          if (!c.mixed) expect(run.reasons['graph-mixed']).toBeUndefined();
          if (!c.piecewise) expect(run.reasons['graph-piecewise']).toBeUndefined();
          for (const [reason, count] of Object.entries(run.reasons)) seen.set(reason, (seen.get(reason) ?? 0) + count);
        },
      ),
      { numRuns: 40 * Number(process.env.LOCKSTEP_RUNS ?? 1) },
    );
    for (const reason of ['graph', 'graph-mixed', 'graph-piecewise', 'above-padding-factor', 'no-key-for-phase'])
      expect(seen.get(reason), reason).toBeGreaterThan(0);
  });

  it('stops all ranks when interrupted, and sums up what was done', async () => {
    const controller = new AbortController();
    const run = await runWorkload(
      generateWorkload({ requests: 5000, seed: 1 }),
      { ladder, ranks: 3 },
      {
        signal: controller.signal,
        onProgress: ({ steps }) => {
          if (steps > 50) controller.abort();
        },
      },
    );
    expect(run).toMatchObject({ interrupted: true, mismatches: 0, diverged: 0 });
    expect(run.steps).toBeGreaterThan(50);
    expect(run.finished).toBeLessThan(5000);
    expect(run.reasons.leave).toBe(1);
  });

  it('ends at once when one rank’s worker is terminated, and names the rank', async () => {
    const workers: Worker[] = [];
    const collect = (worker: Worker): void => void workers.push(worker);
    process.on('worker', collect);
    let killed = 0;
    const error = await runWorkload(
      generateWorkload({ requests: 5000, seed: 1 }),
      { ladder, ranks: 3, timeoutMs: 60_000 },
      {
        onProgress: ({ steps }) => {
          if (steps < 50 || killed > 0) return;
          killed = performance.now();
          void workers[1].terminate();
        },
      },
    ).then(
      () => expect.unreachable(),
      (reason: LockstepError) => reason,
    );
    process.off('worker', collect);
    expect(error).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 1 } });
    expect(performance.now() - killed).toBeLessThan(10_000);
  });

  it('refuses options that cannot work, all faults at once, before anything starts', () => {
    const options = { ranks: 0, seed: -1, limits: { blockSize: 0, maxNumSeqs: 0 }, policy: { ubatches: 9 } };
    try {
      completeRunOptions(options);
      expect.unreachable();
    } catch (error) {
      expect((error as LockstepError).code).toBe('ERR_CONFIG_INVALID');
      const faults = (error as LockstepError).details.faults as string[];
      for (const name of ['ranks', 'seed', 'blockSize', 'maxNumSeqs', 'ubatches']) {
        expect(faults.some((fault) => fault.startsWith(name))).toBe(true);
      }
    }
  });
});

describe('verification', () => {
  it('finds a single wrong entry and says where', () => {
    const table = RequestTable.from([
      { arrivalMs: 0, inputTokens: 6, outputTokens: 4, hashIds: null },
      { arrivalMs: 0, inputTokens: 5, outputTokens: 4, hashIds: null },
    ]);
    const ledger = new KvLedger(table);
    const chunks = [0, 1].map((request) => ({
      request,
      phase: 'prefill' as const,
      start: 0,
      queryLen: 5,
      lastChunk: true,
      advance: 5,
    }));
    for (const chunk of chunks) {
      ledger.add(chunk.request, 0);
      ledger.write(chunk, 0);
    }
    const memory = Int32Array.from([...ledger.history(0).subarray(0, 5), ...ledger.history(1).subarray(0, 5)]);
    const cache = { capacity: 100, read: (begin: number, end: number) => memory.subarray(begin * 5, end * 5) };
    const schedule = { removed: [], added: [], appended: [], scheduled: chunks };
    const verify = (order = [0, 1]): KvVerifier => {
      const verifier = new KvVerifier(cache as never, ledger, { mode: 'full', seed: 0, timeoutMs: 1000 });
      verifier.check(schedule, 3, order);
      return verifier;
    };
    expect(verify()).toMatchObject({ mismatches: 0, compared: 10 });
    // Of the batch's rows the second is a slot left over, without tokens; read at once, then a request at a time.
    const rows = [memory.slice(0, 5), new Int32Array(), memory.slice(5)];
    for (const capacity of [100, 5]) {
      const read = (begin: number, end: number) =>
        Int32Array.from(rows.slice(begin, end).flatMap((row) => Array.from(row)));
      const spread = new KvVerifier({ capacity, read } as never, ledger, { mode: 'full', seed: 0, timeoutMs: 1000 });
      spread.check(schedule, 3, [0, -1, 1]);
      expect(spread).toMatchObject({ mismatches: 0, compared: 10 });
    }
    memory[7] += 1;
    const found = verify();
    expect(found.mismatches).toBe(1);
    expect(found.first[0]).toMatchObject({
      step: 3,
      request: 1,
      position: 2,
      expected: memory[7] - 1,
      found: memory[7],
    });
  });
});
