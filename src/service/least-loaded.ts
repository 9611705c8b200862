import { rankLoad } from '../workload/index.js';

/** What a rank has to do. */
export interface RankLoad {
  readonly waiting: number;
  readonly running: number;
}

/** The rank of least load among those that `open` allows, the lowest of equals; -1 where it allows none. */
export function leastLoaded(ranks: readonly RankLoad[], open: (rank: number) => boolean = () => true): number {
  let best = -1;
  let least = Infinity;
  for (const [rank, { waiting, running }] of ranks.entries()) {
    const load = rankLoad(waiting, running);
    if (load >= least || !open(rank)) continue;
    least = load;
    best = rank;
  }
  return best;
}
