import { type ErrorDetails, LockstepError } from '../errors.js';
import { DEFAULT_TIMEOUT_MS } from '../names.js';
import type { Collective, WaitOptions } from './collective.js';

/** Refuses a row or table of another shape than the collective's. @throws `ERR_INPUT_INVALID`. */
export function checkRows(collective: Collective, row: Int32Array, table: Int32Array): void {
  const { rowWords, size } = collective;
  if (row instanceof Int32Array && row.length === rowWords) {
    if (table instanceof Int32Array && table.length === rowWords * size) return;
    throw wrongLength('table', 'size * rowWords', rowWords * size, table);
  }
  throw wrongLength('row', 'rowWords', rowWords, row);
}

/** Milliseconds this wait may last. @throws `ERR_INPUT_INVALID` unless positive and finite. */
export function timeoutOf(options: WaitOptions | undefined): number {
  const timeoutMs = options?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (timeoutMs > 0 && timeoutMs < Number.POSITIVE_INFINITY) return timeoutMs;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `timeoutMs is ${String(timeoutMs)}; it must be a positive, finite number of milliseconds: only a park waits without a deadline.`,
    { timeoutMs },
  );
}

/** @throws `ERR_ABORTED` with the signal's reason as its cause. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw abortedError(signal, what);
}

/** `what` goes on after "The signal was aborted". */
export function abortedError(signal: AbortSignal, what: string, details: ErrorDetails = {}): LockstepError {
  return new LockstepError('ERR_ABORTED', `The signal was aborted ${what}.`, details, { cause: signal.reason });
}

function wrongLength(name: string, shape: string, words: number, given: unknown): LockstepError {
  const found = given instanceof Int32Array ? `an Int32Array of ${given.length} words` : 'no Int32Array';
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} is ${found}; it must be an Int32Array of ${words} words (${shape}).`,
    { name, expected: words, given: given instanceof Int32Array ? given.length : null },
  );
}
