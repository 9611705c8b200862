import { LockstepError } from '../errors.js';

/** How the other ranks learn of an error on this rank alone. */
export function asFault(error: unknown): LockstepError {
  return error instanceof LockstepError ? error : new LockstepError('ERR_RANK_FAULT', String(error));
}

/** Errors that every rank throws alike: the group need not be notified. */
export const AGREED: readonly string[] = ['ERR_CAPTURE_ASYMMETRIC', 'ERR_RANKS_DIVERGED'];

/** Fault code of a rank whose device failed; the caller may use any other code. */
export const DEVICE_FAULT = 1;
