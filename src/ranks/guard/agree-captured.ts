import { LockstepError } from '../../errors.js';
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
 * @throws `ERR_RANKS_DIVERGED` on every rank, naming those that differ from rank 0; what `allGatherSync` throws.
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
  const differing = Array.from({ length: size }, (_, rank) => rank).filter((rank) =>
    words(rank).some((word, index) => word !== words(0)[index]),
  );
  if (differing.length === 0) return;
  const described = [0, ...differing].map((rank) => `rank ${rank} ${describe(words(rank))}`);
  throw new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The ranks captured different collectives: ${described.join(', ')}. Every rank's forward must enter the same collectives ` +
      'with the same counts in the same order; no graph was launched.',
    { key: captured.key, ranks: differing },
  );
}

function describe([tag, key, count, hash]: Int32Array): string {
  if (tag !== TAG) return 'has not captured a key here';
  return `${count} for key ${key} (hash ${(hash >>> 0).toString(16)})`;
}
