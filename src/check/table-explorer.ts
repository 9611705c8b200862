import type { RawRules } from '../agreement/index.js';
import {
  ACTION_WORDS,
  DECISION_WORDS,
  decisionWords,
  MAX_CHECK_RANKS,
  PROPERTIES,
  VIOLATION_WORDS,
  VOTE_WORDS,
  word,
} from '../layout/index.js';
import { type ReplicaState, STEP } from './domain.js';
import type { Property } from './properties.js';
import { type Slice, tableAt, tableCount } from './tables.js';

/** A table that breaks a property: the state of each replica, by index. */
export interface FoundViolation {
  readonly property: Property;
  readonly states: readonly number[];
}

/** What a slice came to. */
export interface SliceFindings {
  /** The first table of each property that is broken. */
  readonly violations: readonly FoundViolation[];
  /** Keys that some table runs on, by index. */
  readonly reached: readonly number[];
}

/** Words of the region `check` for an exploration of states with `votes` votes in all, over `keys` keys. */
export function checkWords(votes: number, keys: number): number {
  const actions = MAX_CHECK_RANKS * ACTION_WORDS.length;
  return actions + 2 * MAX_CHECK_RANKS + PROPERTIES.length * VIOLATION_WORDS + keys + votes * VOTE_WORDS.length;
}

/** Holds the tables of one number of ranks against the laws, in a memory of its own. */
export class TableExplorer {
  /** Tables of these ranks in one past. */
  readonly tables: number;
  readonly #rules: RawRules;
  readonly #states: number;
  readonly #replicas: number;
  readonly #actions: Int32Array<ArrayBuffer>;
  readonly #tuple: Int32Array<ArrayBuffer>;
  readonly #placed: Int32Array<ArrayBuffer>;
  readonly #violations: Int32Array<ArrayBuffer>;
  readonly #reached: Int32Array<ArrayBuffer>;
  readonly #rows: Int32Array<ArrayBuffer>;

  /** `rules` have room for `checkWords` of the votes of `states`. */
  constructor(rules: RawRules, states: readonly ReplicaState[]) {
    const votes = states.flat();
    this.#rules = rules;
    this.#states = states.length;
    this.#replicas = rules.ranks / states[0].length;
    this.tables = tableCount(states.length, this.#replicas);
    const words = rules.memory.words('check');
    let next = 0;
    const take = (count: number): Int32Array<ArrayBuffer> => {
      next += count;
      return words.subarray(next - count, next);
    };
    this.#actions = take(MAX_CHECK_RANKS * ACTION_WORDS.length);
    this.#tuple = take(MAX_CHECK_RANKS);
    this.#placed = take(MAX_CHECK_RANKS);
    this.#violations = take(PROPERTIES.length * VIOLATION_WORDS);
    this.#reached = take(rules.keys.length);
    this.#rows = take(votes.length * VOTE_WORDS.length);
    for (const [index, { row }] of votes.entries()) this.#rows.set(row, index * VOTE_WORDS.length);
  }

  /** Explores a slice. What it finds does not depend on what was explored before. */
  explore({ first, count, afterUbatches }: Slice): SliceFindings {
    const rules = this.#rules;
    this.#tuple.set(tableAt(first, this.#states, this.#replicas));
    this.#violations.fill(0);
    this.#reached.fill(0);
    const explored = rules.rules.exploreTables(
      this.#rows.byteOffset,
      this.#states,
      this.#replicas,
      this.#tuple.byteOffset,
      this.#placed.byteOffset,
      afterUbatches ? ubatchedStep(rules).byteOffset : 0,
      this.#actions.byteOffset,
      this.#reached.byteOffset,
      this.#violations.byteOffset,
      count,
    );
    if (explored !== count) throw new RangeError(`${explored} tables were explored of ${count} from place ${first} on`);
    return {
      violations: this.#found(),
      reached: rules.keys.flatMap((_, key) => (this.#reached[key] === 0 ? [] : [key])),
    };
  }

  #found(): FoundViolation[] {
    return PROPERTIES.flatMap((property, index) => {
      const words = this.#violations.subarray(index * VIOLATION_WORDS, (index + 1) * VIOLATION_WORDS);
      return words[0] === 0 ? [] : [{ property, states: [...words.subarray(1, 1 + this.#replicas)] }];
    });
  }
}

/** A decision of the step before that ran in micro-batches, in the memory of `rules`. */
export function ubatchedStep(rules: RawRules): Int32Array<ArrayBuffer> {
  const words = rules.memory.words('previous').subarray(0, decisionWords(rules.ranks)).fill(0);
  words[word(DECISION_WORDS, 'step')] = STEP - 1;
  words[word(DECISION_WORDS, 'parts')] = rules.policy.ubatches;
  return words;
}
