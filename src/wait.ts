import { type ErrorDetails, LockstepError, shown } from './errors.js';
import { DEFAULT_TIMEOUT_MS } from './names.js';
import { SYSTEM_TIMING, type Timing } from './timing.js';

/**
 * Longest sleep between two checks of the deadline, the signal and other conditions. Unit: milliseconds. A thread that is being
 * terminated, or aborted from another thread, continues for at most that long.
 */
export const SLICE_MS = 50;
/**
 * A look at a deadline that comes so much later than was asked for follows a pause: the process was stopped (Ctrl-Z, a debugger, a container that was
 * frozen), or the thread was busy or could not run, which looks the same. Unit: milliseconds.
 */
const PAUSE_MS = 4 * SLICE_MS;
/** Pauses of one wait that do not count. A thread that has more of them is slow, and its peers must not wait for it. */
const MAX_PAUSES = 2;

/** How long a call waits, and what may end the wait early. */
export interface WaitOptions {
  /**
   * Milliseconds until the wait gives up; two pauses of the process do not count. Calls that need other ranks: positive and finite, default 30 000, then
   * `ERR_COLLECTIVE_TIMEOUT`. Calls that wait for a device: 0 or more, `Infinity` for no deadline, default 60 000, then
   * `ERR_DEVICE_TIMEOUT`.
   */
  readonly timeoutMs?: number;
  /**
   * Ends the wait with `ERR_ABORTED`. A device's work goes on. An all-gather that is aborted before the rank arrived leaves the
   * group unchanged; one that is aborted while the rank waits ends the group, since peers may already rely on its row. A thread that
   * waits synchronously sees only signals that were aborted before it began: nothing runs in it meanwhile.
   */
  readonly signal?: AbortSignal;
}

/** The values of `timeoutMs` that one kind of call accepts. */
export interface TimeoutRule {
  readonly defaultMs: number;
  /** Whether 0 (check once) and `Infinity` (no deadline) are accepted too; else it is positive and finite. */
  readonly endless: boolean;
}

/** Calls that need other ranks: a rank that never arrives must not hold the others for ever. */
export const COLLECTIVE_WAIT: TimeoutRule = Object.freeze({ defaultMs: DEFAULT_TIMEOUT_MS, endless: false });
/** Calls that wait for the work of a device. */
export const DEVICE_WAIT: TimeoutRule = Object.freeze({ defaultMs: 60_000, endless: true });

/** Milliseconds this wait may last. @throws `ERR_INPUT_INVALID` for a value that `rule` does not accept. */
export function timeoutOf(options: WaitOptions | undefined, rule: TimeoutRule): number {
  const timeoutMs = options?.timeoutMs;
  if (timeoutMs === undefined) return rule.defaultMs;
  if (typeof timeoutMs === 'number') {
    if (rule.endless ? timeoutMs >= 0 : timeoutMs > 0 && Number.isFinite(timeoutMs)) return timeoutMs;
  }
  const expected = rule.endless
    ? 'milliseconds, 0 or more, or Infinity'
    : 'a positive, finite number of milliseconds; only a park waits without a deadline';
  throw new LockstepError('ERR_INPUT_INVALID', `timeoutMs is ${shown(timeoutMs)}; give ${expected}.`, {
    name: 'timeoutMs',
    value: shown(timeoutMs),
    options: ['timeoutMs'],
  });
}

/**
 * The moment at which a wait gives up. It may be started again for the next wait, so that waits do not allocate. A pause of the process moves it:
 * peers in the same process, or stopped with it, had no time to arrive either. So who waits looks at least once a slice.
 */
export class Deadline {
  readonly #timing: Timing;
  #timeoutMs = 0;
  #end = 0;
  /** When it was looked at last, and when it was to be looked at next. */
  #looked = 0;
  #due = 0;
  #pauses = 0;

  constructor(timing: Timing = SYSTEM_TIMING) {
    this.#timing = timing;
  }

  /** Starts the time. Returns itself. */
  start(timeoutMs: number): this {
    this.#timeoutMs = timeoutMs;
    this.#looked = this.#due = this.#timing.now();
    this.#end = this.#looked + timeoutMs;
    this.#pauses = 0;
    return this;
  }

  /** The milliseconds it was started with. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Milliseconds to wait before the next check, `SLICE_MS` at most; 0 once the time is up. */
  slice(): number {
    const now = this.#timing.now();
    if (now - this.#due > PAUSE_MS) this.#excuse(now);
    const ms = Math.max(0, Math.min(this.#end - now, SLICE_MS));
    this.#looked = now;
    this.#due = now + ms;
    return ms;
  }

  /** Leaves out the time since the last look, unless all was up by then. All that were stopped get a slice to go on in. */
  #excuse(now: number): void {
    if (this.#looked >= this.#end || this.#pauses === MAX_PAUSES) return;
    this.#pauses++;
    this.#end = Math.max(this.#end + now - this.#looked, now + Math.min(SLICE_MS, this.#timeoutMs));
  }
}

/** @throws `ERR_ABORTED` with the signal's reason as its cause; `when` goes on after "The signal was aborted". */
export function throwIfAborted(signal: AbortSignal | undefined, when: string, details: ErrorDetails = {}): void {
  if (signal?.aborted === true) throw abortedError(signal, when, details);
}

/** The error of a wait that `signal` ended; `when` goes on after "The signal was aborted". */
export function abortedError(signal: AbortSignal, when: string, details: ErrorDetails = {}): LockstepError {
  return new LockstepError('ERR_ABORTED', `The signal was aborted ${when}.`, details, { cause: signal.reason });
}

/** A signal that aborts with the first of two. `release` removes its listener from the caller's signal, which may outlive many steps. */
export function eitherSignal(
  given: AbortSignal | undefined,
  own: AbortSignal,
): { signal: AbortSignal; release(): void } {
  if (given === undefined) return { signal: own, release: () => undefined };
  const either = new AbortController();
  const end = (): void => either.abort(given.aborted ? given.reason : own.reason);
  for (const signal of [given, own]) {
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  }
  return {
    signal: either.signal,
    release: () => {
      for (const signal of [given, own]) signal.removeEventListener('abort', end);
    },
  };
}
