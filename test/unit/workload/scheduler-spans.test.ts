import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Chunk,
  generateWorkload,
  RequestTable,
  readRequests,
  type SchedulerLimits,
  SchedulerModel,
} from '../../../dist/workload/index.js';
import { runs } from '../../support/property-runs.js';
import { schedulerCases } from '../../support/scheduler-cases.js';
import { traces, tracesAbsent } from '../../support/traces.js';

/** What spans came to. */
interface Spans {
  readonly spans: number;
  readonly steps: number;
  readonly longest: number;
}

/**
 * Takes a workload in spans of up to `most` steps and, beside it, step by step: the first step of a span is the plain model's
 * step, block ids and all; each further one holds the same chunks, one position further, and at most one more block a
 * request; and the clocks are equal to the last bit. A model that only counts blocks takes the same spans.
 */
function compareWithSteps(requests: RequestTable, limits: SchedulerLimits, most: () => number): Spans {
  const spanning = new SchedulerModel(requests, limits);
  const plain = new SchedulerModel(requests, limits);
  const counting = new SchedulerModel(requests, limits, { edits: false, blockIds: false });
  const seen = { spans: 0, steps: 0, longest: 0 };
  for (let span = spanning.next(); span !== null; span = spanning.next()) {
    const first = plain.next();
    expect(span).toEqual(first);
    const chunks: Chunk[][] = span.ranks.map((rank) => rank.scheduled.map((chunk) => ({ ...chunk })));
    plain.complete();
    expect(counting.next()?.ranks.map((rank) => rank.scheduled)).toEqual(chunks);
    const asked = most();
    const steps = spanning.complete(asked);
    expect(counting.complete(asked)).toBe(steps);
    expect(counting.stats).toEqual(spanning.stats);
    for (let further = 1; further < steps; further++) {
      const step = plain.next();
      expect(step).toMatchObject({ idle: false });
      for (const [rank, { removed, added, appended, scheduled }] of (step?.ranks ?? []).entries()) {
        expect([removed, added]).toEqual([[], []]);
        expect(scheduled).toEqual(chunks[rank]?.map((chunk) => ({ ...chunk, start: chunk.start + further })));
        expect(appended.every(({ blockIds }) => blockIds.length === 1)).toBe(true);
      }
      plain.complete();
    }
    expect(spanning.stats).toEqual(plain.stats);
    seen.spans++;
    seen.steps += steps;
    seen.longest = Math.max(seen.longest, steps);
  }
  expect(plain.next()).toBeNull();
  return seen;
}

