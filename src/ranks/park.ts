import { LockstepError } from '../errors.js';
import { SLICE_MS, throwIfAborted, WordSleeper } from '../wait.js';
import type { ParkOptions, WorkSource } from './collective.js';
import { leftError } from './failure/gather-errors.js';
import type { GroupMemory } from './threads/group-memory.js';

/**
 * A rank's view of the parks of its group: numbered from 1, equal on all ranks, since each is agreed in an all-gather.
 *
 * No wake-up is lost. The number of the last park that is over is published before the sleepers are notified, and a rank
 * sleeps only while the word still says that park N lasts, which `Atomics.wait` compares under the lock that
 * `Atomics.notify` takes: either it sees that N is over, or it sleeps before the notify and is woken. The word cannot
 * pass N unseen: park N + 1 is agreed in an all-gather that this rank has to enter first. The end of the group sets a
 * flag in the same word. Interrupts, local work and a rank that left are not in the word; they are noticed after one slice at
 * the latest.
 */
export class Park {
  readonly #memory: GroupMemory;
  readonly #rank: number;
  #number = 0;
  #lasts = false;
  #interruptSeen = false;

  constructor(memory: GroupMemory, rank: number) {
    this.#memory = memory;
    this.#rank = rank;
  }

  /** @returns the number of the park that begins. @throws `ERR_STEP_ORDER` while the last one lasts. */
  begin(): number {
    if (this.#lasts && !this.#memory.parkOver(this.#number)) {
      throw new LockstepError(
        'ERR_STEP_ORDER',
        `Rank ${this.#rank} parks again while park ${this.#number} lasts; call parked() once for each agreed decision to park.`,
        { rank: this.#rank, park: this.#number },
      );
    }
    this.#number++;
    this.#lasts = true;
    this.#memory.stamp(this.#rank);
    return this.#number;
  }

  /** Publishes that this rank's park is over and wakes the others. */
  end(): void {
    if (!this.#lasts) return;
    this.#lasts = false;
    this.#memory.endPark(this.#number);
  }

  /** Blocks the thread until the park is over. `check` throws what makes waiting pointless; it is called before each sleep. */
  waitSync(options: ParkOptions, check: () => void): WorkSource {
    const { words, parkIndex } = this.#memory;
    for (;;) {
      check();
      const source = this.#workSource(options);
      if (source !== null) return source;
      Atomics.wait(words, parkIndex, this.#memory.parkWord(this.#number), SLICE_MS);
    }
  }

  async wait(options: ParkOptions, check: () => void): Promise<WorkSource> {
    check();
    let source = this.#workSource(options);
    if (source !== null) return source;
    const sleeper = new WordSleeper(this.#memory.words, this.#memory.parkIndex, options.signal);
    try {
      while (source === null) {
        await sleeper.sleep(this.#memory.parkWord(this.#number), SLICE_MS);
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
    if (this.#memory.parkOver(this.#number)) {
      this.#lasts = false;
      return 'peer';
    }
    if (localWork?.() === true) return 'local';
    if (!this.#interruptSeen && this.#memory.interrupted) {
      this.#interruptSeen = true;
      return 'interrupt';
    }
    throwIfAborted(signal, 'while this rank was parked; it is parked still');
    for (let rank = 0; rank < this.#memory.size; rank++) {
      if (this.#memory.left(rank)) this.#throwLeft(rank);
    }
    this.#memory.stamp(this.#rank);
    return null;
  }

  /** A rank that left cannot enter an all-gather, so nothing could end this park. */
  #throwLeft(rank: number): never {
    this.#memory.end(this.#rank, rank, leftError(this.#memory.arrived(rank)));
    throw this.#memory.lost();
  }
}
