import { type CaptureLack, GUARD_TAG, GuardTable, type OnAsymmetric } from './guard-row.js';

/** A rank that was not ready, and what it lacked. */
export interface LackingRank {
  readonly rank: number;
  readonly reason: CaptureLack;
  readonly lackingBytes: number;
}

/** A rank whose row does not match rank 0's, or that gave no guard row at all. */
export interface GuardDifference {
  readonly rank: number;
  readonly what: string;
}

/** What all ranks derive from the same table. */
export type GuardOutcome =
  | { readonly kind: 'run'; readonly key: number }
  | { readonly kind: 'skip'; readonly key: number }
  | {
      readonly kind: 'asymmetric';
      readonly key: number;
      readonly onAsymmetric: OnAsymmetric;
      readonly lacking: readonly LackingRank[];
    }
  | { readonly kind: 'diverged'; readonly differences: readonly GuardDifference[] };

/** The rule of the guard, a pure function of the gathered rows: i32[ranks * rowWords]. */
export function resolveGuard(table: Int32Array, rowWords: number): GuardOutcome {
  const rows = new GuardTable(table, rowWords);
  const differences = differencesOf(rows);
  if (differences.length > 0) return { kind: 'diverged', differences };
  const key = rows.word(0, 'key');
  const lacking: LackingRank[] = [];
  for (let rank = 0; rank < rows.ranks; rank++) {
    if (rows.word(rank, 'ready') === 1) continue;
    lacking.push({ rank, reason: rows.reason(rank), lackingBytes: rows.lackingBytes(rank) });
  }
  if (lacking.length === 0) return { kind: 'run', key };
  if (lacking.length === rows.ranks) return { kind: 'skip', key };
  return { kind: 'asymmetric', key, onAsymmetric: rows.word(0, 'drop') === 1 ? 'drop' : 'throw', lacking };
}

/** Names every rank that differs from the first rank in a guard, and that rank too, since none of them is known to be right. */
function differencesOf(rows: GuardTable): GuardDifference[] {
  const ranks = Array.from({ length: rows.ranks }, (_, rank) => rank);
  const described = ranks.map((rank) => describe(rows, rank));
  return described.every((what) => what === described[0] && what !== null)
    ? []
    : ranks.map((rank) => ({ rank, what: described[rank] ?? 'is in no guard of this version' }));
}

function describe(rows: GuardTable, rank: number): string | null {
  if (rows.word(rank, 'tag') !== GUARD_TAG) return null;
  return `guards key ${rows.word(rank, 'key')} with onAsymmetric '${rows.word(rank, 'drop') === 1 ? 'drop' : 'throw'}'`;
}
