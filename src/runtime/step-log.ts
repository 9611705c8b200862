import type { DecisionValue, DecisionView } from '../planner/decision.js';
import { VOTE_WORDS } from '../planner/layout.js';

export type VoteWordName = Exclude<(typeof VOTE_WORDS)[number], `reserved${number}`>;

/** One step as a step log's line holds it: every rank's vote by its words' names, and what came of them. */
export interface StepRecord {
  readonly step: number;
  /** By rank. */
  readonly rows: readonly Readonly<Record<VoteWordName, number>>[];
  readonly decision: DecisionValue;
}

const NAMED_WORDS = VOTE_WORDS.flatMap((name, word) => (name.startsWith('reserved') ? [] : [{ name, word }]));

/** The record of a step. `table`: int32[ranks, 32], as it was resolved. */
export function stepRecord(table: Int32Array, decision: DecisionView): StepRecord {
  const rows = Array.from({ length: table.length / VOTE_WORDS.length }, (_, rank) => {
    const from = rank * VOTE_WORDS.length;
    return Object.fromEntries(NAMED_WORDS.map(({ name, word }) => [name, table[from + word]])) as Record<
      VoteWordName,
      number
    >;
  });
  return { step: decision.step, rows, decision: decision.snapshot() };
}
