import type { AgreedShape, DecisionValue, DecisionView } from '../agreement/index.js';
import { checkArguments } from '../checks.js';
import { LockstepError } from '../errors.js';
import { VOTE_WORDS } from '../layout/index.js';
import { STEP_LOG_VERSION } from '../names.js';

/** Words of a row that only its receivers need, to trust it. A step log holds votes that were trusted. */
const ADMISSION_WORDS = ['decisionHash', 'seal'] as const;

/** Name of a word of a vote that says what its rank holds and wants. */
export type VoteWordName = Exclude<(typeof VOTE_WORDS)[number], `reserved${number}` | (typeof ADMISSION_WORDS)[number]>;

/** One line of a step log: the ranks' votes, words by their layout names, and the decision. */
export interface StepLogLine {
  /** Version of the form of a line. The layout's version, of the votes' words, is in the rows. */
  readonly schemaVersion: typeof STEP_LOG_VERSION;
  /** The step's number. */
  readonly step: number;
  /** By rank. Left out are words that the layout reserves, and those by which the row was trusted. */
  readonly rows: readonly Readonly<Record<VoteWordName, number>>[];
  /** What all ranks decided. */
  readonly decision: DecisionValue;
}

const NAMES: readonly (readonly [string, number])[] = VOTE_WORDS.map((name, index) => [name, index] as const).filter(
  ([name]) => !name.startsWith('reserved') && !(ADMISSION_WORDS as readonly string[]).includes(name),
);

/** Steps with equal decisions: the same table of votes except for step numbers and growing sequences. It is reused, so read it at once. */
export interface SimulatedSpan {
  /** Number of the first of them. */
  readonly step: number;
  /** Steps of the span. */
  readonly steps: number;
  /**
   * int32[32] of each rank: its vote in the first step. In every further one `step` is one more, and so is the `maxSeqLen` of a
   * rank that has requests.
   */
  readonly rows: readonly Int32Array[];
  /** The decision of the first step; those of the others differ in `step` alone. */
  readonly decision: DecisionView;
  /** The shape that the ranks agreed on; all 0 for a parked step. */
  readonly shape: AgreedShape;
}

/** A line of the log, by value. `rows`: int32[32] of each rank. */
export function stepLogLine(rows: readonly Int32Array[], decision: DecisionValue): StepLogLine {
  checkArguments('stepLogLine', { rows: [rows, 'objects'], decision: [decision, 'object', 'step'] });
  return {
    schemaVersion: STEP_LOG_VERSION,
    step: decision.step,
    rows: rows.map(
      (row) => Object.fromEntries(NAMES.map(([name, index]) => [name, row[index]])) as Record<VoteWordName, number>,
    ),
    decision,
  };
}

/** The line of a step that was resolved. `table`: int32[ranks, 32]. */
export function stepRecord(table: Int32Array, decision: DecisionView): StepLogLine {
  checkArguments('stepRecord', { table: [table, 'list'], decision: [decision, 'object', 'snapshot'] });
  checkArguments('stepRecord', { snapshot: [decision.snapshot, 'function'] });
  if (!(table instanceof Int32Array))
    throw new LockstepError('ERR_CONFIG_INVALID', 'table is no Int32Array; give the votes of all ranks', {});
  const ranks = table.length / VOTE_WORDS.length;
  const rows = Array.from({ length: ranks }, (_, rank) =>
    table.subarray(rank * VOTE_WORDS.length, (rank + 1) * VOTE_WORDS.length),
  );
  return stepLogLine(rows, decision.snapshot());
}

/** Every step of a span as a line of its own. */
export function* spanLines(span: SimulatedSpan): Generator<StepLogLine> {
  checkArguments('spanLines', { span: [span, 'object', 'rows', 'decision', 'step', 'steps'] });
  const { rows, decision, step, steps } = span;
  checkArguments('spanLines', { snapshot: [decision.snapshot, 'function'] });
  const first = stepLogLine(rows, decision.snapshot());
  for (let further = 0; further < steps; further++) {
    const at = step + further;
    yield {
      schemaVersion: first.schemaVersion,
      step: at,
      rows: first.rows.map((row) => ({
        ...row,
        step: at,
        maxSeqLen: row.tokens > 0 ? row.maxSeqLen + further : row.maxSeqLen,
      })),
      decision: { ...first.decision, step: at },
    };
  }
}
