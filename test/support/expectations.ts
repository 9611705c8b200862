import { LockstepError } from '../../dist/entry/planner.js';

/** Fails unless `call` throws a LockstepError of `code`. */
export function refusedWith(code: LockstepError['code'], call: () => unknown): LockstepError {
  const error = thrownBy(call);
  if (error.code === code) return error;
  throw error;
}

/** The LockstepError that `call` throws; anything else fails. */
export function thrownBy(call: () => unknown): LockstepError {
  try {
    call();
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Fails with `message` unless `holds`: cheaper than an assertion, where it is asked millions of times. */
export function must(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}
