/** What a ladder is chosen for, as plainly as it can be said. */
export interface LadderCase {
  /** By size, entry 0 unused. */
  readonly counts: readonly number[];
  readonly costs: readonly number[];
  readonly multiple: number;
  readonly include: readonly number[];
  /** Sizes from it on take two graphs. Default: none does. */
  readonly twinsFrom?: number;
}

/** Graphs of some sizes, those that are captured twice counted so. */
export function graphsOf(sizes: readonly number[], { twinsFrom = Infinity }: LadderCase): number {
  return sizes.length + sizes.filter((size) => size >= twinsFrom).length;
}

/** Every step runs as the smallest size of the ladder that holds it. */
export function ladderCost({ counts, costs }: LadderCase, sizes: readonly number[]): number {
  let cost = 0;
  for (let size = 1; size < counts.length; size++) {
    cost += counts[size] * costs[sizes.find((step) => step >= size) as number];
  }
  return cost;
}

/** Least cost of any ladder of at most `graphs` graphs, by trying them all; Infinity where there is none. */
export function leastCostByTrying(problem: LadderCase, graphs: number): number {
  const largest = problem.counts.length - 1;
  const allowed = Array.from({ length: largest }, (_, i) => i + 1).filter(
    (size) => size % problem.multiple === 0 && size < largest,
  );
  let least = Infinity;
  for (let mask = 0; mask < 2 ** allowed.length; mask++) {
    const sizes = [...allowed.filter((_, bit) => (mask >> bit) % 2 === 1), largest];
    if (graphsOf(sizes, problem) > graphs || !problem.include.every((size) => sizes.includes(size))) continue;
    least = Math.min(least, ladderCost(problem, sizes));
  }
  return least;
}

/** Least costs of at most 1 to `graphs` graphs, in O(graphs * sizes^2): layer by layer over every size that is allowed. */
export function leastCostsByLayers(problem: LadderCase, graphs: number): number[] {
  const { counts, costs, multiple, include } = problem;
  const largest = counts.length - 1;
  const upTo = [0];
  for (let size = 1; size <= largest; size++) upTo[size] = upTo[size - 1] + counts[size];
  const none = Array<number>(largest + 1).fill(Infinity);
  const layers = [none, [0, ...none.slice(1)]];
  const curve: number[] = [];
  for (let layer = 0; layer < graphs; layer++) {
    const next = none.map((_, to) => {
      if (to === 0 || to % multiple !== 0) return Infinity;
      const best = layers[layers.length - graphsOf([to], problem)];
      let least = Infinity;
      for (let from = to - 1; from >= 0; from--) {
        least = Math.min(least, best[from] + costs[to] * (upTo[to] - upTo[from]));
        if (include.includes(from)) break;
      }
      return least;
    });
    layers.push(next);
    curve.push(Math.min(curve.at(-1) ?? Infinity, next[largest]));
  }
  return curve;
}
