import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { optimiseMixedGrid, prefillSlots } from '../../dist/capture/index.js';
import type { MixedCount } from '../../dist/workload/index.js';
import { holds, mixedCost, type Shape, type Step, subsets } from '../oracles/mixed-grid-oracle.js';
import { runs } from '../support/property-runs.js';

interface GridCase {
  readonly maxTokens: number;
  readonly maxRequests: number;
  readonly queryLen: number;
  readonly maxPaddingFactor: number | undefined;
  readonly costs: readonly number[];
  readonly mixed: readonly MixedCount[];
}

function cases(mostTokens: number, mostRequests: number): fc.Arbitrary<GridCase> {
  return fc
    .record({
      queryLen: fc.integer({ min: 1, max: 2 }),
      maxPaddingFactor: fc.constantFrom(undefined, 1, 1.5, 2, 3),
      maxRequests: fc.integer({ min: 1, max: mostRequests }),
      more: fc.nat(mostTokens),
      steps: fc.array(fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.integer({ min: 1, max: 20 })), {
        maxLength: 8,
      }),
      stairs: fc.array(fc.nat(9), { minLength: mostTokens + 1, maxLength: mostTokens + 1 }),
    })
    .map(({ queryLen, maxPaddingFactor, maxRequests, more, steps, stairs }) => {
      const maxTokens = Math.max(maxRequests * queryLen, Math.min(mostTokens, more));
      const costs = [0];
      for (let size = 1; size <= maxTokens; size++) costs.push(costs[size - 1] + (stairs[size % stairs.length] ?? 1));
      const mixed = steps.map(([t, p, d, count]) => {
        const prefillRequests = 1 + (p % maxRequests);
        // Maxima over ranks: prefills and decodes of different ranks may together be more than any rank holds.
        const decodeRequests = d % (maxRequests + 1);
        const sum = Math.min(maxRequests, prefillRequests + decodeRequests);
        const requests = Math.max(prefillRequests, decodeRequests, sum - (t % 2));
        const tokens = requests + (t % (maxTokens - requests + 1));
        return { tokens, prefillRequests, decodeRequests, requests, count };
      });
      return { maxTokens, maxRequests, queryLen, maxPaddingFactor, costs, mixed };
    });
}

const stepsOf = ({ mixed }: GridCase): [number, number, number, number][] =>
  mixed.map(({ tokens, prefillRequests, requests, count }) => [tokens, prefillRequests, requests, count]);

const shape = (tokens: number, p: number, { maxRequests, queryLen }: GridCase): Shape => [
  tokens,
  p,
  Math.min(Math.floor((tokens - p) / queryLen), maxRequests - p),
];

