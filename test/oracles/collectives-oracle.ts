import type { CollectiveKind } from '../../dist/execution/index.js';

/** What each rank takes from a collective, given what each sends: the definitions, one element after the other. */
export function collectiveOracle(
  kind: CollectiveKind,
  counts: readonly number[],
  sent: readonly (readonly number[])[],
): number[][] {
  const sums = (sent[0] ?? []).map((_, index) => sent.reduce((sum, values) => (sum + (values[index] ?? 0)) | 0, 0));
  const [count = 0] = counts;
  const taken: Record<CollectiveKind, (rank: number) => number[]> = {
    'all-gather': () => sent.flatMap((values, peer) => values.slice(0, counts[peer])),
    'reduce-scatter': (rank) => {
      const before = counts.slice(0, rank).reduce((sum, value) => sum + value, 0);
      return sums.slice(before, before + (counts[rank] ?? 0));
    },
    'all-reduce': () => sums.slice(0, count),
    'all-to-all': (rank) => sent.flatMap((values) => values.slice(rank * count, (rank + 1) * count)),
  };
  return sent.map((_, rank) => taken[kind](rank));
}

/** Elements that `rank` of `size` sends. */
export function sentBy(kind: CollectiveKind, counts: readonly number[], rank: number, size: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (kind === 'all-gather') return counts[rank] ?? 0;
  return kind === 'all-to-all' ? size * total : total;
}
