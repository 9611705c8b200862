import type { Timing } from '../../../dist/timing.js';
import { Random } from '../../../dist/workload/random.js';

/** A task that sleeps. */
export interface Sleeping {
  readonly task: number;
  /** The word it sleeps on; null for one that only waits for the time. */
  readonly word: { readonly memory: ArrayBufferLike; readonly index: number } | null;
  /** When it wakes at the latest. May become earlier while it sleeps. Unit: milliseconds. */
  until: number;
  wake: boolean;
  readonly resume: () => void;
}

/**
 * Tasks of one thread, in a time of their own. One task runs at a time, until it sleeps; of those that may go on, the seed draws the
 * next; where none may, the time passes until the first wakes. So a seed gives the same run again, and no wait takes any time.
 */
export class Simulation {
  /** Milliseconds since the start. */
  time = 0;
  /** What happened: which task went on when. */
  readonly trace: string[] = [];
  readonly random: Random;
  readonly #sleeping = new Set<Sleeping>();
  #task = -1;
  #left = 0;
  #pause: () => void = () => undefined;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Time and sleep of the ranks. */
  readonly timing: Timing = {
    now: () => this.time,
    sleepSync: () => {
      throw new Error('a simulated rank blocks the only thread there is');
    },
    sleeper: (words, index, signal) => {
      const onAbort = (): void => this.#notify(words, index);
      signal?.addEventListener('abort', onAbort);
      return {
        sleep: (value, ms) =>
          Atomics.load(words, index) === value
            ? this.sleepOn({ memory: words.buffer, index }, this.time + ms)
            : Promise.resolve(),
        [Symbol.dispose]: () => signal?.removeEventListener('abort', onAbort),
      };
    },
    notify: (words, index) => this.#notify(words, index),
  };

  /** Sleeps for `ms` milliseconds; for the tasks of a test. */
  async sleep(ms: number): Promise<void> {
    await this.sleepOn(null, this.time + ms);
  }

  /** Sleeps until a time, or until woken. `keep` is handed what the task sleeps by. */
  sleepOn(word: Sleeping['word'], until: number, keep?: (sleeping: Sleeping) => void): Promise<void> {
    const task = this.#task;
    return new Promise((resume) => {
      const sleeping = { task, word, until, wake: false, resume };
      this.#sleeping.add(sleeping);
      keep?.(sleeping);
      this.#pause();
    });
  }

  /** The task never goes on, as if its process were killed. */
  kill(task: number): void {
    for (const each of this.#sleeping) if (each.task === task) this.#sleeping.delete(each);
    this.#left--;
  }

  /** Runs all tasks to their end. @returns how each settled; one that was killed has no value. */
  async run<T>(tasks: readonly (() => Promise<T>)[]): Promise<PromiseSettledResult<T>[]> {
    const settled: PromiseSettledResult<T>[] = [];
    this.#left = tasks.length;
    for (const [task, begin] of tasks.entries()) {
      this.#task = task;
      const started = this.sleepOn(null, 0).then(begin);
      const end = (result: PromiseSettledResult<T>): void => {
        settled[task] = result;
        this.#left--;
        this.#pause();
      };
      started.then(
        (value) => end({ status: 'fulfilled', value }),
        (reason: unknown) => end({ status: 'rejected', reason }),
      );
    }
    while (this.#left > 0) await this.#next();
    return settled;
  }

  async #next(): Promise<void> {
    if (this.#sleeping.size === 0) throw new Error(`after ${this.time} ms, ${this.#left} tasks wait for nothing`);
    const first = Math.min(...[...this.#sleeping].map(({ until, wake }) => (wake ? this.time : until)));
    this.time = Math.max(this.time, first);
    const ready = [...this.#sleeping].filter(({ until, wake }) => wake || until <= this.time);
    const next = ready[this.random.next() % ready.length];
    this.#sleeping.delete(next);
    this.#task = next.task;
    this.trace.push(`${this.time}: ${next.task}`);
    await new Promise<void>((pause) => {
      this.#pause = pause;
      next.resume();
    });
  }

  #notify({ buffer }: Int32Array, index: number): void {
    for (const each of this.#sleeping) {
      if (each.word !== null && each.word.memory === buffer && each.word.index === index) each.wake = true;
    }
  }
}
