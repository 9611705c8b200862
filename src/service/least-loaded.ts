/** What a rank has to do. */
export interface RankLoad {
  readonly waiting: number;
  readonly running: number;
}

/** The rank of least load among those that `open` allows, by 4 * waiting + running, the lowest of equals; -1 where it allows none. Source: vLLM's data-parallel load balancing. */
export function leastLoaded(ranks: readonly RankLoad[], open: (rank: number) => boolean = () => true): number {
  let best = -1;
  let least = Infinity;
  for (const [rank, { waiting, running }] of ranks.entries()) {
    const load = 4 * waiting + running;
    if (load >= least || !open(rank)) continue;
    least = load;
    best = rank;
  }
  return best;
}
