import { LockstepError } from '../errors.js';
import { ENUMS, LAYOUT_VERSION, VOTE_WORDS, word } from './layout.js';

export type ResolveStatus = keyof typeof ENUMS.RESOLVE;

/** What the error of a refused table needs to know beside the table itself. */
export interface RefusedTable {
  /** int32[ranks, 32]. */
  readonly table: Int32Array;
  readonly ranks: number;
  readonly step: number;
  /** Whether a rank's vote is within the limits that all ranks share. */
  readonly withinLimits: (rank: number) => boolean;
}

/** The error that every rank throws about a table that `resolve` refused, naming the ranks it is about. */
export function tableRefusal(status: ResolveStatus, refused: RefusedTable): LockstepError {
  return status === 'fault' ? rankFault(refused) : ranksDiverged(status, refused);
}

function column({ table, ranks }: RefusedTable, name: (typeof VOTE_WORDS)[number]): number[] {
  return Array.from({ length: ranks }, (_, rank) => table[rank * VOTE_WORDS.length + word(VOTE_WORDS, name)]);
}

function rankFault(refused: RefusedTable): LockstepError {
  const { step } = refused;
  const all = column(refused, 'faultCode');
  const ranks = column(refused, 'control').flatMap((control, rank) => (control === ENUMS.CONTROL.fault ? [rank] : []));
  const codes = ranks.map((rank) => all[rank]);
  return new LockstepError(
    'ERR_RANK_FAULT',
    `Rank ${ranks.join(', ')} cannot run step ${step} (fault ${codes.join(', ')}); no rank runs it`,
    { step, ranks, codes },
  );
}

/** The vote word a refusal is about, and what to do about it. */
const DIVERGENCES: Record<
  Exclude<ResolveStatus, 'ok' | 'fault'>,
  { name: (typeof VOTE_WORDS)[number]; remedy: string }
> = {
  version: { name: 'version', remedy: 'run the same version of Lockstep on every rank' },
  step: { name: 'step', remedy: 'every rank must take every step' },
  plan: { name: 'planHash', remedy: 'give every rank the same policy, limits and captured keys' },
  previous: { name: 'step', remedy: 'the step must follow the previous decision: every rank must take every step' },
  limits: { name: 'tokens', remedy: 'a vote is beyond the limits that all ranks share' },
};

function ranksDiverged(status: Exclude<ResolveStatus, 'fault'>, refused: RefusedTable): LockstepError {
  if (status === 'ok') throw new RangeError('a table that was not refused');
  const { name, remedy } = DIVERGENCES[status];
  const values = column(refused, name);
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The ranks' votes do not belong together: ${name} by rank is ${values.join(', ')}; ${remedy}`,
    { step: refused.step, what: status, values, ranks: blamed(status, values, refused) },
  );
}

function blamed(status: ResolveStatus, values: readonly number[], refused: RefusedTable): number[] {
  const ranks = Array.from(values, (_, rank) => rank);
  if (status === 'version') return ranks.filter((rank) => values[rank] !== LAYOUT_VERSION);
  if (status === 'limits') return ranks.filter((rank) => !refused.withinLimits(rank));
  return minority(values);
}

/** Ranks whose value is not the most frequent one. */
function minority(values: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const common = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  return values.flatMap((value, rank) => (value === common ? [] : [rank]));
}
