import { LockstepError, shown } from '../errors.js';

/** What is wrong with one place of a model's files. */
export interface ModelFault {
  readonly file: string;
  /** The field, tensor or part of the file that is wrong. */
  readonly field: string;
  /** What Lockstep takes there, in words that follow "must be". */
  readonly expected: string;
  readonly found: unknown;
  /** More values that matter, for programs. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The error for one place of a model's files: `details` has file, field, expected and found. */
export function modelRefusal({ file, field, expected, found, details, cause }: ModelFault): LockstepError {
  const text = shown(found);
  return new LockstepError(
    'ERR_MODEL_INVALID',
    `${file}: ${field} must be ${expected}, found ${text}`,
    { file, field, expected, found: text, ...details },
    cause === undefined ? undefined : { cause },
  );
}