describe('a grid for mixed steps', () => {
  it('holds every step within the limits, with at most twice its prefills', async () => {
    await fc.assert(
      fc.asyncProperty(cases(24, 8), async (problem) => {
        const { maxTokens, maxRequests, queryLen } = problem;
        const grids = await optimiseMixedGrid({ ...problem, maxGraphs: 12 });
        for (const { shapes, graphs } of grids) {
          expect(shapes).toHaveLength(graphs);
          for (const [tokens, p, d] of shapes) {
            expect(tokens).toBeLessThanOrEqual(maxTokens);
            expect(p + d).toBeLessThanOrEqual(maxRequests);
            expect(p + d * queryLen).toBeLessThanOrEqual(tokens);
          }
          for (let p = 1; p <= maxRequests; p++) {
            for (let requests = p; requests <= maxRequests; requests++) {
              for (let tokens = requests; tokens <= maxTokens; tokens++) {
                const found = shapes.some((one) => one[1] <= 2 * p && holds(one, [tokens, p, requests]));
                expect(found, `${tokens} ${p} ${requests}`).toBe(true);
              }
            }
          }
        }
      }),
      runs(25),
    );
  });

  it('is the best with its largest graphs: by trying every set of graphs of any shapes beside them', async () => {
    await fc.assert(
      fc.asyncProperty(cases(6, 3), fc.integer({ min: 3, max: 5 }), async (problem, most) => {
        const { maxTokens, maxRequests, maxPaddingFactor } = problem;
        const base = prefillSlots(maxRequests).map((p) => shape(maxTokens, p, problem));
        const others: Shape[] = [];
        for (let tokens = 1; tokens < maxTokens; tokens++) {
          for (let p = 1; p <= Math.min(tokens, maxRequests); p++) others.push(shape(tokens, p, problem));
        }
        const steps = stepsOf(problem);
        const grids = await optimiseMixedGrid({ ...problem, maxGraphs: most });
        for (let graphs = base.length; graphs <= most; graphs++) {
          let least = Infinity;
          for (const more of subsets(others, graphs - base.length)) {
            least = Math.min(least, mixedCost([...base, ...more], steps, problem.costs, maxPaddingFactor));
          }
          const grid = grids.findLast((one) => one.graphs <= graphs);
          expect((grid?.exactCost ?? 0) + (grid?.padding ?? 0)).toBe(least);
        }
      }),
      runs(60),
    );
  });

  it('costs what it says, each step on the graph of fewest tokens that holds it, and eager where that pads too far', async () => {
    await fc.assert(
      fc.asyncProperty(cases(24, 8), async (problem) => {
        for (const grid of await optimiseMixedGrid({ ...problem, maxGraphs: 12 })) {
          const { exactCost, padding, lowerBound, eagerSteps } = grid;
          const { maxPaddingFactor: factor = Infinity } = problem;
          expect(mixedCost(grid.shapes, stepsOf(problem), problem.costs, factor)).toBe(exactCost + padding);
          expect(padding).toBeGreaterThanOrEqual(lowerBound);
          const refused = stepsOf(problem).filter(([tokens, p, requests]) => {
            const sizes = grid.shapes.filter((one) => holds(one, [tokens, p, requests])).map(([size]) => size);
            return Math.min(...sizes) > tokens * factor;
          });
          expect(eagerSteps).toBe(refused.reduce((sum, [, , , count]) => sum + count, 0));
        }
      }),
      runs(100),
    );
  });

  it('is bounded by what no set of graphs that holds everything goes below', async () => {
    await fc.assert(
      fc.asyncProperty(cases(5, 2), async (problem) => {
        const { maxTokens, maxRequests } = problem;
        const all: Shape[] = [];
        for (let tokens = 1; tokens <= maxTokens; tokens++) {
          for (let p = 1; p <= Math.min(tokens, maxRequests); p++) all.push(shape(tokens, p, problem));
        }
        const largest: Step = [maxTokens, maxRequests, maxRequests];
        const grids = await optimiseMixedGrid({ ...problem, maxGraphs: 4 });
        for (const { graphs, exactCost, lowerBound } of grids) {
          for (const some of subsets(all, graphs)) {
            if (!some.some((one) => holds(one, largest))) continue;
            const cost = mixedCost(some, stepsOf(problem), problem.costs, problem.maxPaddingFactor);
            expect(cost).toBeGreaterThanOrEqual(exactCost + lowerBound);
          }
        }
      }),
      runs(40),
    );
  });

  it('counts steps beyond the limits as eager', async () => {
    const mixed = [
      { tokens: 40, prefillRequests: 1, decodeRequests: 0, requests: 1, count: 3 },
      { tokens: 30, prefillRequests: 3, decodeRequests: 2, requests: 5, count: 2 },
      { tokens: 20, prefillRequests: 1, decodeRequests: 3, requests: 4, count: 1 },
    ];
    const costs = Array.from({ length: 33 }, (_, size) => size);
    const grids = await optimiseMixedGrid({ mixed, costs, maxTokens: 32, maxRequests: 4 });
    expect(grids.map(({ graphs }) => graphs)).toEqual([3, 4]);
    expect(grids[1]).toMatchObject({ steps: 1, eagerSteps: 5, exactCost: 20, padding: 0, lowerBound: 0 });
    expect(grids[1].shapes).toEqual([
      [20, 1, 3],
      [32, 1, 3],
      [32, 2, 2],
      [32, 4, 0],
    ]);
  });

  it('is refused with every fault at once', async () => {
    const step = { tokens: 3, prefillRequests: 2, decodeRequests: 0, requests: 1, count: 1 };
    const bad = {
      mixed: [step],
      costs: [0, 1],
      maxTokens: 30,
      maxRequests: 16,
      queryLen: 2,
      multiple: 4,
      maxGraphs: 4,
    };
    await expect(optimiseMixedGrid(bad)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      details: {
        faults: [
          expect.stringMatching(/mixed\[0\] is .*; it needs counts with 1 <= prefillRequests <= requests <= tokens/),
          expect.stringMatching(/maxTokens is 30; it must hold 16 requests of 2 tokens: at least 32/),
          expect.stringMatching(/maxTokens is 30; it must be a multiple of 4/),
          expect.stringMatching(/maxGraphs is 4; .* makes 5/),
          expect.stringMatching(/costs must cover sizes up to maxTokens \(30\)/),
        ],
      },
    });
  });
});
