import { LockstepError } from '../../errors.js';
import { fnv1a, outliers } from '../../numbers.js';
import type { WaitOptions } from '../../wait.js';
import type { Collective } from '../collective.js';
import { allGatherBytesSync } from '../gather-bytes.js';
import type { GuardPolicy } from './guard.js';

/** "LGK", version 1. */
const TAG = 0x4c47_4b01;

/** A key of this rank that not all ranks were to capture. */
export interface DroppedKey {
  readonly index: number;
  /** Ranks whose plans lack it. */
  readonly ranks: readonly number[];
}

/** Which of a rank's keys all ranks have. */
export interface AgreedKeys {
  /** Indices of this rank's own keys, in the order of rank 0's. */
  readonly kept: readonly number[];
  readonly dropped: readonly DroppedKey[];
}

/**
 * Agrees on what is to be captured before anything is: the keys that all ranks have. `keys` are this rank's, `keyWords` int32 each. One
 * all-gather where all lists are equal; where they are not and all ranks say `drop`, their lists are exchanged.
 * @throws `ERR_RANKS_DIVERGED` on every rank where lists differ and one says `throw`, naming those that differ from most; what
 * `allGatherSync` throws.
 */
export function agreeOnKeysSync(
  collective: Collective,
  keys: Int32Array,
  keyWords: number,
  { onAsymmetric }: GuardPolicy,
  options?: WaitOptions,
): AgreedKeys {
  const count = keys.length / keyWords;
  const all = Array.from({ length: count }, (_, index) => index);
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  row.set([TAG, count, fnv1a(keys), onAsymmetric === 'drop' ? 1 : 0]);
  const table = new Int32Array(size * rowWords);
  collective.allGatherSync(row, table, options);
  const rows = Array.from({ length: size }, (_, rank) => table.subarray(rank * rowWords, rank * rowWords + 4));
  const described = rows.map(describe);
  const differing = outliers(described);
  if (differing.length === 0) return { kept: all, dropped: [] };
  if (rows.some(([tag, , , drop]) => tag !== TAG || drop !== 1)) {
    const named = described.map((what, rank) => `rank ${rank} ${what}`).join(', ');
    throw new LockstepError(
      'ERR_RANKS_DIVERGED',
      `The ranks are not to capture the same keys: ${named}. Give every rank the same plan, or set onAsymmetric to 'drop' on all of them to capture what all have.`,
      { ranks: differing },
    );
  }
  const bytes = new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength);
  const lists = allGatherBytesSync(collective, bytes, options).map((each) => keysOf(each, keyWords));
  return intersect(lists, collective.rank);
}

/** What all lists hold, each key by its words as text. */
function intersect(lists: readonly (readonly string[])[], rank: number): AgreedKeys {
  const holders = new Map<string, number[]>();
  for (const [holder, list] of lists.entries()) {
    for (const key of new Set(list)) holders.set(key, [...(holders.get(key) ?? []), holder]);
  }
  const own = lists[rank] as readonly string[];
  const kept = (lists[0] as readonly string[])
    .filter((key) => holders.get(key)?.length === lists.length)
    .map((key) => own.indexOf(key));
  const dropped = own.flatMap((key, index) => {
    const ranks = [...lists.keys()].filter((each) => holders.get(key)?.includes(each) !== true);
    return ranks.length === 0 ? [] : [{ index, ranks }];
  });
  return { kept, dropped };
}

function keysOf(bytes: Uint8Array, keyWords: number): string[] {
  const words = new Int32Array(bytes.slice().buffer);
  return Array.from({ length: words.length / keyWords }, (_, index) =>
    words.subarray(index * keyWords, (index + 1) * keyWords).join(),
  );
}

function describe([tag, count, hash]: Int32Array): string {
  if (tag !== TAG) return 'is not about to capture';
  return `has ${count} keys (hash ${((hash as number) >>> 0).toString(16)})`;
}
