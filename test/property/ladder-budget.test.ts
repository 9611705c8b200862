import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LadderCurve, optimiseLadder, shareGraphs } from '../../dist/capture/index.js';
import { runs } from '../support/property-runs.js';

/** Least padding of at most `graphs` graphs, one ladder of each curve, by trying every choice. */
function leastByTrying(curves: readonly LadderCurve[], graphs: number): number {
  if (curves.length === 0) return 0;
  const [first, ...rest] = curves;
  return Math.min(
    ...first.ladders
      .filter((ladder) => ladder.graphs <= graphs)
      .map((ladder) => ladder.padding + leastByTrying(rest, graphs - ladder.graphs)),
  );
}

describe('graphs shared among ladders', () => {
  it('are shared as well as by trying every choice', async () => {
    const counts = fc.array(fc.nat(50), { minLength: 2, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(counts, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 20 }),
        async (all, most) => {
          const costs = Array.from({ length: 10 }, (_, size) => size * size);
          const curves = await Promise.all(all.map((one) => optimiseLadder({ counts: one, costs })));
          const budgets = shareGraphs(curves, most);
          for (let graphs = 1; graphs <= most; graphs++) {
            const budget = budgets.findLast((one) => one.graphs <= graphs);
            expect(budget?.padding ?? Infinity).toBe(leastByTrying(curves, graphs));
            if (budget === undefined) continue;
            expect(budget.ladders.reduce((sum, ladder) => sum + ladder.graphs, 0)).toBe(budget.graphs);
            expect(budget.ladders.reduce((sum, ladder) => sum + ladder.padding, 0)).toBe(budget.padding);
          }
          expect(budgets.at(-1)?.exactCost ?? 0).toBe(
            budgets.length === 0 ? 0 : curves.reduce((sum, { ladders }) => sum + ladders[0].exactCost, 0),
          );
        },
      ),
      runs(200),
    );
  });

  it('are refused without any ladder, or any graph', () => {
    const code = 'ERR_CONFIG_INVALID';
    expect(() => shareGraphs([], 4)).toThrow(expect.objectContaining({ code }));
    expect(() => shareGraphs([], 0)).toThrow(/maxGraphs is 0.*\n.*no curves/);
  });
});
