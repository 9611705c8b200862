import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { optimiseLadder, scoreLadder } from '../../dist/capture/index.js';
import {
  graphsOf,
  type LadderCase,
  ladderCost,
  leastCostByTrying,
  leastCostsByLayers,
} from '../oracles/ladder-oracle.js';
import { runs } from '../support/property-runs.js';

/** A problem of `most` sizes at most: counts with gaps, costs that rise in steps and stand still between them. */
function problems(most: number): fc.Arbitrary<LadderCase> {
  return fc
    .record({
      multiple: fc.constantFrom(1, 1, 2, 3),
      units: fc.integer({ min: 1, max: most }),
      seeds: fc.infiniteStream(fc.nat(1000)),
      sparse: fc.boolean(),
      flat: fc.integer({ min: 1, max: 4 }),
      twins: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    })
    .map(({ multiple, units, seeds, sparse, flat, twins }) => {
      const largest = Math.max(1, Math.floor(units / multiple)) * multiple;
      const draw = (): number => seeds.next().value as number;
      const counts = [0];
      const costs = [0];
      for (let size = 1; size <= largest; size++) {
        counts.push(sparse && draw() % 3 > 0 ? 0 : draw());
        costs.push(costs[size - 1] + (draw() % flat === 0 ? draw() : 0));
      }
      const include = counts.flatMap((_, size) =>
        size > 0 && size % multiple === 0 && draw() % 6 === 0 ? [size] : [],
      );
      if (twins === undefined) return { counts, costs, multiple, include };
      return { counts, costs, multiple, include, twinsFrom: 1 + Math.round(twins * largest) };
    });
}

async function expectOptimal(problem: LadderCase, least: (graphs: number) => number, graphs: number): Promise<void> {
  const needed = graphsOf([...new Set([...problem.include, problem.counts.length - 1])], problem);
  if (graphs < needed) {
    await expect(optimiseLadder({ ...problem, maxGraphs: graphs })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
    return;
  }
  const curve = await optimiseLadder({ ...problem, maxGraphs: graphs });
  for (let count = 1; count <= graphs; count++) {
    const ladder = curve.atMost(count);
    if (count < needed) {
      expect(ladder).toBeUndefined();
      continue;
    }
    const sizes = ladder?.sizes ?? [];
    expect(graphsOf(sizes, problem)).toBe(ladder?.graphs);
    expect(ladder?.graphs).toBeLessThanOrEqual(count);
    expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
    expect(sizes).toEqual(expect.arrayContaining([...problem.include, problem.counts.length - 1]));
    expect(sizes.every((size) => size % problem.multiple === 0)).toBe(true);
    expect(ladderCost(problem, sizes)).toBe(least(count));
    expect((ladder?.exactCost ?? 0) + (ladder?.padding ?? 0)).toBe(least(count));
  }
}

describe('the best ladders', () => {
  it('are those found by trying every ladder', async () => {
    await fc.assert(
      fc.asyncProperty(problems(11), fc.integer({ min: 1, max: 22 }), (problem, graphs) =>
        expectOptimal(problem, (count) => leastCostByTrying(problem, count), graphs),
      ),
      runs(300),
    );
  });

  it('are those of a layer-by-layer search over all sizes, for larger problems', async () => {
    await fc.assert(
      fc.asyncProperty(problems(160), fc.integer({ min: 1, max: 24 }), (problem, graphs) => {
        const curve = leastCostsByLayers(problem, graphs);
        return expectOptimal(problem, (count) => curve[count - 1], graphs);
      }),
      runs(100),
    );
  });

  it('with real weights are within rounding of it', async () => {
    await fc.assert(
      fc.asyncProperty(problems(120), fc.double({ min: 1e-6, max: 1e6, noNaN: true }), async (problem, scale) => {
        const costs = problem.costs.map((cost) => Math.sqrt(cost * scale));
        const counts = problem.counts.map((count) => count / 7);
        const real = { ...problem, counts, costs, include: [] };
        const curve = await optimiseLadder({ ...real, maxGraphs: 16 });
        for (const [index, cost] of leastCostsByLayers(real, 16).entries()) {
          const ladder = curve.atMost(index + 1);
          if (cost === Infinity) {
            expect(ladder).toBeUndefined();
            continue;
          }
          const found = (ladder?.exactCost ?? Number.NaN) + (ladder?.padding ?? Number.NaN);
          expect(Math.abs(found - cost)).toBeLessThanOrEqual(1e-12 * cost);
        }
      }),
      runs(60),
    );
  });

  it('stand at the end of their stretch of equal cost, where they hold the most', async () => {
    await fc.assert(
      fc.asyncProperty(problems(60), async (problem) => {
        const { costs, multiple, include, twinsFrom = Infinity } = problem;
        const { ladders } = await optimiseLadder({ ...problem, maxGraphs: 120 });
        for (const size of ladders.flatMap(({ sizes }) => sizes)) {
          if (size === costs.length - 1 || include.includes(size)) continue;
          // One more token may take a twin.
          if (size < twinsFrom && size + multiple >= twinsFrom) continue;
          expect(costs[size + multiple]).toBeGreaterThan(costs[size]);
        }
      }),
      runs(100),
    );
  });

  it('only gain with graphs, and every one of the curve gains', async () => {
    await fc.assert(
      fc.asyncProperty(problems(200), async (problem) => {
        const { ladders } = await optimiseLadder({ ...problem, include: [], maxGraphs: 400 });
        for (const [index, ladder] of ladders.entries()) {
          const score = scoreLadder(problem.counts, problem.costs, ladder.sizes);
          expect(ladder).toMatchObject({ ...score, graphs: graphsOf(ladder.sizes, problem) });
          if (index === 0) continue;
          expect(ladder.padding).toBeLessThan(ladders[index - 1].padding);
          expect(ladder.graphs).toBeGreaterThan(ladders[index - 1].graphs);
        }
        // With a graph for every multiple, what is left is the rounding to it.
        const every = problem.counts.map((_, size) => Math.ceil(size / problem.multiple) * problem.multiple);
        expect(ladders.at(-1)?.padding).toBe(
          problem.counts.reduce(
            (sum, count, size) => sum + count * (problem.costs[every[size]] - problem.costs[size]),
            0,
          ),
        );
      }),
      runs(100),
    );
  });
});
