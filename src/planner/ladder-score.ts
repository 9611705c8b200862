/** What a ladder makes of a histogram of step sizes. */
export interface LadderScore {
  readonly graphs: number;
  /** Steps that run as a graph. */
  readonly steps: number;
  /** Steps above the largest size; they are in nothing else of this. */
  readonly eagerSteps: number;
  /** Cost of the steps at their exact sizes, in the units of the costs. */
  readonly exactCost: number;
  /** What padding adds to it: 0 exactly where every padded size costs what the exact one does. */
  readonly padding: number;
  /** `padding / exactCost`; 0 where there are no steps. With costs[n] = n it is the padding ratio, else the time ratio. */
  readonly ratio: number;
}

/**
 * The cost of a ladder. `counts` and `costs` are by size, entry 0 unused; `sizes` ascend, and those above what `costs` covers are
 * not looked at. Summed as padding, so that ladders that pad alike come out equal to the last bit.
 */
export function scoreLadder(
  counts: ArrayLike<number>,
  costs: ArrayLike<number>,
  sizes: ArrayLike<number>,
): LadderScore {
  let steps = 0;
  let exactCost = 0;
  let padding = 0;
  let size = 1;
  for (let step = 0; step < sizes.length; step++) {
    const cost = costs[sizes[step]];
    for (const end = Math.min(sizes[step], counts.length - 1); size <= end; size++) {
      const count = counts[size];
      if (count === 0) continue;
      steps += count;
      exactCost += count * costs[size];
      padding += count * (cost - costs[size]);
    }
  }
  let eagerSteps = 0;
  for (; size < counts.length; size++) eagerSteps += counts[size];
  return { graphs: sizes.length, steps, eagerSteps, exactCost, padding, ratio: padding > 0 ? padding / exactCost : 0 };
}
