import { LockstepError } from '../errors.js';
import { throwIfAborted } from '../wait.js';
import type { ParkOptions, WorkSource } from './collective.js';

/** Where the ranks of a group publish that a park is over, and sleep until then. Each transport has its own. */
export interface ParkBoard {
  readonly size: number;
  /** Whether the group was interrupted. */
  readonly interrupted: boolean;
  parkOver(park: number): boolean;
  /** Publishes that park `park` is over, and wakes the ranks that sleep in it. */
  endPark(park: number): void;
  left(rank: number): boolean;
  /** Ends the group because a rank left that this one needs; throws `ERR_RANK_LOST`. */
  lose(rank: number): never;
  /** Notes that this rank lives. */
  stamp(): void;
  /** Blocks the thread until something of the group changes, `SLICE_MS` at most; not at all if the park is over. */
  sleepSync(park: number): void;
  /** The same for an asynchronous wait; an abort of the signal ends the sleep. */
  sleeper(signal: AbortSignal | undefined): ParkSleeper;
}

/** Sleeps of one wait. Dispose it when the wait is over. */
export interface ParkSleeper extends Disposable {
  sleep(park: number): Promise<void>;
}

/** A rank's view of the parks of its group: numbered from 1, equal on all ranks, since each is agreed in an all-gather. */
export class Park {
  readonly #board: ParkBoard;
  readonly #rank: number;
  #number = 0;
  #lasts = false;
  #interruptSeen = false;

  constructor(board: ParkBoard, rank: number) {
    this.#board = board;
    this.#rank = rank;
  }

  /** @returns the number of the park that begins. @throws `ERR_STEP_ORDER` while the last one lasts. */
  begin(): number {
    if (this.#lasts && !this.#board.parkOver(this.#number)) {
      throw new LockstepError(
        'ERR_STEP_ORDER',
        `Rank ${this.#rank} parks again while park ${this.#number} lasts; call parked() once for each agreed decision to park.`,
        { rank: this.#rank, park: this.#number },
      );
    }
    this.#number++;
    this.#lasts = true;
    this.#board.stamp();
    return this.#number;
  }

  /** Publishes that this rank's park is over and wakes the others. */
  end(): void {
    if (!this.#lasts) return;
    this.#lasts = false;
    this.#board.endPark(this.#number);
  }

  /**
   * Blocks the thread until the park is over. `check` throws what makes waiting pointless; it is called before each sleep.
   * @throws `ERR_INPUT_INVALID` for a group of one without `localWork`.
   */
  waitSync(options: ParkOptions, check: () => void): WorkSource {
    if (this.#board.size === 1 && options.localWork === undefined) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        'A group of one that waits synchronously has no peer to wake it; pass localWork, or use waitForWork.',
        { size: 1 },
      );
    }
    for (;;) {
      check();
      const source = this.#workSource(options);
      if (source !== null) return source;
      this.#board.sleepSync(this.#number);
    }
  }

  async wait(options: ParkOptions, check: () => void): Promise<WorkSource> {
    check();
    let source = this.#workSource(options);
    if (source !== null) return source;
    const sleeper = this.#board.sleeper(options.signal);
    try {
      while (source === null) {
        await sleeper.sleep(this.#number);
        check();
        source = this.#workSource(options);
      }
      return source;
    } finally {
      sleeper[Symbol.dispose]();
    }
  }

  /** Why this rank's wait ends, or null. */
  #workSource({ localWork, signal }: ParkOptions): WorkSource | null {
    if (this.#board.parkOver(this.#number)) {
      this.#lasts = false;
      return 'peer';
    }
    if (localWork?.() === true) return 'local';
    if (!this.#interruptSeen && this.#board.interrupted) {
      this.#interruptSeen = true;
      return 'interrupt';
    }
    throwIfAborted(signal, 'while this rank was parked; it is parked still');
    // A rank that left cannot enter an all-gather, so nothing could end this park.
    for (let rank = 0; rank < this.#board.size; rank++) {
      if (this.#board.left(rank)) this.#board.lose(rank);
    }
    this.#board.stamp();
    return null;
  }
}
