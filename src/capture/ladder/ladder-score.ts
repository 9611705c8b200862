import { checkList, Faults } from '../../checks.js';
import { shown } from '../../errors.js';
import { leastTokensOn } from '../../policy/index.js';

/** The score of a ladder on a histogram of step sizes. */
export interface LadderScore {
  /** Graphs of the ladder. */
  readonly graphs: number;
  /** Steps that run as a graph. */
  readonly steps: number;
  /** Steps above the largest size, which no other field counts, and those that would be padded too far. */
  readonly eagerSteps: number;
  /** Cost of the steps up to the largest size at their exact sizes, in the units of the costs. */
  readonly exactCost: number;
  /** What padding adds to it: 0 exactly where every padded size costs what the exact one does. */
  readonly padding: number;
  /** `padding / exactCost`; 0 where there are no steps. With costs[n] = n it is the padding ratio, else the time ratio. */
  readonly ratio: number;
}

/**
 * The cost of a ladder. A step that its size would pad to more than `maxPaddingFactor` times its tokens runs eager; it counts as a
 * step of the largest size, so that of two ladders the better has fewer of them. `counts` and `costs` are by size, entry 0 unused;
 * `sizes` ascend, and those beyond the end of `costs` are ignored. Padding is summed, not cost, so that ladders that pad alike come out
 * equal to the last bit.
 */
export function scoreLadder(
  counts: ArrayLike<number>,
  costs: ArrayLike<number>,
  sizes: ArrayLike<number>,
  maxPaddingFactor: number = Infinity,
): LadderScore {
  checkList('counts', counts, 'numbers');
  checkList('costs', costs, 'numbers');
  checkList('sizes', sizes, 'numbers');
  checkPaddingFactor(maxPaddingFactor);
  return scoreChecked(counts, costs, sizes, maxPaddingFactor);
}

/** `scoreLadder` of what is known to be right: a plan scores thousands of ladders. */
export function scoreChecked(
  counts: ArrayLike<number>,
  costs: ArrayLike<number>,
  sizes: ArrayLike<number>,
  maxPaddingFactor: number = Infinity,
): LadderScore {
  const eagerCost = costs[sizes[sizes.length - 1]];
  let refused = 0;
  let steps = 0;
  let exactCost = 0;
  let padding = 0;
  let size = 1;
  for (let step = 0; step < sizes.length; step++) {
    const cost = costs[sizes[step]];
    const least = leastTokensOn(sizes[step], maxPaddingFactor);
    for (const end = Math.min(sizes[step], counts.length - 1); size <= end; size++) {
      const count = counts[size];
      if (count === 0) continue;
      exactCost += count * costs[size];
      padding += count * ((size < least ? eagerCost : cost) - costs[size]);
      if (size < least) refused += count;
      else steps += count;
    }
  }
  let eagerSteps = refused;
  for (; size < counts.length; size++) eagerSteps += counts[size];
  return { graphs: sizes.length, steps, eagerSteps, exactCost, padding, ratio: padding > 0 ? padding / exactCost : 0 };
}

function checkPaddingFactor(factor: unknown): void {
  const faults = new Faults();
  faults.check(
    typeof factor === 'number' && factor >= 1,
    `maxPaddingFactor is ${shown(factor)}; it must be at least 1`,
  );
  faults.throwIfAny('This score');
}
