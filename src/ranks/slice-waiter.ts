/** Longest sleep between two looks at deadline, signal and heartbeat. Unit: milliseconds. */
export const SLICE_MS = 50;

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

/** Sleeps on one shared word without blocking the event loop. Dispose it when the wait is over. */
export class SliceWaiter {
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
    // Wakes the peers that sleep on the word too; they look and sleep on.
    this.#onAbort = () => Atomics.notify(words, index);
    signal?.addEventListener('abort', this.#onAbort);
  }

  /** Resolves when the word was notified, differs from `value`, or after `ms` milliseconds. */
  async sleep(value: number, ms: number): Promise<void> {
    const result = asyncAtomics.waitAsync(this.#words, this.#index, value, ms);
    if (result.async) await result.value;
  }

  dispose(): void {
    clearInterval(this.#keepAlive);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
