import { outliers } from '../../numbers.js';
import { type CaptureLack, GUARD_TAG, type GuardStage, GuardTable, type OnAsymmetric } from './guard-row.js';

/** A rank that was not ready, and what it lacked. */
export interface LackingRank {
  /** The rank, from 0. */
  readonly rank: number;
  /** What it lacked. */
  readonly reason: CaptureLack;
  /** Bytes of device memory that it lacked; 0 where it lacked none, or does not know how many. */
  readonly lackingBytes: number;
}

/** A rank whose row does not match that of most ranks, or that gave no guard row at all. */
export interface GuardDifference {
  /** The rank, from 0. */
  readonly rank: number;
  /** What it does, in words. */
  readonly what: string;
}

/** What all ranks derive from the same table. */
export type GuardOutcome =
  /** Every rank is ready: all go on with the key. */
  | { readonly kind: 'run'; readonly key: number }
  /** No rank is ready: all go on without the key. */
  | { readonly kind: 'skip'; readonly key: number }
  /** The callers of `ranks` aborted: all end the capture. */
  | { readonly kind: 'aborted'; readonly key: number; readonly ranks: readonly number[] }
  /** The ranks captured different collectives. */
  | {
      readonly kind: 'collectives';
      /** The key's index in the plan. */
      readonly key: number;
      /** Those that captured other collectives than most. */
      readonly ranks: readonly number[];
      /** What each rank that holds the key captured, in words. */
      readonly captured: readonly string[];
    }
  /** Some ranks are ready and others are not. */
  | {
      readonly kind: 'asymmetric';
      /** The key's index in the plan. */
      readonly key: number;
      /** What all ranks do then. */
      readonly onAsymmetric: OnAsymmetric;
      /** Those that are not ready. */
      readonly lacking: readonly LackingRank[];
    }
  /** The ranks are not at the same point. */
  | {
      readonly kind: 'diverged';
      /** Those that do something else than most. */
      readonly differences: readonly GuardDifference[];
      /** What the other ranks do; null where no more ranks agree on one thing than on another, so that all are named. */
      readonly others: string | null;
    };

/** The rule of the guard, a pure function of the gathered rows: i32[ranks * rowWords]. */
export function resolveGuard(table: Int32Array, rowWords: number): GuardOutcome {
  const rows = new GuardTable(table, rowWords);
  const described = Array.from({ length: rows.ranks }, (_, rank) => describe(rows, rank));
  const differences = outliers(described).map((rank) => ({ rank, what: described[rank] ?? NO_GUARD }));
  // Ranks that are all in no guard, or whose rows are all damaged, agree on nothing.
  if (differences.length > 0 || described[0] === null || described[0] === DAMAGED)
    return { kind: 'diverged', ...namedOf(described, differences) };
  const key = rows.word(0, 'key');
  const lacking: LackingRank[] = [];
  for (let rank = 0; rank < rows.ranks; rank++) {
    if (rows.word(rank, 'ready') === 1) continue;
    lacking.push({ rank, reason: rows.reason(rank), lackingBytes: rows.lackingBytes(rank) });
  }
  const aborted = lacking.filter(({ reason }) => reason === 'aborted').map(({ rank }) => rank);
  if (aborted.length > 0) return { kind: 'aborted', key, ranks: aborted };
  const differing = differingCollectives(rows);
  if (differing !== null) return { kind: 'collectives', key, ...differing };
  if (lacking.length === 0) return { kind: 'run', key };
  if (lacking.length === rows.ranks) return { kind: 'skip', key };
  return { kind: 'asymmetric', key, onAsymmetric: rows.word(0, 'drop') === 1 ? 'drop' : 'throw', lacking };
}

const NO_GUARD = 'is in no guard of this version';
const DAMAGED = 'gave a row that was damaged on its way or here';

/** Those that differ, and what the others do; all of them where the others are in no guard, or damaged. */
function namedOf(
  described: readonly (string | null)[],
  differences: readonly GuardDifference[],
): { differences: readonly GuardDifference[]; others: string | null } {
  const other = described.find((_, rank) => differences.every((each) => each.rank !== rank));
  if (typeof other === 'string' && other !== DAMAGED) return { differences, others: other };
  return { differences: described.map((what, rank) => ({ rank, what: what ?? NO_GUARD })), others: null };
}

/** Ranks that hold graphs with other collectives than those of most; null where there are none. */
function differingCollectives(rows: GuardTable): { ranks: readonly number[]; captured: readonly string[] } | null {
  const holding = Array.from({ length: rows.ranks }, (_, rank) => rank).filter(
    (rank) => rows.word(rank, 'ready') === 1,
  );
  const captured = holding.map(
    (rank) => `${rows.word(rank, 'count')} (hash ${(rows.word(rank, 'hash') >>> 0).toString(16)})`,
  );
  const ranks = outliers(captured).map((index) => holding[index] as number);
  if (ranks.length === 0) return null;
  return { ranks, captured: captured.map((what, index) => `rank ${holding[index]} ${what}`) };
}

const STAGES: Record<GuardStage, string> = {
  'warm-up': 'the warm-up of key',
  capture: 'key',
  held: 'the graphs of key',
};

function describe(rows: GuardTable, rank: number): string | null {
  if (rows.word(rank, 'tag') !== GUARD_TAG) return null;
  const stage = rows.stage(rank);
  if (!rows.sealed(rank) || stage === undefined) return DAMAGED;
  return `guards ${STAGES[stage]} ${rows.word(rank, 'key')} with onAsymmetric '${rows.word(rank, 'drop') === 1 ? 'drop' : 'throw'}'`;
}
