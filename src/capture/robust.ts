import { Faults } from '../checks.js';
import { shown } from '../errors.js';
import { OBJECTIVE_NAMES } from '../names.js';
import type { LadderCurve, OptimalLadder } from './ladder/ladder-curve.js';
import { scoreChecked } from './ladder/ladder-score.js';

/** What a plan is best for. */
export const OBJECTIVES: typeof OBJECTIVE_NAMES = OBJECTIVE_NAMES;
/** `robust`: what was seen and what may come; `seen`: what was seen, alone. */
export type Objective = (typeof OBJECTIVES)[number];

/** Share of the steps to come that are not as those that were seen: two of three thirds. */
const FUTURE_SHARE = 2 / 3;
/** A load may grow or fall by this factor. */
const DRIFT = 3;
/** What a robust ladder may cost, at most, over the best one of as many graphs for the steps seen. */
const REGRET = 0.025;
/** Shares of the future under which ladders are found, as parts of `FUTURE_SHARE`. */
const WEIGHTS = [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16] as const;
/** Up to so many units each size stands alone; beyond, so many sizes stand for all up to twice as many. */
const EXACT_UNITS = 1024;

/** A ladder with its score on the steps seen, and what it pads over those expected. */
export interface RobustLadder extends OptimalLadder {
  /** Padding over `expectedSteps`, as many as were seen. */
  readonly expectedPadding: number;
  /** Whether it costs at most 2.5 % more over the steps seen than the best of as many graphs. */
  readonly bounded: boolean;
}

/**
 * The steps to expect, as many as were seen, f64 by size: in equal parts the steps seen; the same under a load of up to three
 * times and a third as much, all factors alike on a logarithmic scale; and any size with a chance inverse to it. The last has no scale of its own, so that equal
 * relative padding weighs alike at every size (Jeffreys' prior of a scale). `unit` divides every size.
 */
export function expectedSteps(counts: Float64Array, unit: number): Float64Array {
  const faults = new Faults();
  faults.check(
    counts instanceof Float64Array,
    `counts is ${shown(counts)}; it must be a Float64Array by size`,
    'counts',
  );
  faults.integer('unit', unit, 1, 1 << 20);
  faults.throwIfAny('These steps');
  return mixed(counts, futureSteps(counts, unit), FUTURE_SHARE);
}

/**
 * Candidates for a robust ladder: for each weight of the future the best ladder of each number of graphs, and those best for the steps seen.
 * `curveOf` finds a curve exactly for given counts.
 */
export async function robustCandidates(
  counts: Float64Array,
  costs: ArrayLike<number>,
  unit: number,
  seen: LadderCurve,
  curveOf: (counts: Float64Array) => Promise<LadderCurve>,
): Promise<RobustLadder[]> {
  const future = futureSteps(counts, unit);
  const expected = mixed(counts, future, FUTURE_SHARE);
  const scored = ({ graphs, sizes }: OptimalLadder): RobustLadder => {
    const score = scoreChecked(counts, costs, sizes);
    const best = seen.atMost(graphs)?.padding ?? score.padding;
    const bounded = score.padding + score.exactCost <= (1 + REGRET) * (best + score.exactCost);
    return { ...score, graphs, sizes, expectedPadding: scoreChecked(expected, costs, sizes).padding, bounded };
  };
  const candidates = seen.ladders.map(scored);
  for (const weight of WEIGHTS) {
    const curve = await curveOf(mixed(counts, future, weight * FUTURE_SHARE));
    candidates.push(...curve.ladders.map(scored));
  }
  return candidates;
}

/**
 * The robust ladder of each number of graphs: of the candidates that cost at most 2.5 % more over the steps seen than the best one, that
 * which pads least over those expected. More graphs that gain nothing are left out.
 */
export function robustLadders(candidates: readonly RobustLadder[]): RobustLadder[] {
  const best: RobustLadder[] = [];
  for (const ladder of [...candidates].sort((a, b) => a.graphs - b.graphs || a.expectedPadding - b.expectedPadding)) {
    const last = best.at(-1);
    if (ladder.bounded && (last === undefined || ladder.expectedPadding < last.expectedPadding)) best.push(ladder);
  }
  return best.filter(({ graphs }, at) => graphs !== best[at + 1]?.graphs);
}

/** Steps that were not seen, as many as were: half under another load, half of any size. */
function futureSteps(counts: Float64Array, unit: number): Float64Array {
  const units = Math.floor((counts.length - 1) / unit);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const future = new Float64Array(counts.length);
  if (total === 0 || units < 1) return future;
  const harmonic = new Float64Array(units + 1);
  for (let size = 1; size <= units; size++) harmonic[size] = harmonic[size - 1] + 1 / size;
  // By what factor 1 / size counts at each size: a sum of ranges, of which the beginnings and ends are noted.
  const changes = new Float64Array(units + 2);
  changes[1] += total / harmonic[units];
  for (let size = 1; size < counts.length; size++) {
    if (counts[size] === 0) continue;
    const seen = Math.max(1, Math.min(units, Math.round(size / unit)));
    const [from, to] = [Math.ceil(seen / DRIFT), Math.min(units, seen * DRIFT)];
    const factor = counts[size] / (harmonic[to] - harmonic[from - 1]);
    changes[from] += factor;
    changes[to + 1] -= factor;
  }
  let factor = 0;
  let end = 0;
  for (let size = 1; size <= units; size++) {
    factor += changes[size];
    if (size > end) end = Math.min(units, endOfRange(size));
    future[end * unit] += Math.max(0, factor) / size / 2;
  }
  return future;
}

/** The last size of the range of sizes that one stands for. */
function endOfRange(size: number): number {
  if (size <= EXACT_UNITS) return size;
  const width = 2 ** (Math.floor(Math.log2(size / EXACT_UNITS)) + 1);
  return Math.ceil(size / width) * width;
}

function mixed(counts: Float64Array, future: Float64Array, share: number): Float64Array {
  return counts.map((count, size) => (1 - share) * count + share * future[size]);
}
