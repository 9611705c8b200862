import { LockstepError } from '../errors.js';
import type { NativeEvent } from '../native/index.js';
import { DEVICE_WAIT, Deadline, throwIfAborted, timeoutOf, type WaitOptions } from '../wait.js';
import { guarded, lockstepError } from './addon-errors.js';

/** What a device's waits ask between two slices: what it throws ends the wait. Null without one. */
export interface WaitLook {
  look: (() => void) | null;
}

/**
 * Blocks this thread in slices until `target` is done; the addon waits for no longer than a slice at a time.
 * @throws `ERR_DEVICE_TIMEOUT`, `ERR_ABORTED`, `ERR_DEVICE_KERNEL`, `ERR_INPUT_INVALID`.
 */
export function waitForSync(
  target: { waitSlice(ms: number): boolean },
  what: string,
  waits: WaitLook,
  options?: WaitOptions,
): void {
  const deadline = started(what, options);
  for (let slice = 0; ; slice = nextSlice(deadline, what, waits, options)) {
    if (guarded(() => target.waitSlice(slice))) return;
    if (slice > 0) waits.look?.();
  }
}

/** The same without blocking the event loop: the slices run on Node's thread pool. */
export async function waitFor(
  target: NativeEvent,
  what: string,
  waits: WaitLook,
  options?: WaitOptions,
): Promise<void> {
  const deadline = started(what, options);
  try {
    let done = target.query();
    while (!done) {
      done = await target.waitSliceAsync(nextSlice(deadline, what, waits, options));
      if (!done) waits.look?.();
    }
  } catch (error) {
    throw lockstepError(error);
  }
}

function started(what: string, options: WaitOptions | undefined): Deadline {
  const timeoutMs = timeoutOf(options, DEVICE_WAIT);
  checkSignal(what, options);
  return new Deadline().start(timeoutMs);
}

/** Milliseconds of the next slice. Throws the error that ends the wait early. */
function nextSlice(deadline: Deadline, what: string, waits: WaitLook, options: WaitOptions | undefined): number {
  checkSignal(what, options);
  const ms = deadline.slice();
  if (ms > 0) return ms;
  // What the device waits for says more than that it waits.
  waits.look?.();
  const { timeoutMs } = deadline;
  throw new LockstepError(
    'ERR_DEVICE_TIMEOUT',
    `${what} was not done after ${timeoutMs} ms; its work goes on. Wait again or dispose it.`,
    { what, timeoutMs },
  );
}

function checkSignal(what: string, options: WaitOptions | undefined): void {
  if (options?.signal?.aborted === true) {
    throwIfAborted(options.signal, `while ${what} was waited for; its work goes on`, { what });
  }
}
