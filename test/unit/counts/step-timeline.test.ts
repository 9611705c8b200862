import { describe, expect, it } from 'vitest';
import { StepTimeline } from '../../../dist/counts/index.js';
import { type SimulateOptions, simulate } from '../../../dist/simulation/index.js';
import { generateWorkload } from '../../../dist/workload/index.js';

const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);

async function timed(requests: number, options: SimulateOptions) {
  const timeline = new StepTimeline(options.ranks ?? 2);
  const summary = await simulate(generateWorkload({ requests, seed: 3 }), options, {
    onSpan: (span) => timeline.add(span),
  });
  return { summary, timeline: timeline.document() };
}

describe('the timeline of a simulation', () => {
  it('adds up to the counts of its summary', async () => {
    const options = { ranks: 3, ladder: [1, 2, 4, 16, 64], policy: { ubatches: 2, ubatchThresholdDecode: 4 } };
    const { summary, timeline } = await timed(120, options);
    const counted = Object.fromEntries(Object.entries(timeline.kinds).map(([kind, counts]) => [kind, sum(counts)]));
    const of = (start: string): number =>
      sum(Object.entries(counted).flatMap(([kind, count]) => (kind.startsWith(start) ? [count] : [])));
    const parked = of('no step');
    expect(timeline.decisions).toBe(summary.steps + parked);
    expect(sum(Object.values(counted))).toBe(timeline.decisions);
    expect(of('eager')).toBe(summary.eagerSteps);
    expect(summary.eagerSteps).toBeGreaterThan(0);
    for (const [kind, count] of Object.entries(counted)) {
      const reason = kind.split(': ')[1];
      if (reason !== undefined) expect(count, kind).toBe(summary.reasons[reason as 'vetoed']);
    }
    expect(counted.twin ?? 0).toBe(summary.twinSteps);
    expect(sum(timeline.idle)).toBe(summary.idleRankSteps);
    expect(sum(timeline.byRank.map(({ tokens }) => sum(tokens)))).toBe(summary.tokens);
    const real = sum(timeline.byRank.map(({ graphTokens }) => sum(graphTokens)));
    const padding = sum(timeline.paddedBy.map(sum));
    expect(padding / real).toBeCloseTo(summary.paddingRatioAll, 12);
    for (const [rank, { toLargest, toGraph }] of timeline.byRank.entries()) {
      expect(timeline.paddedBy[rank][rank]).toBe(0);
      expect(timeline.paddedBy[rank].at(-1)).toBe(sum(toGraph));
      expect(sum(timeline.paddedBy[rank].slice(0, -1))).toBe(sum(toLargest));
    }
    expect(sum(timeline.byRank.map(({ largest }) => sum(largest)))).toBe(summary.graphSteps);
    expect(sum(timeline.decodes.map(({ steps, graphSteps }) => steps - graphSteps))).toBe(summary.eagerDecodeSteps);
  });

  it('is bounded however many ranks and steps there are, and loses none', async () => {
    for (const ranks of [1, 64]) {
      const { summary, timeline } = await timed(600, { ranks, ladder: 'vllm', limits: { maxNumSeqs: 4 } });
      const bins = Math.ceil(timeline.decisions / timeline.perBin);
      expect(bins).toBeLessThanOrEqual(2048);
      expect(timeline.idle).toHaveLength(bins);
      expect(bins * ranks).toBeLessThanOrEqual(8192);
      expect(sum(timeline.byRank.map(({ tokens }) => sum(tokens)))).toBe(summary.tokens);
    }
  });
});

it('puts steps into the same bins however they are grouped into spans', async () => {
  const table = generateWorkload({ requests: 300, seed: 5 });
  const whole = new StepTimeline(2);
  const single = new StepTimeline(2);
  await simulate(
    table,
    { ladder: 'vllm' },
    {
      onSpan: (span) => {
        whole.add(span);
        for (let more = 0; more < span.steps; more++) single.add({ ...span, step: span.step + more, steps: 1 });
      },
    },
  );
  expect(whole.document().perBin).toBeGreaterThan(1);
  expect(single.document()).toEqual(whole.document());
});
