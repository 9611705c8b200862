import { checkHas, checkList, Faults } from '../../checks.js';
import type { LadderCurve, OptimalLadder } from './ladder-curve.js';

/** Several ladders that share a number of graphs: one of each curve, in the order of the curves. */
export interface SharedBudget {
  /** Graphs of all ladders together. */
  readonly graphs: number;
  /** The ladder taken of each curve. */
  readonly ladders: readonly OptimalLadder[];
  /** Cost of the steps at their exact sizes, over all ladders. */
  readonly exactCost: number;
  /** What padding adds, over all ladders. */
  readonly padding: number;
  /** `padding / exactCost`; 0 where there are no steps. */
  readonly ratio: number;
}

/**
 * The best way to share graphs among several ladders (decode and micro-batched, variants), for every number of graphs up to
 * `maxGraphs`, exactly: with curves f and g the best of k graphs is the least of f(i) + g(k - i). Their costs must be in one unit.
 * Ascending in graphs, each strictly better than the one before; empty where even the fewest graphs of all are more than
 * `maxGraphs`. Takes O(curves * graphs^2). Errors: ERR_CONFIG_INVALID.
 */
export function shareGraphs(curves: readonly LadderCurve[], maxGraphs: number): SharedBudget[] {
  checkList('curves', curves);
  for (const curve of curves) checkHas('a curve', curve, ['ladders']);
  const faults = new Faults();
  faults.integer('maxGraphs', maxGraphs, 1, 1 << 16);
  faults.check(curves.length > 0, 'there are no curves to share graphs among');
  faults.throwIfAny('These ladders');
  let shared: SharedBudget[] = [{ graphs: 0, ladders: [], exactCost: 0, padding: 0, ratio: 0 }];
  for (const { ladders } of curves) {
    const best: (SharedBudget | undefined)[] = Array(maxGraphs + 1);
    for (const some of shared) {
      for (const ladder of ladders) {
        const graphs = some.graphs + ladder.graphs;
        if (graphs > maxGraphs) break;
        const padding = some.padding + ladder.padding;
        const other = best[graphs];
        if (other !== undefined && other.padding <= padding) continue;
        const exactCost = some.exactCost + ladder.exactCost;
        const ratio = padding > 0 ? padding / exactCost : 0;
        best[graphs] = { graphs, ladders: [...some.ladders, ladder], exactCost, padding, ratio };
      }
    }
    shared = improving(best);
  }
  return shared.map((budget) => Object.freeze({ ...budget, ladders: Object.freeze(budget.ladders) }));
}

/** Keeps those that are strictly better than all with fewer graphs. */
function improving(best: readonly (SharedBudget | undefined)[]): SharedBudget[] {
  const kept: SharedBudget[] = [];
  for (const budget of best) {
    const last = kept.at(-1);
    if (budget !== undefined && (last === undefined || budget.padding < last.padding)) kept.push(budget);
  }
  return kept;
}
