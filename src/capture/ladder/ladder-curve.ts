import { checkList } from '../../checks.js';
import type { LadderScore } from './ladder-score.js';

/** The best ladder of some number of graphs. */
export interface OptimalLadder extends LadderScore {
  /** One for each size, and two from `twinsFrom` on. */
  readonly graphs: number;
  /** Captured sizes in tokens, ascending; the last is the largest size there is a count for. */
  readonly sizes: readonly number[];
}

/**
 * The best ladder of every number of graphs, by value. One more graph never makes it worse, and one that would gain nothing is
 * left out: `ladders[i]` has strictly less padding than `ladders[i - 1]`, and more graphs.
 */
export class LadderCurve {
  /** From the fewest graphs possible to the most that gain anything. Never empty. */
  readonly ladders: readonly OptimalLadder[];

  /** A curve of these ladders, ascending by graphs. Errors: ERR_CONFIG_INVALID for what is no list. */
  constructor(ladders: readonly OptimalLadder[]) {
    checkList('ladders', ladders);
    this.ladders = Object.freeze([...ladders]);
  }

  /** The best ladder of at most `graphs` graphs. Undefined if more sizes than that must be captured. */
  atMost(graphs: number): OptimalLadder | undefined {
    return this.ladders.findLast((ladder) => ladder.graphs <= graphs);
  }

  /** The ladder of fewest graphs whose padding is at most `ratio` of the exact cost (0.001: within 0.1 %). */
  fewestWithin(ratio: number): OptimalLadder | undefined {
    return this.ladders.find((ladder) => ladder.ratio <= ratio);
  }

  /** The ladder of fewest graphs that is at most as bad as `other`, a score over the same histogram and costs. */
  fewestLike(other: LadderScore): OptimalLadder | undefined {
    return this.ladders.find((ladder) => ladder.padding <= other.padding);
  }

  /** The best of the ladders that fit, for example in a memory budget. Undefined if none fits. */
  best(fits: (ladder: OptimalLadder) => boolean): OptimalLadder | undefined {
    return this.ladders.findLast(fits);
  }
}
