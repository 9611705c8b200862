import { Faults } from '../../checks.js';
import { sealOfWords } from '../seal-of-words.js';

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
  'graph',
  'aborted',
] as const;
/** What a rank lacks for a capture. */
export type CaptureLack = (typeof CAPTURE_LACKS)[number];

/**
 * When a guard is: before the warm-up of a key, before its capture, or after it, when its graphs are made, which can fail on one rank alone.
 * Rows carry the index in this list.
 */
export const GUARD_STAGES = ['warm-up', 'capture', 'held'] as const;
/** When a guard is. */
export type GuardStage = (typeof GUARD_STAGES)[number];

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
  /** Default 'capture'. */
  readonly stage?: GuardStage;
  /** Of a rank that holds the key's graphs: the collectives in them. Default none. */
  readonly collectives?: {
    /** How many there are. */
    readonly count: number;
    /** Hash of what they are: int32. */
    readonly hash: number;
  };
}

/** When only some ranks are ready: `throw` on all of them, or `drop` the key on all of them. */
export type OnAsymmetric = 'throw' | 'drop';

/** "LGD", version 2. No vote begins with it, so both sides notice a rank that votes at the same time. */
export const GUARD_TAG = 0x4c47_4402;

/** Words of a guard row, of which the last is a checksum of the others; the rest of the collective's row is 0. */
export const GUARD_WORDS = [
  'tag',
  'key',
  'stage',
  'ready',
  'drop',
  'reason',
  'lackingLow',
  'lackingHigh',
  'count',
  'hash',
  'seal',
] as const;
type GuardWord = (typeof GUARD_WORDS)[number];

const TWO_32 = 2 ** 32;

/** The row that a rank contributes to the guard, i32[rowWords]. @throws `ERR_CONFIG_INVALID`. */
export function guardRow(rowWords: number, given: GuardReady, onAsymmetric: OnAsymmetric): Int32Array {
  const { key, ready, lackingBytes = 0, reason = ready ? 'nothing' : 'batch', stage = 'capture' } = given;
  const { count, hash } = given.collectives ?? { count: 0, hash: 0 };
  const faults = new Faults();
  faults.integer('key', key, 0, 2 ** 31 - 1);
  faults.check(typeof ready === 'boolean', `ready is ${String(ready)}; it must be true or false`);
  faults.integer('lackingBytes', lackingBytes, 0, ready ? 0 : Number.MAX_SAFE_INTEGER);
  faults.check(
    CAPTURE_LACKS.includes(reason),
    `reason is ${String(reason)}; it must be one of ${CAPTURE_LACKS.join(', ')}`,
  );
  faults.choice('stage', stage, GUARD_STAGES);
  faults.integer('collectives.count', count, 0, 2 ** 31 - 1);
  faults.integer('collectives.hash', hash, -(2 ** 31), 2 ** 31 - 1);
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
    stage: GUARD_STAGES.indexOf(stage),
    ready: ready ? 1 : 0,
    drop: onAsymmetric === 'drop' ? 1 : 0,
    reason: CAPTURE_LACKS.indexOf(reason),
    lackingLow: lackingBytes % TWO_32,
    lackingHigh: Math.floor(lackingBytes / TWO_32),
    count,
    hash,
    seal: 0,
  };
  const row = new Int32Array(rowWords);
  for (const [index, word] of GUARD_WORDS.entries()) row[index] = words[word];
  row[SEAL] = sealOfWords(row, 0, SEAL);
  return row;
}

const SEAL = GUARD_WORDS.indexOf('seal');

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
    return this.word(rank, 'seal') === sealOfWords(this.#table, rank * this.#rowWords, SEAL);
  }

  reason(rank: number): CaptureLack {
    return CAPTURE_LACKS[this.word(rank, 'reason')] ?? 'nothing';
  }

  stage(rank: number): GuardStage | undefined {
    return GUARD_STAGES[this.word(rank, 'stage')];
  }

  lackingBytes(rank: number): number {
    return (this.word(rank, 'lackingLow') >>> 0) + this.word(rank, 'lackingHigh') * TWO_32;
  }
}
