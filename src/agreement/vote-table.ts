import type { Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { decisionWords, ENUMS, MAX_PARTS, VOTE_WORDS, word } from '../layout/index.js';
import { outliers } from '../numbers.js';
import type { DecisionView } from './decision.js';

export type ResolveStatus = keyof typeof ENUMS.RESOLVE;
type VoteWord = (typeof VOTE_WORDS)[number];

/** What the error of a refused table is made from. */
export interface RefusedTable {
  /** int32[ranks, 32]. */
  readonly table: Int32Array;
  readonly ranks: number;
  readonly step: number;
  /** The limits that all ranks share bound every vote. */
  readonly limits: Pick<Limits, 'maxNumSeqs' | 'maxNumBatchedTokens'>;
  /** The vote word of a rank that exceeds these limits, or -1. */
  readonly brokenLimit: (rank: number) => number;
  /** The first word of a rank's vote that no planner of this plan writes, or -1. */
  readonly wordOutOfRange: (rank: number) => number;
  /** int32[2, 32]: the least values of the words of a vote, then the largest. */
  readonly ranges: Int32Array;
  /** What the seal of a rank's row must be. */
  readonly sealOf: (rank: number) => number;
  /** Consecutive ranks that schedule the same batch. */
  readonly replicaSize: number;
  /** Index in the table of the first word in which a rank differs from the first of its replica, or -1. */
  readonly replicaOutlier: () => number;
}

/** The error that every rank throws for a table that `resolve` refused, naming the ranks at fault. */
export function tableRefusal(status: ResolveStatus, refused: RefusedTable): LockstepError {
  if (status === 'ok') throw new RangeError('a table that was not refused');
  if (status === 'fault') return rankFault(refused);
  if (status === 'limits') return beyondLimits(refused, refused.brokenLimit);
  if (status === 'range') return beyondLimits(refused, refused.wordOutOfRange);
  if (status === 'seal') return brokenSeal(refused);
  return status === 'replica' ? replicaDiverged(refused) : ranksDiverged(status, refused);
}

/** Throws ERR_INPUT_INVALID unless `table` is int32[ranks, 32] and `previous` is a decision of `ranks` ranks or null. */
export function checkTable(table: Int32Array, previous: DecisionView | null | undefined, ranks: number): void {
  if (!(table instanceof Int32Array)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The table is ${shown(table)}; it must be an Int32Array of all ranks' rows`,
    );
  }
  if (previous && !(previous.words instanceof Int32Array)) {
    throw new LockstepError('ERR_INPUT_INVALID', 'The previous decision must be one that resolve() returned, or null');
  }
  const expected = ranks * VOTE_WORDS.length;
  if (table.length !== expected) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The table has ${table.length} words; ${ranks} ranks make ${expected}`,
      { words: table.length, expected },
    );
  }
  if (previous && previous.words.length !== decisionWords(ranks)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `The previous decision is of ${previous.ranks} ranks, and this planner's are of ${ranks}`,
      { ranks: previous.ranks, expected: ranks },
    );
  }
}

/**
 * The error for a gathered table whose `row` of this rank is not its `vote`: the other ranks have decided about a batch that
 * this one does not hold.
 */
export function ownRowRefusal(row: Int32Array, vote: Int32Array, step: number, rank: number): LockstepError {
  const index = vote.findIndex((value, at) => row[at] !== value);
  const name = VOTE_WORDS[index];
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The table's row of this rank (${rank}) is not its vote in step ${step}: ${name} is ${row[index]}, and ${vote[index]} was voted; abandon() the step, and check that the all-gather puts each rank's row at its own place`,
    { step, what: 'own row', word: name, found: row[index], voted: vote[index], ranks: [rank] },
  );
}

function column({ table, ranks }: RefusedTable, name: VoteWord): number[] {
  return Array.from({ length: ranks }, (_, rank) => table[rank * VOTE_WORDS.length + word(VOTE_WORDS, name)]);
}

function rankFault(refused: RefusedTable): LockstepError {
  const { step } = refused;
  const all = column(refused, 'faultCode');
  const ranks = column(refused, 'control').flatMap((control, rank) => (control === ENUMS.CONTROL.fault ? [rank] : []));
  const codes = ranks.map((rank) => all[rank]);
  return new LockstepError(
    'ERR_RANK_FAULT',
    `Rank ${ranks.join(', ')} cannot run step ${step} (fault ${codes.join(', ')}); no rank runs it. Correct what made that rank vote a fault and take the step again, or end all ranks.`,
    { step, ranks, codes },
  );
}

/** The vote word a refusal is about, and what to do about it. */
const DIVERGENCES: Record<
  Exclude<ResolveStatus, 'ok' | 'fault' | 'limits' | 'replica' | 'seal' | 'range'>,
  { readonly name: VoteWord; readonly remedy: string }
> = {
  version: {
    name: 'version',
    remedy:
      'run the same version of Lockstep on every rank, with the same plan: a rank that still captures sends no vote',
  },
  step: { name: 'step', remedy: 'every rank must take every step' },
  plan: { name: 'planHash', remedy: 'give every rank the same policy, limits and captured keys' },
  decision: {
    name: 'decisionHash',
    remedy:
      'the ranks decided differently in the step before; end all ranks, and check memory and transport of those that differ',
  },
  previous: { name: 'step', remedy: 'the step must follow the previous decision: every rank must take every step' },
};

function ranksDiverged(status: keyof typeof DIVERGENCES, refused: RefusedTable): LockstepError {
  const { name, remedy } = DIVERGENCES[status];
  const values = column(refused, name);
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The ranks' votes do not belong together: ${name} by rank is ${values.join(', ')}; ${remedy}`,
    { step: refused.step, what: status, values, ranks: outliers(values) },
  );
}

