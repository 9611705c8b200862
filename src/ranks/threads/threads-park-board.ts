import type { Timing } from '../../timing.js';
import { SLICE_MS } from '../../wait.js';
import { leftError } from '../failure/gather-errors.js';
import type { ParkBoard, ParkSleeper } from '../park.js';
import type { GroupMemory } from './group-memory.js';

/**
 * Parks in shared memory.
 *
 * No wake-up is lost. The number of the last park that is over is published before the sleepers are notified, and a rank
 * sleeps only while the word still says that park N lasts, which a sleep compares under the lock that
 * a notify takes: either it sees that N is over, or it sleeps before the notify and is woken. The word cannot
 * pass N unseen: park N + 1 is agreed in an all-gather that this rank has to enter first. The end of the group sets a
 * flag in the same word. Interrupts, local work and a rank that left are not in the word; they are noticed after one slice at
 * the latest.
 */
export class ThreadsParkBoard implements ParkBoard {
  readonly #memory: GroupMemory;
  readonly #rank: number;
  readonly #timing: Timing;

  constructor(memory: GroupMemory, rank: number, timing: Timing) {
    this.#memory = memory;
    this.#rank = rank;
    this.#timing = timing;
  }

  get size(): number {
    return this.#memory.size;
  }

  get interrupted(): boolean {
    return this.#memory.interrupted;
  }

  parkOver(park: number): boolean {
    return this.#memory.parkOver(park);
  }

  endPark(park: number): void {
    this.#memory.endPark(park);
  }

  left(rank: number): boolean {
    return this.#memory.left(rank);
  }

  lose(rank: number): never {
    this.#memory.end(this.#rank, rank, leftError(this.#memory.arrived(rank)));
    throw this.#memory.lost();
  }

  stamp(): void {
    this.#memory.stamp(this.#rank);
  }

  sleepSync(park: number): void {
    const { words, parkIndex } = this.#memory;
    this.#timing.sleepSync(words, parkIndex, this.#memory.parkWord(park), SLICE_MS);
  }

  sleeper(signal: AbortSignal | undefined): ParkSleeper {
    const sleeper = this.#timing.sleeper(this.#memory.words, this.#memory.parkIndex, signal);
    return {
      sleep: (park) => sleeper.sleep(this.#memory.parkWord(park), SLICE_MS),
      [Symbol.dispose]: () => sleeper[Symbol.dispose](),
    };
  }
}
