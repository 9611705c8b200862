import { checkArguments } from '../checks.js';
import { LockstepError } from '../errors.js';
import { indexOf, nameIn, VOTE_WORDS } from '../layout/index.js';
import { outliers } from '../numbers.js';
import { RECORD_STATES, type Recording, type RecordState, type StepRecord } from '../recorder/index.js';

/** Where a rank's recording ends. */
export interface LastStep {
  /** The rank, from 0. */
  readonly rank: number;
  /** Number of its last step. */
  readonly step: number;
  /** The all-gather of that step, from 1. */
  readonly sequence: number;
  /** How far the step came. */
  readonly state: Exclude<RecordState, 'none'>;
  /** Whether it never entered that all-gather. */
  readonly refused: boolean;
  /** Code of the error that the step ended with; null where there was none, or no time to say so. */
  readonly error: string | null;
  /** What it had voted. */
  readonly vote: {
    /** Whether to `run`, to `leave` or to report a `fault`; `damaged` for a word that is none of these. */
    readonly control: string;
    /** Real tokens. */
    readonly tokens: number;
    /** Requests that prefill. */
    readonly prefills: number;
    /** Requests that decode. */
    readonly decodes: number;
  };
}

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
export interface ComparedRecordings {
  /** Ranks of the group. */
  readonly ranks: number;
  /** Ranks of the group without a recording, or without a step in it. */
  readonly missing: readonly number[];
  /** The last step of each rank that has a recording, by rank. */
  readonly last: readonly LastStep[];
  /** The earliest difference; null where there is none. */
  readonly difference: Difference | null;
  /** The rank that left step first: the only one with an error of its own, behind all others, or that stopped without a word; null if none is known. */
  readonly first: LastStep | null;
  /** Ranks behind all others, where there are several: which of them left first is not known. */
  readonly behind: readonly number[];
  /** Ranks at fault, where that can be known: those of the earliest difference, else those that voted a fault, else `first`. */
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
  const last = recordings.flatMap((each) => lastStep(each)).sort((a, b) => a.rank - b.rank);
  const missing = Array.from({ length: ranks }, (_, rank) => rank).filter((rank) =>
    last.every((each) => each.rank !== rank),
  );
  const difference = firstDifference(recordings);
  const { first, behind } = firstToLeave(last);
  const faulty = last
    .filter(({ error, vote }) => error === 'ERR_RANK_FAULT' && vote.control === 'fault')
    .map(({ rank }) => rank);
  const blamed = faulty.length > 0 ? faulty : first === null ? [] : [first.rank];
  return { ranks, missing, last, difference, first, behind, culprits: difference?.ranks ?? blamed };
}

function lastStep({ rank, records }: Recording): LastStep[] {
  const record = records.at(-1);
  if (record === undefined) return [];
  const { step, sequence, state, refused, error, row } = record;
  const vote = {
    control: nameIn('CONTROL', row[V.control] as number) ?? 'damaged',
    tokens: row[V.tokens] as number,
    prefills: row[V.prefillRequests] as number,
    decodes: row[V.decodeRequests] as number,
  };
  return [{ rank, step, sequence, state, refused, error, vote }];
}

/** Errors by which a rank learns of another's end. */
const TOLD: readonly (string | null)[] = ['ERR_RANK_LOST', 'ERR_COLLECTIVE_TIMEOUT', null];

/** The rank that left step first, or those of which one did. */
function firstToLeave(last: readonly LastStep[]): { first: LastStep | null; behind: readonly number[] } {
  const nobody = { first: null, behind: [] };
  const [some] = last;
  const ended = last.every(({ state, error }) => state === 'launched' && error === null);
  if (some === undefined || (ended && last.every((each) => each.sequence === some.sequence))) return nobody;
  // A rank that failed by itself left before those that only heard of it.
  const own = last.filter(({ error }) => !TOLD.includes(error));
  if (own.length === 1) return { first: own[0] as LastStep, behind: [] };
  // One that stopped without a word is the only one without an error, or, where it came back later, behind the others.
  const silent = last.filter(({ error }) => error === null);
  if (silent.length === 1 && own.length === 0) return { first: silent[0] as LastStep, behind: [] };
  const steps = last.map((each) => progress(each, some.sequence));
  const behind = last.filter((_, index) => steps[index] === Math.min(...steps));
  if (behind.length === last.length) return nobody;
  const [only] = behind;
  return behind.length === 1
    ? { first: only as LastStep, behind: [] }
    : { first: null, behind: behind.map(({ rank }) => rank) };
}

/** How far a rank came beyond all-gather `from`, as one number. Sequence numbers are of 32 bits and wrap. */
function progress({ sequence, state, refused }: LastStep, from: number): number {
  return ((sequence - from) | 0) * RECORD_STATES.length + (refused ? 0 : RECORD_STATES.indexOf(state));
}

/** The earliest step that ranks recorded differently, of all that two or more of them hold: a ring may be shorter than others, or empty. */
function firstDifference(recordings: readonly Recording[]): Difference | null {
  const byStep = recordings.map(({ records }) => attempts(records));
  const steps = [...new Set(byStep.flatMap((held) => [...held.keys()]))];
  const from = steps[0] ?? 0;
  // Numbers of steps are of 32 bits and wrap.
  for (const step of steps.sort((a, b) => ((a - from) | 0) - ((b - from) | 0))) {
    const each = recordings.flatMap(({ rank }, index) => {
      const record = byStep[index]?.get(step);
      return record === undefined ? [] : [{ rank, record }];
    });
    const found = differenceOf(step, each);
    if (found !== null) return found;
  }
  return null;
}

/** The last attempt at each step. One that never entered its all-gather counts only where there is no other: the group had ended by then. */
function attempts(records: readonly StepRecord[]): ReadonlyMap<number, StepRecord> {
  const byStep = new Map<number, StepRecord>();
  for (const record of records) if (!record.refused || !byStep.has(record.step)) byStep.set(record.step, record);
  return byStep;
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
