import { holds, mixedKey } from '../../keys/index.js';
import { leastTokensOn, type Policy } from '../../policy/index.js';
import type { MixedCount } from '../../workload/index.js';
import type { LadderScore } from '../ladder/ladder-score.js';
import type { MixedShape } from './mixed-grid.js';

/**
 * Scores graphs for steps with a prefill on a histogram: each step runs on the graph of fewest tokens that holds it, and eager if
 * that graph has more than `maxPaddingFactor` times its tokens. `costs` are by tokens, and reach the largest graph.
 */
export function scoreMixed(
  mixed: readonly MixedCount[],
  costs: ArrayLike<number>,
  shapes: readonly MixedShape[],
  { maxPaddingFactor = Infinity, mixedMatch }: Partial<Pick<Policy, 'maxPaddingFactor' | 'mixedMatch'>>,
): LadderScore {
  const graphOf = mixedGraphs(shapes, { maxPaddingFactor, mixedMatch });
  let [steps, eagerSteps, exactCost, padding] = [0, 0, 0, 0];
  for (const step of mixed) {
    const { tokens, count } = step;
    const size = graphOf(step);
    if (size === null) {
      eagerSteps += count;
      continue;
    }
    steps += count;
    exactCost += count * costs[tokens];
    padding += count * (costs[size] - costs[tokens]);
  }
  return { graphs: shapes.length, steps, eagerSteps, exactCost, padding, ratio: padding > 0 ? padding / exactCost : 0 };
}

/** Tokens of the graph that a step with a prefill runs on, or null where it runs eager. */
export function mixedGraphs(
  shapes: readonly MixedShape[],
  { maxPaddingFactor = Infinity, mixedMatch }: Partial<Pick<Policy, 'maxPaddingFactor' | 'mixedMatch'>>,
): (step: Omit<MixedCount, 'count'>) => number | null {
  const ascending = shapes
    .map(([tokens, prefills, decodes]) => mixedKey(tokens, prefills, decodes, 1))
    .sort((a, b) => a.tokens - b.tokens);
  return (step) => {
    const held = ascending.find((key) => holds(key, step, mixedMatch));
    return held === undefined || step.tokens < leastTokensOn(held.tokens, maxPaddingFactor) ? null : held.tokens;
  };
}

/** Two scores over steps that have nothing in common, by the same costs. */
export function sumScores(a: LadderScore, b: LadderScore): LadderScore {
  const padding = a.padding + b.padding;
  const exactCost = a.exactCost + b.exactCost;
  return {
    graphs: a.graphs + b.graphs,
    steps: a.steps + b.steps,
    eagerSteps: a.eagerSteps + b.eagerSteps,
    exactCost,
    padding,
    ratio: padding > 0 ? padding / exactCost : 0,
  };
}