describe('spans of equal steps', () => {
  it('are the steps that the model takes one by one, over random workloads and limits', () => {
    // It arrives when all others are gone: as its 39 decodes are alone, one span of several steps at least is taken.
    const last = { arrivalMs: 1e9, inputTokens: 1, outputTokens: 40, hashIds: null };
    fc.assert(
      fc.property(
        schedulerCases,
        fc.constantFrom(1, 1, 4),
        fc.array(fc.constantFrom(1, 2, 3, 17, 1000, Infinity), { minLength: 1, maxLength: 5 }),
        ({ rows, limits }, queryLen, mosts) => {
          let call = 0;
          const most = (): number => mosts[call++ % mosts.length] as number;
          const requests = RequestTable.from([...rows, last]);
          const { longest } = compareWithSteps(requests, { ...limits, queryLen }, most);
          expect(longest > 1).toBe(queryLen === 1 && mosts.some((one) => one > 1));
        },
      ),
      runs(300),
    );
  });

  it('go on while blocks are appended and arrivals are far, and end where a request ends, arrives or is preempted', () => {
    const lengths = (rows: [number, number, number][], limits: Partial<SchedulerLimits>): number[] => {
      const table = RequestTable.from(
        rows.map(([arrivalMs, inputTokens, outputTokens]) => ({ arrivalMs, inputTokens, outputTokens, hashIds: null })),
      );
      const model = new SchedulerModel(table, { ranks: 1, stepTime: [10, 0, 0], ...limits });
      const found: number[] = [];
      for (let span = model.next(); span !== null; span = model.next()) found.push(model.complete(Infinity));
      return found;
    };
    // The prefill yields the first of 1000 tokens; blocks of 16 are appended on the way.
    expect(lengths([[0, 5, 1000]], {})).toEqual([1, 999]);
    // The second request arrives at 105 ms, in the step from 100 to 110; it ends after one decode.
    expect(
      lengths(
        [
          [0, 5, 1000],
          [105, 5, 2],
        ],
        {},
      ),
    ).toEqual([1, 10, 1, 1, 987]);
    // 6 blocks of 4: both fit up to 12 tokens each; the second then loses its blocks and waits until the first has ended.
    expect(
      lengths(
        [
          [0, 4, 20],
          [0, 4, 20],
        ],
        { blockSize: 4, numBlocks: 7 },
      ),
    ).toEqual([1, 8, 1, 10, 1, 10]);
  });

  it('find the lanes that enter a block of more tokens than there are lists of lanes', () => {
    const rows = [4989, 4991, 4990, 893, 895].map((inputTokens) => ({
      arrivalMs: 0,
      inputTokens,
      outputTokens: 40,
      hashIds: null,
    }));
    // Five blocks of 5000 tokens for five requests, three of which need a second one.
    const limits = { ranks: 1, blockSize: 5000, numBlocks: 6, maxNumBatchedTokens: 20_000 };
    const { longest } = compareWithSteps(
      RequestTable.from(rows),
      new SchedulerModel(RequestTable.from(rows), limits).limits,
      () => Infinity,
    );
    expect(longest).toBeGreaterThan(5);
  });

  it('go on while decodes evict what the first in the queue would share', () => {
    const rows = [
      // Leaves two blocks of its prefix to the cache.
      { arrivalMs: 0, inputTokens: 1025, outputTokens: 0, hashIds: [1, 2, 9] },
      // Takes two blocks that are free, and evicts a third.
      { arrivalMs: 500, inputTokens: 500, outputTokens: 1200, hashIds: null },
      // Would share two blocks and take three, of which two are free at first.
      { arrivalMs: 600, inputTokens: 2049, outputTokens: 3, hashIds: [1, 2, 3, 4, 5] },
    ];
    const requests = RequestTable.from(rows);
    const { limits } = new SchedulerModel(requests, { ranks: 1, blockSize: 512, numBlocks: 6 });
    const { longest } = compareWithSteps(requests, limits, () => Infinity);
    expect(longest).toBeGreaterThan(1100);
    const model = new SchedulerModel(requests, limits);
    for (let span = model.next(); span !== null; span = model.next()) model.complete(Infinity);
    // Of the two blocks one was left.
    expect(model.stats.reusedTokens).toBe(512);
  });

  it('keep to ranks of their own and to what the KV cache adds to the clock', () => {
    const requests = generateWorkload({ requests: 60, seed: 4, requestsPerSecond: 40 });
    for (const stepTime of [
      [8, 0.096, 0],
      [0.1, 0.003, 0.0007],
      [0, 0, 0],
    ] as const) {
      const limits = { ...new SchedulerModel(requests, { ranks: 3, maxNumSeqs: 12, numBlocks: 900, stepTime }).limits };
      const { steps, spans } = compareWithSteps(requests, limits, () => Infinity);
      expect(steps).toBeGreaterThan(2 * spans);
    }
  });

  it('take no more steps than asked for, and refuse what is no count', () => {
    const model = new SchedulerModel(generateWorkload({ requests: 1, seed: 0 }), { ranks: 1 });
    model.next();
    model.complete(5);
    model.next();
    expect(model.complete(5)).toBe(5);
    model.next();
    for (const most of [0, -1, 1.5, Number.NaN]) {
      expect(() => model.complete(most)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
    }
    expect(model.complete()).toBe(1);
  });
});

describe.skipIf(tracesAbsent)('spans of real traces (skipped where there are none)', () => {
  it.each([
    ['azure-llm-2023-conv.csv', 1, 2000],
    ['azure-llm-2023-conv.csv', 4, 1000],
    ['mooncake-conversation.jsonl', 1, 250],
    ['mooncake-conversation.jsonl', 2, 250],
  ])('%s on %i ranks', async (file, ranks, limit) => {
    const requests = await readRequests(path.join(traces, file), { limit });
    const { limits } = new SchedulerModel(requests, { ranks });
    const { spans, steps } = compareWithSteps(requests, limits, () => Infinity);
    expect(steps).toBeGreaterThan(1.2 * spans);
  });
});
