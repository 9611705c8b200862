import type { StepHistogram } from '../workload/index.js';
import { decodeCounts } from './choices.js';
import { type ChosenGraphs, chooseFor } from './chosen-graphs.js';
import { type ComparedEngines, type ScoredSteps, scoreEngines, scorePlan } from './compare-engines.js';
import { largestGraph } from './plan-costs.js';
import type { PlanScore, UnseenScore } from './plan-document.js';
import type { MakePlanOptions } from './plan-options.js';
import type { CountedSteps } from './read-steps.js';
import type { Objective } from './robust.js';

/** The traffic counts as shifted from this difference between the two parts of a trace on, */
const SHIFTED = 0.2;
/** or from this share of decodes larger than any seen before on. */
const ABOVE_SEEN = 0.01;

export function scoredSteps(histogram: StepHistogram, { limits, policy, mixed }: MakePlanOptions): ScoredSteps {
  const most = largestGraph(limits, policy);
  const ubatched = new Float64Array(most + 1);
  for (const [size, count] of histogram.ubatched) if (size <= most) ubatched[size] += count;
  return { ...decodeCounts(histogram, most), ubatched, mixed: mixed ? histogram.mixed : null };
}

export function comparedBy({ policy, engineProfile, engine, engineLimits, ranks }: MakePlanOptions): ComparedEngines {
  return { policy, profile: engineProfile, own: engine, limits: engineLimits, ranks };
}

/** Scores the plans for the first part alone on the decodes of the second. */
export async function scoreUnseen(
  parts: NonNullable<CountedSteps['parts']>,
  options: MakePlanOptions,
): Promise<Readonly<Record<Objective, UnseenScore>>> {
  const { costs, limits, memory, split } = options;
  const chosen = await chooseFor(parts.seen, options);
  const steps = { ...scoredSteps(parts.unseen, options), mixed: null, tables: parts.unseenTables };
  const shift = distance(parts.seen, parts.unseen);
  const aboveSeen = shareAbove(parts.unseen, parts.seen.largestDecode);
  const engines = (await scoreEngines(steps, costs, limits, memory, comparedBy(options))).map((score) => ({
    engine: score.engine,
    ...shortScore(score),
  }));
  const of = ({ decode }: ChosenGraphs): UnseenScore => ({
    ...scorePlan(steps, costs, { decode: decode.decode, mixed: [] }),
    split,
    ladder: decode.decode,
    shift,
    aboveSeen,
    shifted: shift > SHIFTED || aboveSeen > ABOVE_SEEN,
    engines,
  });
  return { seen: of(chosen.seen), robust: of(chosen.robust) };
}

export function shortScore({ graphs, paddingRatio, timeRatio, eagerSteps }: PlanScore): PlanScore {
  return { graphs, paddingRatio, timeRatio, eagerSteps };
}

/** Share of a histogram's decodes that have more tokens than `most`. */
function shareAbove({ decode, ubatched }: StepHistogram, most: number): number {
  const all = [...decode, ...ubatched];
  const steps = (some: typeof all): number => some.reduce((sum, [, count]) => sum + count, 0);
  return steps(all.filter(([size]) => size > most)) / steps(all);
}

/** Total variation between the decodes of two histograms, by powers of two of their size. */
function distance(a: StepHistogram, b: StepHistogram): number {
  const shares = (histogram: StepHistogram): Map<number, number> => {
    const all = [...histogram.decode, ...histogram.ubatched];
    const total = all.reduce((sum, [, count]) => sum + count, 0);
    const byPower = new Map<number, number>();
    for (const [size, count] of all) {
      const power = Math.ceil(Math.log2(size));
      byPower.set(power, (byPower.get(power) ?? 0) + count / total);
    }
    return byPower;
  };
  const [one, other] = [shares(a), shares(b)];
  const powers = new Set([...one.keys(), ...other.keys()]);
  let sum = 0;
  for (const power of powers) sum += Math.abs((one.get(power) ?? 0) - (other.get(power) ?? 0));
  return sum / 2;
}
