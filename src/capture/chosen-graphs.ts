import type { StepHistogram } from '../workload/index.js';
import { choose, chooseRobust, spareGraphs } from './budget.js';
import {
  type ChoiceOptions,
  type DecodeChoice,
  decodeChoices,
  decodeCounts,
  decodeCurve,
  type MixedChoice,
  mixedChoices,
  NO_MIXED,
  robustChoices,
  robustDecodes,
  withSpareGraphs,
} from './choices.js';
import { LadderCurve } from './ladder/ladder-curve.js';
import { largestGraph } from './plan-costs.js';
import type { MakePlanOptions, PlanPhase } from './plan-options.js';
import { type Objective, robustLadders } from './robust.js';

/** Graphs chosen for an objective, and the best decode ladder of each number of graphs by it. */
export interface ChosenGraphs {
  readonly decode: DecodeChoice;
  readonly grid: MixedChoice;
  readonly curve: LadderCurve;
}

/** The graphs for either objective. */
export async function chooseFor(
  histogram: StepHistogram,
  options: MakePlanOptions,
  phase: (name: PlanPhase) => Promise<void> = () => Promise.resolve(),
): Promise<Readonly<Record<Objective, ChosenGraphs>>> {
  const { limits, costs, budget, memory, mixed } = options;
  const choice: ChoiceOptions = { ...options, costs: budget.kind === 'padding' ? costs.tokens : costs.time };
  const { counts } = decodeCounts(histogram, largestGraph(limits, options.policy));
  await phase('decode graphs');
  const seenCurve = await decodeCurve(counts, choice.costs, choice, { twins: true });
  const candidates = await robustDecodes(counts, choice.costs, choice, { twins: true, seen: seenCurve });
  await phase('mixed graphs');
  const grids = mixed ? await mixedChoices(histogram, choice) : [NO_MIXED];
  const seen = choose(decodeChoices(seenCurve, choice), grids, budget, memory, options);
  const robust = chooseRobust(robustChoices(candidates, choice), grids, seen, memory, options.mostGraphs);
  const filled = async (chosen: typeof seen, curve: LadderCurve): Promise<ChosenGraphs> => {
    const spare = spareGraphs(budget, chosen.decode, chosen.mixed, memory);
    return { decode: await withSpareGraphs(chosen.decode, spare, choice), grid: chosen.mixed, curve };
  };
  return {
    seen: await filled(seen, seenCurve),
    robust: await filled(robust, new LadderCurve(robustLadders(candidates))),
  };
}
