import type { Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { ENUMS, LAYOUT_VERSION, MAX_PARTS, VOTE_WORDS, word } from './layout.js';

export type ResolveStatus = keyof typeof ENUMS.RESOLVE;
type VoteWord = (typeof VOTE_WORDS)[number];

/** What the error of a refused table needs to know beside the table itself. */
export interface RefusedTable {
  /** int32[ranks, 32]. */
  readonly table: Int32Array;
  readonly ranks: number;
  readonly step: number;
  /** Those that all ranks share say how large a vote can be. */
  readonly limits: Pick<Limits, 'maxNumSeqs' | 'maxNumBatchedTokens'>;
  /** The vote word of a rank that is beyond them, or -1. */
  readonly brokenLimit: (rank: number) => number;
}

/** The error that every rank throws about a table that `resolve` refused, naming the ranks it is about. */
export function tableRefusal(status: ResolveStatus, refused: RefusedTable): LockstepError {
  if (status === 'ok') throw new RangeError('a table that was not refused');
  if (status === 'fault') return rankFault(refused);
  return status === 'limits' ? beyondLimits(refused) : ranksDiverged(status, refused);
}

/**
 * Throws ERR_RANKS_DIVERGED, naming this rank, where `row` of the gathered table is not its `vote`: the other ranks have
 * decided about a batch that this one does not hold.
 */
export function checkOwnRow(row: Int32Array, vote: Int32Array, step: number, rank: number): void {
  for (let index = 0; index < vote.length; index++) {
    if (row[index] === vote[index]) continue;
    const name = VOTE_WORDS[index];
    throw new LockstepError(
      'ERR_RANKS_DIVERGED',
      `The table's row of this rank (${rank}) is not its vote in step ${step}: ${name} is ${row[index]}, and ${vote[index]} was voted; abandon() the step, and check that the all-gather puts each rank's row at its own place`,
      { step, what: 'own row', word: name, found: row[index], voted: vote[index], ranks: [rank] },
    );
  }
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
    `Rank ${ranks.join(', ')} cannot run step ${step} (fault ${codes.join(', ')}); no rank runs it. Mend what made that rank vote a fault and take the step again, or end all ranks.`,
    { step, ranks, codes },
  );
}

/** The vote word a refusal is about, and what to do about it. */
const DIVERGENCES: Record<
  Exclude<ResolveStatus, 'ok' | 'fault' | 'limits'>,
  { readonly name: VoteWord; readonly remedy: string }
> = {
  version: { name: 'version', remedy: 'run the same version of Lockstep on every rank' },
  step: { name: 'step', remedy: 'every rank must take every step' },
  plan: { name: 'planHash', remedy: 'give every rank the same policy, limits and captured keys' },
  replica: {
    name: 'tokens',
    remedy: 'ranks of one replica must schedule the same batch',
  },
  previous: { name: 'step', remedy: 'the step must follow the previous decision: every rank must take every step' },
};

function ranksDiverged(status: keyof typeof DIVERGENCES, refused: RefusedTable): LockstepError {
  const { name, remedy } = DIVERGENCES[status];
  const values = column(refused, name);
  const other = values.flatMap((value, rank) => (value === LAYOUT_VERSION ? [] : [rank]));
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The ranks' votes do not belong together: ${name} by rank is ${values.join(', ')}; ${remedy}`,
    { step: refused.step, what: status, values, ranks: status === 'version' ? other : outliers(values) },
  );
}

/** Ranks whose value is not the most frequent one. Where several are, none is known to be right, and all ranks are named. */
function outliers(values: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const common = [...counts].filter(([, count]) => count === most);
  return values.flatMap((value, rank) => (common.length === 1 && value === common[0][0] ? [] : [rank]));
}

/** All ranks have the same limits, or their plans' hashes would differ: such a vote is damaged, or none of ours. */
function beyondLimits(refused: RefusedTable): LockstepError {
  const broken = Array.from({ length: refused.ranks }, (_, rank) => refused.brokenLimit(rank));
  const ranks = broken.flatMap((index, rank) => (index < 0 ? [] : [rank]));
  const name = VOTE_WORDS[broken[ranks[0]]];
  const { values, told } = measured(name, refused);
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The vote of rank ${ranks.join(', ')} cannot be one: ${told} by rank is ${values.join(', ')}; check that the all-gather brings rows unchanged`,
    { step: refused.step, what: 'limits', word: name, values, ranks },
  );
}

/** What of each rank's vote a limit is about, and its bounds in words. */
function measured(name: VoteWord, refused: RefusedTable): { values: number[]; told: string } {
  const { maxNumSeqs, maxNumBatchedTokens } = refused.limits;
  switch (name) {
    case 'control':
      return { values: column(refused, name), told: 'control (0 run, 1 leave, 2 fault)' };
    case 'tokens':
      return {
        values: column(refused, name),
        told: `tokens (at least one a request, at most maxNumBatchedTokens ${maxNumBatchedTokens})`,
      };
    case 'part0Tokens': {
      const parts = Array.from({ length: MAX_PARTS }, (_, part) => column(refused, `part${part}Tokens` as VoteWord));
      const values = column(refused, 'tokens').map((_, rank) => parts.reduce((sum, counts) => sum + counts[rank], 0));
      return { values, told: `the tokens of all parts (as many as tokens: ${column(refused, 'tokens').join(', ')})` };
    }
    default:
      return { values: column(refused, name), told: `${name} (of maxNumSeqs ${maxNumSeqs} requests in all)` };
  }
}