/** Ranks of one replica that hold different batches: one of them runs another scheduler's step, or an older one. */
function replicaDiverged(refused: RefusedTable): LockstepError {
  const { replicaSize, step } = refused;
  const at = refused.replicaOutlier();
  const rank = Math.floor(at / VOTE_WORDS.length);
  const name = VOTE_WORDS[at % VOTE_WORDS.length];
  const first = rank - (rank % replicaSize);
  const values = column(refused, name).slice(first, first + replicaSize);
  const ranks = outliers(values).map((index) => first + index);
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Ranks ${first} to ${first + replicaSize - 1} are one replica and hold different batches: ${name} by rank is ${values.join(', ')} (see rank ${ranks.join(', ')}); give each of them the same edits, and let them differ in vetoes and faults alone`,
    { step, what: 'replica', word: name, values, ranks },
  );
}

/** Rows that are not what their rank voted: damaged on the way or in this rank's memory, at another rank's place, or from an older version. */
function brokenSeal(refused: RefusedTable): LockstepError {
  const { step } = refused;
  const ranks = column(refused, 'seal').flatMap((seal, rank) => (seal === refused.sealOf(rank) ? [] : [rank]));
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The row of rank ${ranks.join(', ')} in step ${step} is not as that rank sealed it: it was damaged on the way or here, or belongs to another rank; check the transport and this machine's memory`,
    { step, what: 'seal', ranks },
  );
}

/**
 * All ranks have the same limits, or their plans' hashes would differ. So such a vote was damaged before it was sealed, or was not written
 * by a planner. `brokenWord`: the word of a rank's vote that is wrong, or -1.
 */
function beyondLimits(refused: RefusedTable, brokenWord: (rank: number) => number): LockstepError {
  const broken = Array.from({ length: refused.ranks }, (_, rank) => brokenWord(rank));
  const ranks = broken.flatMap((index, rank) => (index < 0 ? [] : [rank]));
  const name = VOTE_WORDS[broken[ranks[0]]];
  const { values, limits } = measured(name, refused);
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The vote of rank ${ranks.join(', ')} is invalid: ${limits} by rank is ${values.join(', ')}; check that the all-gather brings rows unchanged`,
    { step: refused.step, what: 'limits', word: name, values, ranks },
  );
}

/** The values of each rank's vote that a limit bounds, and the bounds in words. */
function measured(name: VoteWord, refused: RefusedTable): { values: number[]; limits: string } {
  const { maxNumSeqs, maxNumBatchedTokens } = refused.limits;
  switch (name) {
    case 'control':
      return { values: column(refused, name), limits: 'control (0 run, 1 leave, 2 fault)' };
    case 'tokens':
      return {
        values: column(refused, name),
        limits: `tokens (at least one a request, at most maxNumBatchedTokens ${maxNumBatchedTokens})`,
      };
    case 'paddedTokens':
      return {
        values: column(refused, name),
        limits: `paddedTokens (at least as many as tokens: ${column(refused, 'tokens').join(', ')}; at most the largest key's)`,
      };
    case 'part0Tokens': {
      const parts = Array.from({ length: MAX_PARTS }, (_, part) => column(refused, `part${part}Tokens` as VoteWord));
      const values = column(refused, 'tokens').map((_, rank) => parts.reduce((sum, counts) => sum + counts[rank], 0));
      return { values, limits: `the tokens of all parts (as many as tokens: ${column(refused, 'tokens').join(', ')})` };
    }
    case 'prefillRequests':
    case 'decodeRequests':
      return { values: column(refused, name), limits: `${name} (of maxNumSeqs ${maxNumSeqs} requests in all)` };
    default: {
      const [low, high] = [0, VOTE_WORDS.length].map((end) => refused.ranges[end + word(VOTE_WORDS, name)]);
      return { values: column(refused, name), limits: `${name} (${low === high ? low : `${low} to ${high}`})` };
    }
  }
}
