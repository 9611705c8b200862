import type { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  completeRunOptions,
  EAGER_REASONS,
  generateWorkload,
  type LockstepError,
  type ReasonCode,
  RequestTable,
  type RunOptions,
  type RunSummary,
  runWorkload,
} from '../../dist/index.js';
import { KvLedger } from '../../dist/runtime/kv-ledger.js';
import { KvVerifier } from '../../dist/runtime/kv-verifier.js';

const ladder = [1, 2, 4, 8, 16, 24, 32, 40, 48, 64];

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

  it('keeps its laws over random limits, policies and workloads', async () => {
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
          const run = await runWorkload(requests, {
            ranks: c.ranks,
            ladder: [1, 3, 4, 8, 13, 20],
            twins: c.twins,
            seed: c.seed,
            checkShapes: true,
            limits: {
              queryLen: c.queryLen,
              blockSize: c.blockSize,
              numBlocks: 1 + Math.ceil(c.pool / c.blockSize),
              maxNumSeqs: c.maxNumSeqs,
              maxNumBatchedTokens: c.maxNumBatchedTokens,
              maxModelLen: 4096,
            },
            policy: {
              ubatches: c.ubatches,
              ubatchThresholdDecode: c.decode,
              ubatchThresholdPrefill: c.prefill,
              tokenAlignment: c.tokenAlignment,
              eagerEmptyPart: c.eagerEmptyPart,
            },
          });
          checkLaws(run);
        },
      ),
      { numRuns: 40 * Number(process.env.LOCKSTEP_RUNS ?? 1) },
    );
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
    const verify = (): KvVerifier => {
      const verifier = new KvVerifier(cache as never, ledger, { mode: 'full', seed: 0, timeoutMs: 1000 });
      verifier.check(schedule, 3, { rows: 2, requests: 2, decodeRequests: 0 });
      return verifier;
    };
    expect(verify()).toMatchObject({ mismatches: 0, compared: 10 });
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

  it('reads past the gap that a mixed graph leaves between decodes and prefills', () => {
    const reads: number[][] = [];
    const cache = {
      capacity: 3,
      read: (...range: number[]) => {
        reads.push(range.slice(0, 3));
        return new Int32Array(range[2]);
      },
    };
    const ledger = { history: () => new Int32Array(9) };
    const scheduled = Array.from({ length: 4 }, (_, request) => ({ request, start: 0, queryLen: 1 }));
    const verifier = new KvVerifier(cache as never, ledger as never, { mode: 'full', seed: 0, timeoutMs: 1000 });
    verifier.check({ scheduled } as never, 0, { rows: 9, requests: 4, decodeRequests: 2 });
    // Rows 0 and 1 decode, 2 to 6 are empty, 7 and 8 prefill: three rows of tokens fit a read.
    expect(reads).toEqual([
      [0, 8, 3],
      [8, 9, 1],
    ]);
    expect(verifier.mismatches).toBe(0);
  });
});
