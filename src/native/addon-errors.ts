import { type ErrorCode, type ErrorDetails, LockstepError } from '../errors.js';

/** Runs a call into the addon and turns what it throws into a `LockstepError`. */
export function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw lockstepError(error);
  }
}

/** The addon's plain errors carry `code` and `details`; any other error (an illegal receiver, for example) passes unchanged. */
export function lockstepError(error: unknown): unknown {
  if (error instanceof LockstepError || !(error instanceof Error)) return error;
  const { code, details } = error as Error & { code?: unknown; details?: ErrorDetails };
  if (typeof code !== 'string' || !code.startsWith('ERR_')) return error;
  return new LockstepError(code as ErrorCode, error.message, details ?? {}, { cause: error });
}
