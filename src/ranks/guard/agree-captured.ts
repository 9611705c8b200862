import { LockstepError } from '../../errors.js';
import { outliers } from '../../numbers.js';
import type { WaitOptions } from '../../wait.js';
import type { Collective } from '../collective.js';

/** The collectives that one rank captured for a key. */
export interface CapturedCollectives {
  /** Index of the capture key in the plan. */
  readonly key: number;
  /** How many there are, and a hash of their kinds, types, counts, places and order: int32. */
  readonly count: number;
  readonly hash: number;
}

/** "LGC", version 1. */
const TAG = 0x4c47_4301;
const WORDS = ['tag', 'key', 'count', 'hash'] as const;

/**
 * Agrees, after a key's capture and before any launch of its graphs, that every rank captured the same collectives: a replay in which
 * ranks enter different ones does not end. Blocks this thread. One all-gather.
 *
 * @throws `ERR_RANKS_DIVERGED` on every rank, naming those that differ from most; what `allGatherSync` throws.
 */
export function agreeOnCapturedSync(
  collective: Collective,
  captured: CapturedCollectives,
  options?: WaitOptions,
): void {
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  row.set([TAG, captured.key, captured.count, captured.hash]);
  const table = new Int32Array(size * rowWords);
  collective.allGatherSync(row, table, options);
  const words = (rank: number): Int32Array => table.subarray(rank * rowWords, rank * rowWords + WORDS.length);
  const described = Array.from({ length: size }, (_, rank) => describe(words(rank)));
  const differing = outliers(described);
  if (differing.length === 0) return;
  const named = described.map((what, rank) => `rank ${rank} ${what}`);
  throw new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The ranks captured different collectives: ${named.join(', ')}. Every rank's forward must enter the same collectives ` +
      'with the same counts in the same order; no graph was launched.',
    { key: captured.key, ranks: differing },
  );
}

function describe([tag, key, count, hash]: Int32Array): string {
  if (tag !== TAG) return 'has not captured a key here';
  return `${count} for key ${key} (hash ${(hash >>> 0).toString(16)})`;
}
