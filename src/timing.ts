/**
 * What the waits of ranks take from the machine: the time, and sleep until a word of shared memory changes. A simulation gives
 * ranks one of its own, whose time passes while all of them sleep.
 */
export interface Timing {
  /** Milliseconds since 1970. They never run backwards, and are the same on every thread of a process. */
  now(): number;
  /** Blocks this thread until the word is notified, for at most `ms` milliseconds; not at all if it differs from `value`. */
  sleepSync(words: Int32Array, index: number, value: number, ms: number): void;
  /** Sleeps of one wait that leaves the event loop free; an abort of `signal` ends them. Dispose it when the wait is over. */
  sleeper(words: Int32Array, index: number, signal: AbortSignal | undefined): Sleeper;
  /** Wakes all that sleep on the word. */
  notify(words: Int32Array, index: number): void;
}

/** Sleeps on one word of shared memory. */
export interface Sleeper extends Disposable {
  /** Resolves when the word is notified, after `ms` milliseconds, or at once if it differs from `value`. */
  sleep(value: number, ms: number): Promise<void>;
}

// Each thread counts from its own start; the sum is the same on all of them.
const start = performance.timeOrigin;

/** The clock and the sleep of the machine. */
export const SYSTEM_TIMING: Timing = Object.freeze({
  now: () => start + performance.now(),
  sleepSync: (words: Int32Array, index: number, value: number, ms: number) => {
    Atomics.wait(words, index, value, ms);
  },
  sleeper: (words: Int32Array, index: number, signal: AbortSignal | undefined) => new WordSleeper(words, index, signal),
  notify: (words: Int32Array, index: number) => {
    Atomics.notify(words, index);
  },
});

/** `Atomics.waitAsync` is in Node 20 and absent from the ES2023 library of TypeScript. */
interface AsyncAtomics {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
    timeout: number,
  ): { readonly async: false; readonly value: string } | { readonly async: true; readonly value: Promise<string> };
}

const asyncAtomics = Atomics as unknown as AsyncAtomics;

class WordSleeper implements Sleeper {
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #signal: AbortSignal | undefined;
  readonly #keepAlive: NodeJS.Timeout;
  readonly #onAbort: () => void;

  constructor(words: Int32Array, index: number, signal: AbortSignal | undefined) {
    this.#words = words;
    this.#index = index;
    this.#signal = signal;
    // An asynchronous wait holds no handle: without one the event loop would end while it is pending.
    this.#keepAlive = setInterval(() => undefined, 1 << 30);
    // Also wakes the peers that sleep on the word; they check it and sleep again.
    this.#onAbort = () => Atomics.notify(words, index);
    signal?.addEventListener('abort', this.#onAbort);
  }

  async sleep(value: number, ms: number): Promise<void> {
    const result = asyncAtomics.waitAsync(this.#words, this.#index, value, ms);
    if (result.async) await result.value;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#keepAlive);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/**
 * Resumes without the time that a timer waits: a millisecond, and in a browser four for timers that follow each other. A browser has
 * no `setImmediate`; messages queue there behind those that other threads sent before.
 */
const soon: (resume: () => void) => unknown =
  globalThis.setImmediate ?? (globalThis.MessageChannel === undefined ? setTimeout : turnsByMessage());

/** Resumes with messages to this thread itself. */
function turnsByMessage(): (resume: () => void) => void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.addEventListener('message', () => waiting.shift()?.());
  port1.start();
  return (resume) => {
    waiting.push(resume);
    port2.postMessage(null);
  };
}

/** Lets the event loop run: timers, messages and signals of this thread are served before it resolves. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => soon(resolve));
}
