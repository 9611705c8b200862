import { LockstepError } from '../../errors.js';
import { fnv1a, outliers } from '../../numbers.js';
import type { WaitOptions } from '../../wait.js';
import { runWaiting, runWaitingSync, type Waiting } from '../../waiting.js';
import type { Collective } from '../collective.js';
import { gatheringKnown } from '../gather-bytes.js';
import { gathering } from '../gathering.js';
import { sealOfWords } from '../seal-of-words.js';
import type { GuardPolicy } from './guard.js';

/** "LGK", version 2. */
export const KEYS_TAG = 0x4c47_4b02;
/** Words of a row: tag, count, hash of the list, whether keys are dropped, and the seal of these. */
export const KEYS_ROW_WORDS = 5;
const SEAL = KEYS_ROW_WORDS - 1;

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
 * @throws `ERR_RANKS_DIVERGED` on every rank where lists differ and one says `throw`, naming those that differ from most; on a rank that holds a row or a
 * list which is not as it was made; `ERR_CONFIG_INVALID` for rows that are too short; what `allGather` throws.
 */
export async function agreeOnKeys(
  collective: Collective,
  keys: Int32Array,
  keyWords: number,
  policy: GuardPolicy,
  options?: WaitOptions,
): Promise<AgreedKeys> {
  return await runWaiting(agreeingOnKeys(collective, keys, keyWords, policy, options));
}

/** The same, blocking the thread. */
export function agreeOnKeysSync(
  collective: Collective,
  keys: Int32Array,
  keyWords: number,
  policy: GuardPolicy,
  options?: WaitOptions,
): AgreedKeys {
  return runWaitingSync(agreeingOnKeys(collective, keys, keyWords, policy, options));
}

/** The same, in either form. */
export function* agreeingOnKeys(
  collective: Collective,
  keys: Int32Array,
  keyWords: number,
  { onAsymmetric }: GuardPolicy,
  options?: WaitOptions,
): Waiting<AgreedKeys> {
  const count = keys.length / keyWords;
  const all = Array.from({ length: count }, (_, index) => index);
  const { size, rowWords } = collective;
  if (rowWords < KEYS_ROW_WORDS) {
    throw new LockstepError('ERR_CONFIG_INVALID', `rowWords is ${rowWords}; agreeing on keys takes ${KEYS_ROW_WORDS}`, {
      rowWords,
    });
  }
  const row = new Int32Array(rowWords);
  row.set([KEYS_TAG, count, fnv1a(keys), onAsymmetric === 'drop' ? 1 : 0]);
  row[SEAL] = sealOfWords(row, 0, SEAL);
  const table = new Int32Array(size * rowWords);
  yield gathering(collective, row, table, options);
  const rows = Array.from({ length: size }, (_, rank) =>
    table.subarray(rank * rowWords, rank * rowWords + KEYS_ROW_WORDS),
  );
  const described = rows.map(describe);
  const damaged = [...rows.keys()].filter((rank) => described[rank] === DAMAGED);
  if (damaged.length > 0) throw damagedError(damaged, 'row');
  const differing = outliers(described);
  if (differing.length === 0) return { kept: all, dropped: [] };
  // Lists that differ are no fault beside a rank that does something else.
  const astray = outliers(rows.map(([tag]) => String(tag === KEYS_TAG)));
  if (astray.length > 0 || rows.some(([, , , drop]) => drop !== 1)) {
    const named = described.map((what, rank) => `rank ${rank} ${what}`).join(', ');
    throw new LockstepError(
      'ERR_RANKS_DIVERGED',
      `The ranks are not to capture the same keys: ${named}. Give every rank the same plan, or set onAsymmetric to 'drop' on all of them to capture what all have.`,
      { ranks: astray.length > 0 ? astray : differing },
    );
  }
  const bytes = new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength);
  const lengths = rows.map(([, held]) => 4 * keyWords * (held as number));
  const gathered = yield* gatheringKnown(collective, bytes, lengths, options);
  const lists = gathered.map(({ buffer }) => new Int32Array(buffer));
  const wrong = [...lists.keys()].filter((rank) => fnv1a(lists[rank] as Int32Array) !== rows[rank]?.[2]);
  if (wrong.length > 0) throw damagedError(wrong, 'list');
  return intersect(
    lists.map((words) => keysOf(words, keyWords)),
    collective.rank,
  );
}

const DAMAGED = 'gave a row that was damaged';

function damagedError(ranks: readonly number[], what: 'row' | 'list'): LockstepError {
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The ${what} of keys of rank ${ranks.join(', ')} is not as that rank made it: it was damaged on its way or here; check the transport and this machine's memory`,
    { ranks },
  );
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

function keysOf(words: Int32Array, keyWords: number): string[] {
  return Array.from({ length: words.length / keyWords }, (_, index) =>
    words.subarray(index * keyWords, (index + 1) * keyWords).join(),
  );
}

function describe(row: Int32Array): string {
  const [tag, count, hash, , seal] = row;
  if (tag === KEYS_TAG && seal !== sealOfWords(row, 0, SEAL)) return DAMAGED;
  if (tag !== KEYS_TAG) return 'is not about to capture';
  return `has ${count} keys (hash ${((hash as number) >>> 0).toString(16)})`;
}
