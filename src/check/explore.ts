import type { RawRules } from '../agreement/index.js';
import { ACTION_WORDS, MAX_CHECK_RANKS, PROPERTIES, VOTE_WORDS } from '../layout/index.js';
import type { ReplicaState } from './domain.js';
import type { Property } from './properties.js';

/** Tables explored between two checks of the clock and the signal. */
const BUDGET = 1 << 17;
const VIOLATION_WORDS = 1 + MAX_CHECK_RANKS;

/** A table that breaks a property: the state of each replica, by index. */
export interface FoundViolation {
  readonly property: Property;
  readonly states: readonly number[];
  /** The decision before it ran in micro-batches. */
  readonly afterUbatches: boolean;
}

/** The result of one exploration. */
export interface Exploration {
  readonly states: number;
  readonly complete: boolean;
  readonly violations: readonly FoundViolation[];
  /** Keys that some table runs on, by index. */
  readonly reached: readonly boolean[];
}

export interface ExploreOptions {
  readonly previous: Int32Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal | undefined;
  readonly progress: (states: number) => void;
}

/** Words of the region `check` for an exploration of states with `votes` votes in all, over `keys` keys. */
export function checkWords(votes: number, keys: number): number {
  const actions = MAX_CHECK_RANKS * ACTION_WORDS.length;
  return actions + 2 * MAX_CHECK_RANKS + PROPERTIES.length * VIOLATION_WORDS + keys + votes * VOTE_WORDS.length;
}

/** Number of tables of `replicas` replicas in `count` states, counted regardless of the order of replicas. */
export function tableCount(count: number, replicas: number): number {
  let total = 1;
  for (let replica = 0; replica < replicas; replica++) total = (total * (count + replica)) / (replica + 1);
  return total;
}

/** Checks every multiset of the replicas' states against the laws, in slices between which the event loop runs. */
export async function exploreRanks(
  rules: RawRules,
  states: readonly ReplicaState[],
  { previous, signal, progress }: ExploreOptions,
): Promise<Exploration> {
  const votes = states.flat();
  const replicas = rules.ranks / states[0].length;
  const words = rules.memory.words('check').fill(0);
  let next = 0;
  const take = (count: number): Int32Array<ArrayBuffer> => {
    const view = words.subarray(next, next + count);
    next += count;
    return view;
  };
  const actions = take(MAX_CHECK_RANKS * ACTION_WORDS.length);
  const tuple = take(MAX_CHECK_RANKS);
  const placed = take(MAX_CHECK_RANKS);
  const violations = take(PROPERTIES.length * VIOLATION_WORDS);
  const reached = take(rules.keys.length);
  const rows = take(votes.length * VOTE_WORDS.length);
  for (const [index, { row }] of votes.entries()) rows.set(row, index * VOTE_WORDS.length);
  let explored = 0;
  while (tuple[0] >= 0 && !signal?.aborted) {
    explored += rules.rules.exploreTables(
      rows.byteOffset,
      states.length,
      replicas,
      tuple.byteOffset,
      placed.byteOffset,
      previous?.byteOffset ?? 0,
      actions.byteOffset,
      reached.byteOffset,
      violations.byteOffset,
      BUDGET,
    );
    progress(explored);
    await new Promise((resume) => setImmediate(resume));
  }
  const complete = tuple[0] < 0;
  if (complete && explored !== tableCount(states.length, replicas)) {
    throw new RangeError(`${explored} tables were explored of ${tableCount(states.length, replicas)}`);
  }
  return {
    states: explored,
    complete,
    violations: PROPERTIES.flatMap((property, index) => {
      const at = index * VIOLATION_WORDS;
      if (violations[at] === 0) return [];
      const found = [...violations.subarray(at + 1, at + 1 + replicas)];
      return [{ property, states: found, afterUbatches: previous !== undefined }];
    }),
    reached: Array.from(reached, (word) => word !== 0),
  };
}
