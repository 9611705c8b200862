import { describe, expect, it } from 'vitest';
import {
  type CountedSteps,
  checkPlanOptions,
  expectedSteps,
  type MakePlanOptions,
  makePlan,
  type PlanDocument,
  planCosts,
  scheduledSteps,
  scoreLadder,
} from '../../../dist/entry/capture.js';
import { DEFAULT_LIMITS, LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';
import { captureCost, generateWorkload, schedulerLimits } from '../../../dist/entry/workload.js';
import { cli } from '../../support/cli.js';

const limits = { ...DEFAULT_LIMITS, maxNumSeqs: 128 };
const sum = (counts: ArrayLike<number>): number => Array.from(counts).reduce((total, count) => total + count, 0);

describe('the steps to expect', () => {
  const counts = new Float64Array(65);
  counts[8] = 90;
  counts[20] = 30;
  const expected = expectedSteps(counts, 4);

  it('are as many as were seen, of whole requests, and every size is among them', () => {
    expect(sum(expected)).toBeCloseTo(120, 9);
    for (let size = 1; size <= 64; size++) expect(expected[size] > 0, `${size}`).toBe(size % 4 === 0);
  });

  it('are in equal parts those seen, those of a third to three times the load, and any with a chance inverse to the size', () => {
    const inverse = (from: number, to: number): number => {
      let total = 0;
      for (let requests = from; requests <= to; requests++) total += 1 / requests;
      return total;
    };
    const at = (requests: number): number => {
      const seen = counts[4 * requests];
      const eight = requests >= 1 && requests <= 6 ? 90 / requests / inverse(1, 6) : 0;
      const twenty = requests >= 2 && requests <= 15 ? 30 / requests / inverse(2, 15) : 0;
      return (seen + eight + twenty + 120 / requests / inverse(1, 16)) / 3;
    };
    for (let requests = 1; requests <= 16; requests++) expect(expected[4 * requests]).toBeCloseTo(at(requests), 9);
  });

  it('are few sizes for a large maximum, and as many steps', () => {
    const large = new Float64Array((1 << 16) + 1);
    large[3] = 5;
    large[50_000] = 7;
    const steps = expectedSteps(large, 1);
    expect(sum(steps)).toBeCloseTo(12, 6);
    expect(steps.filter((count) => count > 0).length).toBeLessThan(5000);
    expect(sum(expectedSteps(new Float64Array(9), 1))).toBe(0);
  });
});

describe('a robust plan', () => {
  const counted = async (): Promise<CountedSteps> => {
    const scheduler = schedulerLimits({ ranks: 2, maxNumSeqs: 128, speed: 4 });
    const requests = generateWorkload({ requests: 150, seed: 4 });
    return scheduledSteps(requests, { scheduler, policy: LOCKSTEP_POLICY, split: 0.5 });
  };
  const planned = async (more: Partial<MakePlanOptions> = {}): Promise<PlanDocument> =>
    makePlan(await counted(), {
      limits,
      policy: LOCKSTEP_POLICY,
      costs: await planCosts(limits, false, null),
      memory: captureCost('trtllm-deepseek-r1'),
      budget: { kind: 'graphs', most: 12 },
      sizeMultiple: 1,
      include: [],
      mixed: false,
      split: 0.5,
      ...more,
    });

  it('is the default, and holds the plan for the steps seen beside it, word for word', async () => {
    const [robust, seen] = [await planned(), await planned({ objective: 'seen' })];
    expect([robust.objective, seen.objective]).toEqual(['robust', 'seen']);
    expect(seen.seen).toEqual(robust.seen);
    expect(seen.robust).toEqual(robust.robust);
    const { graphs, paddingRatio, timeRatio, eagerSteps, graphBytes, captureSeconds, ladders } = robust;
    expect(robust.robust).toMatchObject({
      graphs,
      paddingRatio,
      timeRatio,
      eagerSteps,
      graphBytes,
      captureSeconds,
      ladders,
    });
    expect(seen.seen).toMatchObject({ ladders: seen.ladders, paddingRatio: seen.paddingRatio });
    expect(robust.unseen?.ladder).not.toEqual(seen.unseen?.ladder);
    expect(robust.robust.unseen).toMatchObject({ paddingRatio: robust.unseen?.paddingRatio });
  });

  it('costs little more over the steps seen, and pads less over those expected', async () => {
    const { seen, robust, histogram } = await planned();
    expect(robust.paddingRatio).toBeGreaterThan(seen.paddingRatio);
    expect((1 + robust.paddingRatio) / (1 + seen.paddingRatio)).toBeLessThanOrEqual(1.025);
    const counts = Float64Array.from({ length: 129 }, (_, size) => histogram.decode[size] ?? 0);
    const costs = Float64Array.from({ length: 129 }, (_, size) => size);
    const over = (sizes: readonly number[]): number => scoreLadder(expectedSteps(counts, 1), costs, sizes).padding;
    expect(over(robust.ladders.decode)).toBeLessThan(0.9 * over(seen.ladders.decode));
  });

  it('keeps to a loss with at most two graphs more', async () => {
    for (const most of [0.002, 0.02, 0.1]) {
      const { seen, robust } = await planned({ budget: { kind: 'padding', most } });
      expect(robust.paddingRatio).toBeLessThanOrEqual(most);
      expect(robust.graphs).toBeLessThanOrEqual(seen.graphs + 2);
    }
  });

  it('has no more graphs than it is bounded to, where the loss is a default', async () => {
    const { seen, graphs, mostGraphs } = await planned({ budget: { kind: 'time-loss', most: 0.001 }, mostGraphs: 15 });
    expect(seen.graphs).toBeGreaterThan(17);
    expect([graphs, mostGraphs]).toEqual([15, 15]);
    const include = [3, 5, 7];
    expect(await planned({ budget: { kind: 'time-loss', most: 0.001 }, mostGraphs: 2, include })).toMatchObject({
      graphs: 4,
    });
  });

  it('refuses an objective that there is not', () => {
    const options = { limits, budget: { kind: 'graphs', most: 3 }, sizeMultiple: 1, include: [], split: 0.5 } as const;
    expect(() => checkPlanOptions({ ...options, objective: 'best' as never })).toThrow(/objective is "best"/);
  });

  it('has by default no more graphs than vLLM, and says what more would gain', () => {
    const load = ['--requests', '400', '--ranks', '1', '--speed', '20', '--max-num-seqs', '512'];
    const document: PlanDocument = JSON.parse(cli(['plan', ...load, '--json']).stdout);
    const vllm = document.engines.find(({ engine }) => engine === 'vllm');
    expect(document.graphs).toBeLessThanOrEqual(vllm?.graphs ?? 0);
    expect(document.seen.graphs).toBe(187);
    const [, ...told] =
      / seen alone +(\d+) graphs, 0\.099 % padding\n +more graphs +51 at most, as vLLM by default; (--graphs .*) would pad as little/.exec(
        cli(['plan', ...load]).stdout,
      ) ?? [];
    expect(told).toEqual(['187', '--graphs 187 --objective seen']);
    const more: PlanDocument = JSON.parse(cli(['plan', ...load, ...(told[1] ?? '').split(' '), '--json']).stdout);
    expect([more.graphs, more.paddingRatio]).toEqual([187, document.seen.paddingRatio]);
    const seen: PlanDocument = JSON.parse(cli(['plan', ...load, '--objective', 'seen', '--json']).stdout);
    expect([seen.graphs, seen.objective]).toEqual([187, 'seen']);
  });
});
