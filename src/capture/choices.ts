import { checkArguments, Faults } from '../checks.js';
import type { Limits } from '../config.js';
import { decodeGraphs, leastUbatchedSize } from '../keys/index.js';
import { NO_PADDING_LIMIT, type Policy } from '../policy/index.js';
import type { StepHistogram } from '../workload/index.js';
import type { PlanBudget, PlanChoice } from './budget.js';
import type { LadderCurve, OptimalLadder } from './ladder/ladder-curve.js';
import { optimiseLadder } from './ladder/ladder-optimiser.js';
import { type MixedShape, optimiseMixedGrid } from './mixed/mixed-grid.js';
import { largestDecode, largestGraph } from './plan-costs.js';
import { type RobustLadder, robustCandidates } from './robust.js';

/** The options that a plan is chosen under. */
export interface ChoiceOptions {
  readonly limits: Limits;
  /** Limits of a step, where those above bound the size of decode graphs too. */
  readonly engineLimits?: Limits | undefined;
  readonly policy: Policy;
  /** Cost by size that is optimised for. */
  readonly costs: ArrayLike<number>;
  readonly sizeMultiple: number;
  readonly include: readonly number[];
  readonly budget: PlanBudget;
}

/** Decode graphs: a ladder, and its sizes that are captured in micro-batches too. */
export interface DecodeChoice extends PlanChoice {
  /** Padding over the steps expected, which a robust plan has least of. Absent in a choice for the steps seen alone. */
  readonly expectedPadding?: number;
  /** Whether it costs little more over the steps seen than the best of as many graphs. */
  readonly bounded?: boolean;
  /** Tokens, ascending. */
  readonly decode: readonly number[];
  readonly ubatched: readonly number[];
}

/** Graphs for steps with a prefill. */
export interface MixedChoice extends PlanChoice {
  readonly shapes: readonly MixedShape[];
  /** Lower bound of the padding with as many graphs of any shapes, by the same costs. */
  readonly lowerBound: number;
}

/** The choice when no graphs for steps with a prefill are planned. */
export const NO_MIXED: MixedChoice = Object.freeze({
  graphs: 0,
  tokens: [],
  padding: 0,
  exactCost: 0,
  shapes: [],
  lowerBound: 0,
});

/** Least number of graphs that a curve covers, if there are as many sizes. */
const MOST_GRAPHS = 512;

/** Counts by decode size up to the largest, steps in one batch and in micro-batches together, and the number of steps larger than the largest size. */
export function decodeCounts(histogram: StepHistogram, maximum: number): { counts: Float64Array; above: number } {
  checkArguments('decodeCounts', { histogram: [histogram, 'object', 'decode', 'ubatched'] });
  const sizes = new Faults();
  sizes.integer('maximum', maximum, 1, 1 << 22);
  sizes.check(histogram.decode instanceof Map && histogram.ubatched instanceof Map, 'histogram is no StepHistogram');
  sizes.throwIfAny('This call of decodeCounts');
  const counts = new Float64Array(maximum + 1);
  let above = 0;
  for (const part of [histogram.decode, histogram.ubatched]) {
    for (const [size, count] of part) {
      if (size <= maximum) counts[size] += count;
      else above += count;
    }
  }
  return { counts, above };
}

/**
 * The best ladder for each number of graphs, by some cost; with `twins`, a size that the policy also captures in micro-batches counts as two.
 * Errors: ERR_CONFIG_INVALID.
 */
export function decodeCurve(
  counts: Float64Array,
  costs: ArrayLike<number>,
  options: Pick<ChoiceOptions, 'limits' | 'policy' | 'sizeMultiple' | 'include' | 'budget'>,
  { twins }: { readonly twins: boolean },
): Promise<LadderCurve> {
  const { limits, policy, sizeMultiple, include, budget } = options;
  const asked = budget.kind === 'graphs' ? budget.most : 0;
  const maxGraphs = Math.min(1 << 12, 2 * (counts.length - 1), Math.max(MOST_GRAPHS, asked, 2 * (include.length + 1)));
  const multiple = [sizeMultiple, policy.tokenAlignment].reduce(commonMultiple, limits.queryLen);
  const least = leastUbatchedSize(limits.queryLen, policy);
  const twinsFrom = twins && least < counts.length ? least : undefined;
  return optimiseLadder({ counts, costs, maxGraphs, multiple, include, twinsFrom });
}

