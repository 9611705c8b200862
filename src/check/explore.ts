import type { Property } from './properties.js';
import type { FoundViolation, SliceFindings } from './table-explorer.js';
import type { Slice } from './tables.js';

/** Explores slices, one at a time: this thread, or a worker. */
export interface SliceExplorer {
  explore(slice: Slice): Promise<SliceFindings>;
}

/** The result of one exploration. */
export interface Exploration {
  readonly states: number;
  readonly complete: boolean;
  /** Of each property that is broken, its first table in the order of exploration. */
  readonly violations: readonly FoundViolation[];
  /** Keys that some table runs on, by index. */
  readonly reached: ReadonlySet<number>;
}

export interface ExploreOptions {
  /** Tables in all. */
  readonly tables: number;
  /** Tables of a slice: what is explored between two looks at the signal. */
  readonly sliceTables: number;
  readonly afterUbatches: boolean;
  readonly signal: AbortSignal | undefined;
  readonly progress: (states: number) => void;
}

/**
 * Explores all tables by `explorers` at once. Each takes the next slice when it is done with one, so that none waits for another.
 * Which of them explores a slice changes nothing: findings are merged by place, and of two the earlier table counts.
 */
export async function exploreSlices(
  explorers: readonly SliceExplorer[],
  { tables, sliceTables, afterUbatches, signal, progress }: ExploreOptions,
): Promise<Exploration> {
  const earliest = new Map<Property, { readonly place: number; readonly violation: FoundViolation }>();
  const reached = new Set<number>();
  let next = 0;
  let states = 0;
  const merge = ({ first, count }: Slice, { violations, reached: keys }: SliceFindings): void => {
    states += count;
    for (const key of keys) reached.add(key);
    for (const violation of violations) {
      const known = earliest.get(violation.property);
      if (known === undefined || first < known.place) earliest.set(violation.property, { place: first, violation });
    }
  };
  const work = async (explorer: SliceExplorer): Promise<void> => {
    while (next < tables && signal?.aborted !== true) {
      const slice = { first: next, count: Math.min(sliceTables, tables - next), afterUbatches };
      next += slice.count;
      merge(slice, await explorer.explore(slice));
      progress(states);
    }
  };
  await Promise.all(explorers.map(work));
  return {
    states,
    complete: states === tables,
    violations: [...earliest.values()].map(({ violation }) => violation),
    reached,
  };
}
