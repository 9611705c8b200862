import type { Timing } from '../../../dist/timing.js';
import { hashOnto, Random } from '../../../dist/workload/random.js';

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
  /** The run fails where the time passes this moment. */
  endOfTime: number = Number.POSITIVE_INFINITY;
  /** Hash of what happened: which task went on when. */
  trace = 0;
  readonly random: Random;
  readonly #sleeping: Sleeping[] = [];
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
      this.#sleeping.push(sleeping);
      keep?.(sleeping);
      this.#pause();
    });
  }

  /** The task never goes on, as if its process were killed. A task that kills itself sleeps for ever first. */
  kill(task: number): void {
    const at = this.#sleeping.findIndex((each) => each.task === task);
    // A task that has ended, or was killed before, is not there.
    if (at < 0) return;
    this.#sleeping.splice(at, 1);
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
    const next = this.#draw();
    this.#task = next.task;
    this.trace = hashOnto(hashOnto(this.trace, Math.round(this.time * 1e6)), next.task);
    await new Promise<void>((pause) => {
      this.#pause = pause;
      next.resume();
    });
  }

  /** Takes one of those that may go on. */
  #draw(): Sleeping {
    const sleeping = this.#sleeping;
    if (sleeping.length === 0) throw new Error(`after ${this.time} ms, ${this.#left} tasks wait for nothing`);
    let first = Number.POSITIVE_INFINITY;
    for (const each of sleeping) first = Math.min(first, each.wake ? this.time : each.until);
    this.time = Math.max(this.time, first);
    if (this.time > this.endOfTime) throw new Error(`${this.#left} tasks still wait after ${this.endOfTime} ms`);
    let ready = 0;
    for (const each of sleeping) if (each.wake || each.until <= this.time) ready++;
    let skip = this.random.next() % ready;
    const at = sleeping.findIndex((each) => (each.wake || each.until <= this.time) && skip-- === 0);
    return sleeping.splice(at, 1)[0];
  }

  #notify({ buffer }: Int32Array, index: number): void {
    for (const each of this.#sleeping) {
      if (each.word !== null && each.word.memory === buffer && each.word.index === index) each.wake = true;
    }
  }
}