/** Candidates for a robust ladder, of every number of graphs; `seen` is the curve for the steps seen. Errors: ERR_CONFIG_INVALID. */
export function robustDecodes(
  counts: Float64Array,
  costs: ArrayLike<number>,
  options: Pick<ChoiceOptions, 'limits' | 'policy' | 'sizeMultiple' | 'include' | 'budget'>,
  { twins, seen }: { readonly twins: boolean; readonly seen: LadderCurve },
): Promise<RobustLadder[]> {
  const curveOf = (expected: Float64Array): Promise<LadderCurve> => decodeCurve(expected, costs, options, { twins });
  return robustCandidates(counts, costs, options.limits.queryLen, seen, curveOf);
}

/** The choices of candidates for a robust ladder. */
export function robustChoices(candidates: readonly RobustLadder[], { limits, policy }: ChoiceOptions): DecodeChoice[] {
  return candidates.map((ladder) => ({
    ...decodeChoice(ladder, limits, policy),
    expectedPadding: ladder.expectedPadding,
    bounded: ladder.bounded,
  }));
}

/** Each ladder of a curve with the micro-batched twins that the policy's gates ask for. */
export function decodeChoices(curve: LadderCurve, { limits, policy }: ChoiceOptions): DecodeChoice[] {
  return curve.ladders.map((ladder) => decodeChoice(ladder, limits, policy));
}

/**
 * A choice with up to `graphs` more graphs, for sizes that were not seen. They are placed as if the probability of each decode size were
 * inverse to it, so that equal relative padding counts the same everywhere. They never increase the padding of what was seen.
 */
export async function withSpareGraphs(
  choice: DecodeChoice,
  graphs: number,
  options: ChoiceOptions,
): Promise<DecodeChoice> {
  if (graphs < 1) return choice;
  const { limits, costs, policy } = options;
  const chances = Float64Array.from({ length: largestGraph(limits, policy) + 1 }, (_, size) =>
    size > 0 && size % limits.queryLen === 0 ? 1 / size : 0,
  );
  const curve = await decodeCurve(chances, costs, { ...options, include: choice.decode }, { twins: true });
  const filled = curve.atMost(choice.graphs + graphs);
  if (filled === undefined) return choice;
  const { padding, exactCost } = choice;
  return { ...decodeChoice(filled, limits, options.policy), padding, exactCost };
}

/** Of a ladder's keys the tokens alone: there are thousands of ladders to choose from. */
function decodeChoice({ sizes, padding, exactCost }: OptimalLadder, limits: Limits, policy: Policy): DecodeChoice {
  const tokens: number[] = [];
  const decode: number[] = [];
  const ubatched: number[] = [];
  for (const [requests, parts] of decodeGraphs(sizes, limits, policy, true)) {
    const size = requests * limits.queryLen;
    tokens.push(size);
    (parts === 1 ? decode : ubatched).push(size);
  }
  return { graphs: tokens.length, tokens, padding, exactCost, decode: decode.reverse(), ubatched: ubatched.reverse() };
}

/** The best grids for steps with a prefill. Errors: ERR_CONFIG_INVALID. */
export async function mixedChoices(histogram: StepHistogram, options: ChoiceOptions): Promise<MixedChoice[]> {
  const { limits: own, engineLimits: limits = own, policy, costs, sizeMultiple, budget } = options;
  const { maxNumBatchedTokens: maxTokens, queryLen } = limits;
  const grids = await optimiseMixedGrid({
    mixed: histogram.mixed,
    costs,
    maxTokens,
    maxRequests: largestDecode(limits) / queryLen,
    queryLen,
    multiple: commonMultiple(sizeMultiple, policy.tokenAlignment),
    maxPaddingFactor: policy.maxPaddingFactor < NO_PADDING_LIMIT ? policy.maxPaddingFactor : undefined,
    maxGraphs: budget.kind === 'graphs' ? Math.max(64, Math.min(MOST_GRAPHS, budget.most)) : MOST_GRAPHS,
  });
  return grids.map(({ graphs, shapes, padding, exactCost, lowerBound }) => ({
    graphs,
    tokens: shapes.map(([tokens]) => tokens),
    padding,
    exactCost,
    shapes,
    lowerBound,
  }));
}

function commonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
