import type { Timing } from '../../timing.js';
import type { SeenRanks } from '../failure/gather-errors.js';

/**
 * What a rank has seen of each rank of its group, by its messages. Sequences of all-gathers are int32 and wrap; its own row of what is
 * kept for each rank stays empty, but for when it was heard of.
 */
export class Peers implements SeenRanks {
  readonly size: number;
  /** The last all-gather whose row of each rank is here. Who receives messages may write it. */
  readonly lastRow: Int32Array;
  /** The last all-gather that each rank entered by its last word, and the last that it says to have completed. */
  readonly lastEntered: Int32Array;
  readonly lastCompleted: Int32Array;
  /** Whose process has ended. */
  readonly gone: Uint8Array;
  readonly #rank: number;
  readonly #own: () => number;
  readonly #timing: Timing;
  /** The all-gather at which a rank says to be that cannot be there. */
  readonly #claimed = new Map<number, number>();
  /** Who left, and who said that the group has ended. */
  readonly #left: Uint8Array;
  readonly #saidEnded: Uint8Array;
  /** When the last message of each came, by `timing.now()`; -1 before the first. */
  readonly #heardAt: Float64Array;
  /** The last row of each that `#heardAt` knows of. */
  readonly #heardOf: Int32Array;

  /** `lastRow` has a word for each rank. `own` gives the all-gather that this rank entered last. */
  constructor(rank: number, lastRow: Int32Array, own: () => number, timing: Timing) {
    this.size = lastRow.length;
    this.lastRow = lastRow;
    this.lastEntered = new Int32Array(this.size);
    this.lastCompleted = new Int32Array(this.size);
    this.gone = new Uint8Array(this.size);
    this.#rank = rank;
    this.#own = own;
    this.#timing = timing;
    this.#left = new Uint8Array(this.size);
    this.#saidEnded = new Uint8Array(this.size);
    this.#heardAt = new Float64Array(this.size).fill(-1);
    this.#heardOf = new Int32Array(this.size);
    this.heard(rank);
  }

  arrived(rank: number): number {
    return (rank === this.#rank ? this.#own() : (this.#claimed.get(rank) ?? this.lastRow[rank])) >>> 0;
  }

  joined(rank: number): boolean {
    return this.#heardAt[rank] >= 0;
  }

  heartbeatAge(rank: number): number | null {
    this.hear();
    return this.joined(rank) ? this.#timing.now() - this.#heardAt[rank] : null;
  }

  /** Notes that a message of `rank` has come. */
  heard(rank: number): void {
    this.#heardAt[rank] = this.#timing.now();
  }

  /** Notes of whom rows have come since the last call. */
  hear(): void {
    for (let rank = 0; rank < this.size; rank++) {
      if (this.#heardOf[rank] === this.lastRow[rank]) continue;
      this.#heardOf[rank] = this.lastRow[rank];
      this.heard(rank);
    }
  }

  /** Notes that `rank` says to be at an all-gather where it cannot be. */
  claims(rank: number, sequence: number): void {
    this.#claimed.set(rank, sequence);
  }

  /** Notes the last word of `rank`: that the group has ended, and what it entered and completed last. */
  saysEnded(rank: number, entered: number, completed: number): void {
    this.#saidEnded[rank] = 1;
    this.lastEntered[rank] = entered;
    this.lastCompleted[rank] = completed;
  }

  /** Notes that `rank` left after the all-gather `completed`. */
  leaves(rank: number, completed: number): void {
    this.#left[rank] = 1;
    if (this.#saidEnded[rank] === 0) this.lastEntered[rank] = completed;
    this.lastCompleted[rank] = completed;
  }

  left(rank: number): boolean {
    return this.#left[rank] === 1;
  }

  /** Whether nothing more will come of `rank`: it left, has given its last word, or its process has ended. */
  silent(rank: number): boolean {
    return this.#gaveLastWord(rank) || this.gone[rank] === 1;
  }

  /** Whether nothing more will come of any peer. */
  allSilent(): boolean {
    for (let rank = 0; rank < this.size; rank++) if (rank !== this.#rank && !this.silent(rank)) return false;
    return true;
  }

  /** Whether the rows of all peers are here. */
  allArrived(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) if (this.lacks(rank, sequence)) return false;
    return true;
  }

  /** Whether the row of `rank`, a peer, is not here. */
  lacks(rank: number, sequence: number): boolean {
    return rank !== this.#rank && before(this.lastRow[rank], sequence);
  }

  /** Whether all peers have entered a later one, and so completed it. */
  allSurpassed(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.#rank && !before(sequence, this.lastRow[rank])) return false;
    }
    return true;
  }

  /** Whether some peer has entered a later one. */
  someSurpassed(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.#rank && before(sequence, this.lastRow[rank])) return true;
    }
    return false;
  }

  /** Whether a peer said that it completed it. */
  saidCompleted(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.#rank && this.lastCompleted[rank] === sequence) return true;
    }
    return false;
  }

  /** Whether a peer that lives may have completed it: one says so, or no row of one is missing. */
  mayHaveCompleted(sequence: number): boolean {
    if (this.saidCompleted(sequence)) return true;
    for (let rank = 0; rank < this.size; rank++) if (this.gone[rank] === 0 && this.lacks(rank, sequence)) return false;
    return true;
  }

  /** Whether a peer gave its last word that had not entered it, and so never will. */
  refused(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (this.#gaveLastWord(rank) && before(this.lastEntered[rank], sequence)) return true;
    }
    return false;
  }

  #gaveLastWord(rank: number): boolean {
    return this.#left[rank] === 1 || this.#saidEnded[rank] === 1;
  }
}

/** Whether sequence `a` is earlier than `b`. */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
