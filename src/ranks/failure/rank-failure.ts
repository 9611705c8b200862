import { type ErrorCode, type ErrorDetails, isLockstepError, LockstepError, thrownText } from '../../errors.js';

/** An error as plain data, to cross a worker boundary; `code` is null for one that is no `LockstepError`. */
export interface RankFailure {
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly stack: string | null;
  /** Why it was raised, where that is an error too. */
  readonly cause: RankFailure | null;
}

/** Most errors of a chain of causes. */
const MAX_CAUSES = 8;

/** Details that cannot be cloned are dropped. */
export function serializeFailure(error: unknown, causes: number = MAX_CAUSES): RankFailure {
  const cause =
    error instanceof Error && error.cause instanceof Error && causes > 0
      ? serializeFailure(error.cause, causes - 1)
      : null;
  const stack = error instanceof Error ? (error.stack ?? null) : null;
  if (isLockstepError(error)) {
    return { code: error.code, message: error.message, details: cloneable(error.details), stack, cause };
  }
  return { code: null, message: thrownText(error), details: {}, stack, cause };
}

/** The error again, with its code, its cause and the stack it had in its thread. */
export function restoreFailure({ code, message, details, stack, cause }: RankFailure): Error {
  const error = code === null ? new Error(message) : LockstepError.from({ code, message, details });
  if (stack !== null) error.stack = stack;
  if (cause !== null) error.cause = restoreFailure(cause);
  return error;
}

/** The error of an uncaught throw in a worker: a `LockstepError` with its class again, anything else as it came. */
export function uncaughtError(error: unknown): Error {
  if (isLockstepError(error)) return restoreFailure(serializeFailure(error));
  return error instanceof Error ? error : new Error(thrownText(error));
}

function cloneable(details: ErrorDetails | undefined): ErrorDetails {
  try {
    return structuredClone(details ?? {});
  } catch {
    return {};
  }
}
