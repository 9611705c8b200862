const ARRIVED = 0;
/** On a line of its own. */
const GENERATION = 16;

/**
 * The least by which threads can meet: a count, and a word to sleep on (a futex under `Atomics.wait`). No row, deadline, signal or end of a group, and no
 * look at the word before the sleep.
 */
export class FutexBarrier {
  static readonly BYTES = 128;
  readonly #words: Int32Array;
  readonly #size: number;

  constructor(memory: SharedArrayBuffer, size: number) {
    this.#words = new Int32Array(memory);
    this.#size = size;
  }

  /** So many meetings of all threads, one after the other. */
  wait(rounds: number): void {
    const words = this.#words;
    for (let round = 0; round < rounds; round++) {
      const generation = Atomics.load(words, GENERATION);
      if (Atomics.add(words, ARRIVED, 1) === this.#size - 1) {
        Atomics.store(words, ARRIVED, 0);
        Atomics.add(words, GENERATION, 1);
        Atomics.notify(words, GENERATION);
      } else {
        while (Atomics.load(words, GENERATION) === generation) Atomics.wait(words, GENERATION, generation);
      }
    }
  }
}
