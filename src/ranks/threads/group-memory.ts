import { LockstepError } from '../../errors.js';
import type { Timing } from '../../timing.js';
import { lossRecord, lostError, MAX_LOSS_BYTES, readLoss } from '../failure/loss-record.js';

export const GROUP_MAGIC = 0x4c53_5447;

/** The values of a rank's presence word. */
const JOINED = 1;
const LEFT = 2;

/** Words of one cache line. Words that different ranks write are on different lines. */
const LINE = 16;
const INTERRUPTED = 3;
const GENERATION = LINE;
const SLEEPERS = 2 * LINE;
const PARK = 3 * LINE;
const RANKS = 4 * LINE;
const ARRIVED = 0;
const PRESENCE = 1;
const HEARTBEAT = 2;

/** The generation word holds the last completed all-gather, modulo 2^24, and, once the group ended, a flag and who ended it. */
const SEQUENCE_MASK = 0xff_ffff;
const SLOT_SHIFT = 24;
const ENDED = 0x8000_0000 | 0;

const LOSS_WORDS = MAX_LOSS_BYTES / 4;

/** The state of one all-gather. `foreign`: a generation that ranks of the same all-gathers cannot see. */
export type Outcome = 'completed' | 'pending' | 'ended' | 'foreign';

export function groupBytes(size: number, rowWords: number): number {
  return 4 * (lossBase(size, rowWords) + (size + 1) * LOSS_WORDS);
}

function rowsBase(size: number): number {
  return RANKS + size * LINE;
}

function lossBase(size: number, rowWords: number): number {
  const end = rowsBase(size) + 2 * size * rowWords;
  return Math.ceil(end / LINE) * LINE;
}

/**
 * The words that the threads of a group share.
 *
 * One word, the generation, decides everything: completing all-gather n and giving it up are both a compare-exchange from
 * n - 1, so exactly one of the two happens, for all ranks. It keeps its sequence number when the group ends: a
 * rank that wakes late still gets the table of an all-gather that the others completed.
 */
export class GroupMemory {
  readonly size: number;
  readonly rowWords: number;
  readonly words: Int32Array;
  readonly #memory: SharedArrayBuffer;
  readonly #timing: Timing;

  constructor(memory: SharedArrayBuffer, size: number, rowWords: number, timing: Timing) {
    this.#memory = memory;
    this.#timing = timing;
    this.words = new Int32Array(memory);
    this.size = size;
    this.rowWords = rowWords;
  }

  static write(memory: SharedArrayBuffer, size: number, rowWords: number): void {
    new Int32Array(memory, 0, 3).set([GROUP_MAGIC, size, rowWords]);
  }

  /** Index of the word that ranks waiting for an all-gather sleep on. */
  get generationIndex(): number {
    return GENERATION;
  }

  /** Index of the word that parked ranks sleep on. */
  get parkIndex(): number {
    return PARK;
  }

