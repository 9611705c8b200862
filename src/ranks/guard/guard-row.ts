import { Faults } from '../../config.js';

/** What a rank can lack for a forward. Rows carry the index in this list: add at the end. */
export const CAPTURE_LACKS = [
  'nothing',
  'batch',
  'blocks',
  'memory',
  'workspace',
  'communicator',
  'kernel',
  'library',
  'pieces',
] as const;
/** What a rank lacks for a capture. */
export type CaptureLack = (typeof CAPTURE_LACKS)[number];

/** What a rank reports to the guard about one key. */
export interface GuardReady {
  /** Index of the capture key in the plan, the same on all ranks. */
  readonly key: number;
  /** Whether this rank holds all that the forward needs. */
  readonly ready: boolean;
  /** Bytes that it lacks. Default 0. */
  readonly lackingBytes?: number;
  /** What it lacks; `nothing` exactly when it is ready. Default `nothing`, or `batch` when not ready. */
  readonly reason?: CaptureLack;
}

/** When only some ranks are ready: `throw` on all of them, or `drop` the key on all of them. */
export type OnAsymmetric = 'throw' | 'drop';

/** "LGD", version 2. No vote begins with it, so both sides notice a rank that votes at the same time. */
export const GUARD_TAG = 0x4c47_4402;

/** Words of a guard row, of which the last is a checksum of the others; the rest of the collective's row is 0. */
export const GUARD_WORDS = ['tag', 'key', 'ready', 'drop', 'reason', 'lackingLow', 'lackingHigh', 'seal'] as const;
type GuardWord = (typeof GUARD_WORDS)[number];

const TWO_32 = 2 ** 32;

/** The row that a rank contributes to the guard, i32[rowWords]. @throws `ERR_CONFIG_INVALID`. */
export function guardRow(rowWords: number, given: GuardReady, onAsymmetric: OnAsymmetric): Int32Array {
  const { key, ready, lackingBytes = 0, reason = ready ? 'nothing' : 'batch' } = given;
  const faults = new Faults();
  faults.integer('key', key, 0, 2 ** 31 - 1);
  faults.check(typeof ready === 'boolean', `ready is ${String(ready)}; it must be true or false`);
  faults.integer('lackingBytes', lackingBytes, 0, ready ? 0 : Number.MAX_SAFE_INTEGER);
  faults.check(
    CAPTURE_LACKS.includes(reason),
    `reason is ${String(reason)}; it must be one of ${CAPTURE_LACKS.join(', ')}`,
  );
  faults.check((reason === 'nothing') === ready, `ready is ${ready} and reason ${reason}; a ready rank lacks nothing`);
  faults.check(
    onAsymmetric === 'throw' || onAsymmetric === 'drop',
    `onAsymmetric is ${String(onAsymmetric)}; it must be throw or drop`,
  );
  faults.check(rowWords >= GUARD_WORDS.length, `rowWords is ${rowWords}; a guard row takes ${GUARD_WORDS.length}`);
  faults.throwIfAny('This capture guard');
  const words: Record<GuardWord, number> = {
    tag: GUARD_TAG,
    key,
    ready: ready ? 1 : 0,
    drop: onAsymmetric === 'drop' ? 1 : 0,
    reason: CAPTURE_LACKS.indexOf(reason),
    lackingLow: lackingBytes % TWO_32,
    lackingHigh: Math.floor(lackingBytes / TWO_32),
    seal: 0,
  };
  const row = new Int32Array(rowWords);
  for (const [index, word] of GUARD_WORDS.entries()) row[index] = words[word];
  row[SEAL] = sealOf(row, 0);
  return row;
}

const SEAL = GUARD_WORDS.indexOf('seal');

/** Checksum of the guard row at `start`. Damage within one word always changes it: each word passes through a bijection of the sum so far. */
function sealOf(table: Int32Array, start: number): number {
  let sum = 0x811c_9dc5;
  for (let word = 0; word < SEAL; word++) {
    sum = Math.imul(sum ^ (table[start + word] as number), 0x0100_0193);
    sum ^= sum >>> 15;
  }
  return sum | 0;
}

/** Reads the rows of a gathered table. */
export class GuardTable {
  readonly ranks: number;
  readonly #table: Int32Array;
  readonly #rowWords: number;

  constructor(table: Int32Array, rowWords: number) {
    this.#table = table;
    this.#rowWords = rowWords;
    this.ranks = table.length / rowWords;
  }

  word(rank: number, word: GuardWord): number {
    return this.#table[rank * this.#rowWords + GUARD_WORDS.indexOf(word)] as number;
  }

  /** Whether a rank's row is as it was made. */
  sealed(rank: number): boolean {
    return this.word(rank, 'seal') === sealOf(this.#table, rank * this.#rowWords);
  }

  reason(rank: number): CaptureLack {
    return CAPTURE_LACKS[this.word(rank, 'reason')] ?? 'nothing';
  }

  lackingBytes(rank: number): number {
    return (this.word(rank, 'lackingLow') >>> 0) + this.word(rank, 'lackingHigh') * TWO_32;
  }
}
