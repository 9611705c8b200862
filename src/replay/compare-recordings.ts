import { checkArguments } from '../checks.js';
import { LockstepError } from '../errors.js';
import { indexOf, VOTE_WORDS } from '../layout/index.js';
import { outliers } from '../numbers.js';
import type { Recording, StepRecord } from '../recorder/index.js';
import { firstToLeave, type Leavers, lastFaulty } from './first-to-leave.js';
import { type LastStep, lastStep } from './last-step.js';

/** A step in which ranks have recorded what cannot be of one group. */
export interface Difference {
  /** Number of the earliest step that differs. */
  readonly step: number;
  /** What differs: the number of its all-gather, a row in a gathered table, a word of the votes that all ranks share, or the decision. */
  readonly what: 'sequence' | 'table' | 'vote' | 'decision';
  /** Those that differ from most; all of them where no more agree on one thing than on another. */
  readonly ranks: readonly number[];
  /** The difference as a sentence. */
  readonly detail: string;
}

/** What recordings of one group say together. */
export interface ComparedRecordings extends Leavers {
  /** Ranks of the group. */
  readonly ranks: number;
  /** Ranks of the group without a recording, or without a step or a capture in it. */
  readonly missing: readonly number[];
  /** The last step of each rank that has a recording, by rank. */
  readonly last: readonly LastStep[];
  /** The earliest difference; null where there is none. */
  readonly difference: Difference | null;
  /** Ranks at fault, where that can be known: those of the earliest difference, else those that voted the fault by which all ended, else `first`. */
  readonly culprits: readonly number[];
}

/** Compares the recordings of the ranks of one group. Errors: ERR_INPUT_INVALID where they cannot be of one. */
export function compareRecordings(recordings: readonly Recording[]): ComparedRecordings {
  checkArguments('compareRecordings', { recordings: [recordings, 'objects'] });
  const ranks = recordings[0]?.ranks ?? 0;
  for (const [index, each] of recordings.entries()) {
    const twin = recordings.find((other, at) => at !== index && other.rank === each.rank);
    if (each.ranks === ranks && twin === undefined) continue;
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      twin === undefined
        ? `${each.source} is of a group of ${each.ranks} ranks, and ${recordings[0]?.source} of one of ${ranks}; give the recordings of one run`
        : `${each.source} and ${twin.source} are both of rank ${each.rank}; give the recordings of one run`,
      { ranks: [each.ranks, ranks], rank: each.rank },
    );
  }
  const said = recordings.filter(({ run }) => run !== null);
  const other = said.find(({ run }) => run !== said[0]?.run);
  if (other !== undefined) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${other.source} and ${said[0]?.source} are of two runs; give the recordings of one run`,
      { ranks: [said[0]?.rank, other.rank] },
    );
  }
  const last = recordings.flatMap((each) => lastStep(each) ?? []).sort((a, b) => a.rank - b.rank);
  const missing = Array.from({ length: ranks }, (_, rank) => rank).filter((rank) =>
    last.every((each) => each.rank !== rank),
  );
  const difference = firstDifference(recordings);
  const { first, behind, apart } = firstToLeave(recordings);
  const faulty = lastFaulty(recordings);
  const blamed = faulty.length > 0 ? faulty : first === null ? [] : [first.rank];
  return { ranks, missing, last, difference, first, behind, apart, culprits: difference?.ranks ?? blamed };
}

/** The earliest step that ranks recorded differently, of all that two or more of them hold: a ring may be shorter than others, or empty. */
function firstDifference(recordings: readonly Recording[]): Difference | null {
  const byStep = recordings.map(({ records }) => attempts(records));
  const steps = [...new Set(byStep.flatMap((held) => [...held.keys()]))];
  const from = steps[0] ?? 0;
  // Numbers of steps are of 32 bits and wrap.
  for (const step of steps.sort((a, b) => ((a - from) | 0) - ((b - from) | 0))) {
    const held = recordings.flatMap(({ rank }, index) => {
      const records = byStep[index]?.get(step);
      return records === undefined ? [] : [{ rank, records }];
    });
    const found = differenceOf(step, sameAttempt(held));
    if (found !== null) return found;
  }
  return null;
}

/** The attempts at each step. One that never entered its all-gather counts only where there is no other: the group had ended by then. */
function attempts(records: readonly StepRecord[]): ReadonlyMap<number, readonly StepRecord[]> {
  const byStep = new Map<number, readonly StepRecord[]>();
  for (const record of records) {
    const before = byStep.get(record.step) ?? [];
    if (!record.refused || before.length === 0)
      byStep.set(record.step, [...before.filter((each) => !each.refused), record]);
  }
  return byStep;
}

/** Of ranks that tried a step several times, since it ended by a fault, the last attempt that all of them made; else each one's last. */
function sameAttempt(
  held: readonly { rank: number; records: readonly StepRecord[] }[],
): readonly { rank: number; record: StepRecord }[] {
  const at = (records: readonly StepRecord[], sequence: number) => records.find((each) => each.sequence === sequence);
  const shared = held[0]?.records.findLast(({ sequence }) => held.every(({ records }) => at(records, sequence)));
  return held.map(({ rank, records }) => ({
    rank,
    record: (shared && at(records, shared.sequence)) ?? (records.at(-1) as StepRecord),
  }));
}

function differenceOf(step: number, each: readonly { rank: number; record: StepRecord }[]): Difference | null {
  const named = (indices: readonly number[]): number[] => indices.map((index) => each[index]?.rank as number);
  const sequences = outliers(each.map(({ record }) => record.sequence));
  if (sequences.length > 0) {
    const detail = each.map(({ rank, record }) => `rank ${rank} all-gather ${record.sequence}`).join(', ');
    return { step, what: 'sequence', ranks: named(sequences), detail: `the step is of ${detail}` };
  }
  const gathered = each.filter(({ record }) => record.table !== null);
  // A rank's own row is what it voted; what a peer gathered in its place is what reached that peer.
  for (const { rank, record } of each) {
    const at = rank * VOTE_WORDS.length;
    const wrong = gathered.filter(({ record: { table } }) =>
      record.row.some((word, index) => table?.[at + index] !== word),
    );
    if (wrong.length === 0) continue;
    const ranks = wrong.length === gathered.length && wrong.length > 1 ? [rank] : wrong.map((other) => other.rank);
    const holders = wrong.map((other) => other.rank).join(', ');
    return { step, what: 'table', ranks, detail: `rank ${holders} holds another row of rank ${rank} than it voted` };
  }
  for (const name of SHARED_WORDS) {
    const values = each.map(({ record }) => record.row[V[name]]);
    const votes = outliers(values);
    if (votes.length === 0) continue;
    const detail = each.map(({ rank }, index) => `rank ${rank} voted with ${name} ${values[index]}`).join(', ');
    return { step, what: 'vote', ranks: named(votes), detail };
  }
  const built = each.filter(({ record }) => record.decisionHash !== null);
  const decisions = outliers(built.map(({ record }) => record.decisionHash));
  if (decisions.length === 0) return null;
  const ranks = decisions.map((index) => built[index]?.rank as number);
  return { step, what: 'decision', ranks, detail: `rank ${ranks.join(', ')} built another decision than the others` };
}

const V = indexOf(VOTE_WORDS);
/** Words that are equal in the votes of all ranks. */
const SHARED_WORDS = ['version', 'planHash', 'decisionHash'] as const;
