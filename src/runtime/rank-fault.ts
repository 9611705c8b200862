import { LockstepError } from '../errors.js';

/** What the other ranks are told of an error of this one alone. */
export function asFault(error: unknown): LockstepError {
  return error instanceof LockstepError ? error : new LockstepError('ERR_RANK_FAULT', String(error));
}

/** Errors that every rank throws alike: the group need not be told. */
export const AGREED: readonly string[] = [
  'ERR_CAPTURE_ASYMMETRIC',
  'ERR_RANKS_DIVERGED',
  'ERR_RANK_LOST',
  'ERR_COLLECTIVE_TIMEOUT',
];

/** Fault code of a rank whose device failed; codes of the caller's own are any other. */
export const DEVICE_FAULT = 1;
