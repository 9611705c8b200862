import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { LockstepError } from '../../../dist/entry/planner.js';
import { completeRunOptions, type RunOptions, type RunSummary, runWorkload } from '../../../dist/entry/run.js';
import { generateWorkload, RequestTable } from '../../../dist/entry/workload.js';
import { checkLaws } from '../../support/run-laws.js';

const ladder = [1, 2, 4, 8, 16, 24, 32, 40, 48, 64];

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
    expect(performance.now() - killed).toBeLessThan(60_000);
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