  /** The rows of one of the two buffers, i32[size * rowWords]. Even and odd all-gathers alternate. */
  rows(parity: number): Int32Array {
    const length = this.size * this.rowWords;
    return new Int32Array(this.#memory, 4 * (rowsBase(this.size) + parity * length), length);
  }

  /** @returns false if the rank had joined before. */
  join(rank: number): boolean {
    return Atomics.compareExchange(this.words, RANKS + rank * LINE + PRESENCE, 0, JOINED) === 0;
  }

  /** After this the rank enters no all-gather. Peers that still need it notice after one slice at the latest. */
  leave(rank: number): void {
    Atomics.store(this.words, RANKS + rank * LINE + PRESENCE, LEFT);
    this.rouse();
  }

  joined(rank: number): boolean {
    return Atomics.load(this.words, RANKS + rank * LINE + PRESENCE) !== 0;
  }

  left(rank: number): boolean {
    return Atomics.load(this.words, RANKS + rank * LINE + PRESENCE) === LEFT;
  }

  setArrived(rank: number, sequence: number): void {
    Atomics.store(this.words, RANKS + rank * LINE + ARRIVED, sequence | 0);
  }

  /** The all-gather this rank entered last, modulo 2^32. */
  arrived(rank: number): number {
    return Atomics.load(this.words, RANKS + rank * LINE + ARRIVED) >>> 0;
  }

  /** What the generation word holds while all-gather `sequence` is under way. */
  pendingWord(sequence: number): number {
    return (sequence - 1) & SEQUENCE_MASK;
  }

  outcome(sequence: number): Outcome {
    const word = Atomics.load(this.words, GENERATION);
    if ((word & SEQUENCE_MASK) === (sequence & SEQUENCE_MASK)) return 'completed';
    if (word < 0) return 'ended';
    return word === this.pendingWord(sequence) ? 'pending' : 'foreign';
  }

  get ended(): boolean {
    return Atomics.load(this.words, GENERATION) < 0;
  }

  /** Completes an all-gather. Several ranks may see that all arrived; the exchange succeeds for exactly one, and for none if the group has ended. */
  complete(sequence: number): void {
    const pending = this.pendingWord(sequence);
    const found = Atomics.compareExchange(this.words, GENERATION, pending, sequence & SEQUENCE_MASK);
    // A sleeper increments the count before it compares the generation, so either this load sees the count or the sleeper sees the new value.
    if (found === pending && Atomics.load(this.words, SLEEPERS) > 0) this.#timing.notify(this.words, GENERATION);
  }

  /** Called before and after a sleep on the generation. A thread terminated in its sleep stays counted, which costs an unneeded notify. */
  countSleeper(change: 1 | -1): void {
    Atomics.add(this.words, SLEEPERS, change);
  }

  /**
   * Ends the group. `slot` is the caller's own, a rank or `size` for the supervisor: two that end it at once write two
   * records, and the generation word says whose counts. With `sequence`, only while that all-gather is under way.
   * @returns whether this call ended it.
   */
  end(slot: number, rank: number, reason: LockstepError, sequence?: number): boolean {
    if (this.ended) return false;
    lossRecord(rank, reason, this.#loss(slot), this.size);
    for (;;) {
      const word = Atomics.load(this.words, GENERATION);
      if (word < 0 || (sequence !== undefined && word !== this.pendingWord(sequence))) return false;
      const ended = ENDED | (slot << SLOT_SHIFT) | word;
      if (Atomics.compareExchange(this.words, GENERATION, word, ended) === word) break;
    }
    Atomics.or(this.words, PARK, ENDED);
    this.rouse();
    return true;
  }

  /** Why the group ended: `ERR_RANK_LOST`. Only for a group that ended. */
  lost(): LockstepError {
    const word = Atomics.load(this.words, GENERATION);
    const slot = (word & ~ENDED) >> SLOT_SHIFT;
    const loss = readLoss(this.#loss(slot), this.size);
    return loss === null
      ? new LockstepError(
          'ERR_RANK_LOST',
          'The group has ended, and something has overwritten its memory, which said why.',
        )
      : lostError(loss);
  }

  /** Wakes every sleeper, to check again. */
  rouse(): void {
    this.#timing.notify(this.words, GENERATION);
    this.#timing.notify(this.words, PARK);
  }

  /** The park word while park `park` lasts, unless the group ended. */
  parkWord(park: number): number {
    return (park - 1) & ~ENDED;
  }

  parkOver(park: number): boolean {
    return (Atomics.load(this.words, PARK) & ~ENDED) === (park & ~ENDED);
  }

  endPark(park: number): void {
    const lasting = this.parkWord(park);
    if (Atomics.compareExchange(this.words, PARK, lasting, park & ~ENDED) === lasting)
      this.#timing.notify(this.words, PARK);
  }

  interrupt(): void {
    Atomics.store(this.words, INTERRUPTED, 1);
    this.#timing.notify(this.words, PARK);
  }

  get interrupted(): boolean {
    return Atomics.load(this.words, INTERRUPTED) === 1;
  }

  /** Stores the time's milliseconds, modulo 2^32, as the rank's heartbeat; never 0, which means that there is none. */
  stamp(rank: number): void {
    Atomics.store(this.words, RANKS + rank * LINE + HEARTBEAT, this.#timing.now() | 1);
  }

  /** Milliseconds since the rank's last stamp, null if it made none. */
  heartbeatAge(rank: number): number | null {
    const stamp = Atomics.load(this.words, RANKS + rank * LINE + HEARTBEAT);
    return stamp === 0 ? null : Math.max(0, ((this.#timing.now() | 0) - stamp) | 0);
  }

  #loss(slot: number): Uint8Array {
    const base = lossBase(this.size, this.rowWords) + slot * LOSS_WORDS;
    return new Uint8Array(this.#memory, 4 * base, MAX_LOSS_BYTES);
  }
}
