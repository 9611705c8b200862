import { LockstepError } from '../errors.js';

/** The error for an output that `cause` keeps from being written. `written`: where the bytes went, if not under the name given. */
export function writeRefusal(path: string, cause: unknown, written: string = path): LockstepError {
  if (cause instanceof LockstepError) return cause;
  const reason = (cause as Error).message.replaceAll(written, path);
  return new LockstepError('ERR_INPUT_INVALID', `${path} cannot be written: ${reason}`, { path }, { cause });
}
