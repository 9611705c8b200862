import type { LockstepError } from '../../../dist/errors.js';
import type { Random } from '../../../dist/workload/random.js';
import { GATHERS } from './capture-case.js';

/** How ranks may end, or not. Each kind has one rank that is at fault, the culprit. */
export const FAULTS = {
  none: 'nothing happens but delays',
  'device fails': "the culprit's device fails before its vote, once",
  'caller votes a fault': 'the culprit votes a fault, once',
  'rank dies': "the culprit's process ends",
  'rank stalls': 'the culprit takes no step for three deadlines',
  'bit flips in one table': 'one bit of the table that the culprit gathered flips',
  'stale row in one table': 'a row of the table that the culprit gathered is that of the step before',
  'row twice in one table': 'a row of the table that the culprit gathered is at the place of another, too',
  'bit flips in a sent row': 'one bit of what the culprit sends to all flips',
  'stale row is sent': 'the culprit sends the row of the step before again',
  'bit flips in a message': 'one bit of a row flips on the way to the culprit',
  'message is lost': 'a row of the culprit does not reach one rank',
  'message comes twice': 'a row of the culprit reaches one rank twice',
  'launch fails': "the culprit's device refuses a step that all ranks agreed on",
  'recorder fails': "the culprit's recorder throws between its gather and its launch",
  'caller aborts': "the signal of the culprit's step is aborted at some time of it",
  'rank is disposed of': 'the culprit is disposed of at some time of its step',
  'gathers once too often': 'the culprit enters an all-gather that belongs to no step',
  'other plan': 'the culprit drops a key that the others keep',
  'forward breaks': "the culprit's forward throws",
  'rank is late': "the culprit's vote arrives as its peers give up, and who has it then computes for long",
} as const;
export type FaultKind = keyof typeof FAULTS;

/** Those that need messages. */
const OF_MESSAGES: readonly FaultKind[] = ['bit flips in a message', 'message is lost', 'message comes twice'];
/** Those that may also happen while ranks capture. */
export const OF_CAPTURES: readonly FaultKind[] = [
  'rank dies',
  'rank stalls',
  'gathers once too often',
  'bit flips in one table',
  'bit flips in a sent row',
  'message is lost',
  'message comes twice',
  'caller aborts',
  'rank is disposed of',
  'forward breaks',
];
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

export interface Fault {
  readonly kind: FaultKind;
  readonly culprit: number;
  /** Another rank that the fault touches. */
  readonly other: number;
  /** The step in which it happens, counted from 0; -1 while the ranks capture. */
  readonly step: number;
  /** Of a capture: the all-gather before which it happens, counted from 0. */
  readonly gather: number;
  /** When it happened: milliseconds of the simulation; -1 before. */
  at: number;
}

/** Draws a fault, with a step below `steps`; `early` has it come while the ranks capture, if it can. */
export function drawFault(
  random: Random,
  ranks: number,
  steps: number,
  messages: boolean,
  given: FaultKind | undefined,
  early: boolean,
): Fault {
  const kinds = FAULT_KINDS.filter(
    (each) => (messages || !OF_MESSAGES.includes(each)) && (!early || OF_CAPTURES.includes(each)),
  );
  const kind = given ?? kinds[random.below(kinds.length)];
  const culprit = random.below(ranks);
  const other = (culprit + 1 + random.below(ranks - 1)) % ranks;
  const captures = OF_CAPTURES.includes(kind) && (early || random.below(4) === 0);
  const step = captures ? -1 : 1 + random.below(steps - 1);
  return { kind, culprit, other, step, gather: random.below(GATHERS), at: -1 };
}

/** How a rank's task ended. */
export type End =
  | { readonly how: 'left' | 'dead'; readonly at: number }
  | { readonly how: 'error'; readonly at: number; readonly error: LockstepError };

/** What must become of the ranks. */
interface Verdict {
  /** How the culprit ends: one of these codes, or without an error. */
  readonly culprit: readonly string[];
  /** How the others end. */
  readonly others: readonly string[];
  /** Whether all ends come within a tenth of the deadline of the fault. */
  readonly atOnce: boolean;
  /** Whether the recordings of all ranks name the culprit. */
  readonly recorded: boolean;
}

const LOST = ['ERR_RANK_LOST'];
const DIVERGED = ['ERR_RANKS_DIVERGED'];
const here = (code: string): Verdict => ({ culprit: [code], others: LOST, atOnce: true, recorded: true });
const GOES_ON: Verdict = { culprit: ['left'], others: ['left'], atOnce: false, recorded: false };
const EVERYWHERE: Verdict = { culprit: DIVERGED, others: DIVERGED, atOnce: true, recorded: true };
const LATE = ['ERR_COLLECTIVE_TIMEOUT', 'ERR_RANK_LOST'];

const VERDICTS: Readonly<Record<FaultKind, Verdict>> = {
  none: GOES_ON,
  'device fails': GOES_ON,
  'caller votes a fault': GOES_ON,
  'rank dies': { culprit: ['dead'], others: LOST, atOnce: true, recorded: true },
  'rank stalls': { culprit: LOST, others: LATE, atOnce: false, recorded: true },
  'bit flips in one table': here('ERR_RANKS_DIVERGED'),
  'stale row in one table': here('ERR_RANKS_DIVERGED'),
  'row twice in one table': here('ERR_RANKS_DIVERGED'),
  'bit flips in a sent row': EVERYWHERE,
  'stale row is sent': EVERYWHERE,
  'bit flips in a message': here('ERR_RANKS_DIVERGED'),
  'message is lost': { culprit: LATE, others: [...LATE, ...DIVERGED], atOnce: false, recorded: false },
  'message comes twice': { culprit: LOST, others: [...LOST, ...DIVERGED], atOnce: true, recorded: false },
  'launch fails': here('ERR_DEVICE_LOST'),
  'recorder fails': here('ERR_RANK_FAULT'),
  'caller aborts': here('ERR_ABORTED'),
  'rank is disposed of': here('ERR_DISPOSED'),
  'gathers once too often': { culprit: [...LOST, ...DIVERGED], others: DIVERGED, atOnce: true, recorded: true },
  'other plan': EVERYWHERE,
  'forward breaks': here('ERR_RANK_FAULT'),
  'rank is late': { culprit: ['left', ...LATE], others: ['left', ...LATE], atOnce: false, recorded: false },
};

export function verdictOf({ kind, step }: Fault): Verdict {
  // A capture that is given up ends on all ranks alike, and all capture again.
  if (kind === 'caller aborts' && step < 0) return GOES_ON;
  return VERDICTS[kind];
}

/** Whether the error of a rank names `culprit`: as the lost one, as the only one that is missing or differs, or in the reason of who ended the group. */
export function names(error: LockstepError, culprit: number): boolean {
  const { rank, ranks, missing } = error.details as {
    rank?: number;
    ranks?: readonly number[];
    missing?: readonly { rank: number }[];
  };
  const named = ranks ?? missing?.map((each) => each.rank);
  if (named !== undefined) return named.length === 1 && named[0] === culprit;
  return rank === culprit || new RegExp(`rank ${culprit}\\b`, 'i').test(error.message);
}
