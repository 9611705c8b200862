import { LockstepError } from '../errors.js';
import type { NativeEvent } from '../native/index.js';
import { guarded, inputInvalid, lockstepError } from './addon-errors.js';

const DEFAULT_TIMEOUT_MS = 60_000;
/** A native wait on a JS thread is never longer: a worker being terminated, or an abort, waits for it. */
const SLICE_MS = 50;

/** How long to wait, and what may end the wait early. */
export interface WaitOptions {
  /** Milliseconds until `ERR_DEVICE_TIMEOUT`; default 60000. `Infinity` waits until done or aborted. */
  readonly timeoutMs?: number;
  /** Ends the wait with `ERR_ABORTED`. The device's work goes on. */
  readonly signal?: AbortSignal;
}

/** Blocks this thread in slices until `target` is done. @throws `ERR_DEVICE_TIMEOUT`, `ERR_ABORTED`, `ERR_DEVICE_KERNEL`. */
export function waitForSync(target: { waitSlice(ms: number): boolean }, what: string, options: WaitOptions = {}): void {
  const deadline = new Deadline(what, options);
  for (let slice = 0; ; slice = deadline.nextSlice()) {
    if (guarded(() => target.waitSlice(slice))) return;
  }
}

/** The same without blocking the event loop: the slices run on Node's thread pool. */
export async function waitFor(target: NativeEvent, what: string, options: WaitOptions = {}): Promise<void> {
  const deadline = new Deadline(what, options);
  try {
    let done = target.query();
    while (!done) done = await target.waitSliceAsync(deadline.nextSlice());
  } catch (error) {
    throw lockstepError(error);
  }
}

class Deadline {
  readonly #what: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #end: number;

  constructor(what: string, { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: WaitOptions) {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      throw inputInvalid('timeoutMs', timeoutMs, 'milliseconds, 0 or more, or Infinity');
    }
    this.#what = what;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#end = performance.now() + timeoutMs;
    this.#throwIfAborted();
  }

  /** Milliseconds to wait next, after what ends the wait early was looked at. */
  nextSlice(): number {
    this.#throwIfAborted();
    const left = this.#end - performance.now();
    if (left <= 0) {
      throw new LockstepError(
        'ERR_DEVICE_TIMEOUT',
        `${this.#what} was not done after ${this.#timeoutMs} ms; its work goes on. Wait again or dispose it.`,
        { what: this.#what, timeoutMs: this.#timeoutMs },
      );
    }
    return Math.min(left, SLICE_MS);
  }

  #throwIfAborted(): void {
    if (this.#signal?.aborted !== true) return;
    throw new LockstepError(
      'ERR_ABORTED',
      `Waiting for ${this.#what} was aborted; its work goes on.`,
      { what: this.#what },
      { cause: this.#signal.reason },
    );
  }
}
