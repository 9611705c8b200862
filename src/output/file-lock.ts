import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { LockstepError } from '../errors.js';
import { loadNative } from '../native/index.js';

/** Lets a lock go. */
export type Unlock = () => void;

/**
 * Locks a file that is open, without waiting. The addon's `flock` is held by the open file itself and goes with its process, however
 * that ends. Where there is no addon, or the file system knows no such locks, a file `PATH.lock` beside it says who holds it, and one
 * of a process that is gone is taken over. Errors: ERR_INPUT_INVALID for a file that another run, or another part of this one, writes.
 */
export function lockFile(descriptor: number, path: string): Unlock {
  const error = flock(descriptor);
  if (error === constants.errno.EWOULDBLOCK) throw heldBy(path, 'another run');
  // Closing the file unlocks it.
  return error === 0 ? () => undefined : lockBeside(path);
}

/** 0, or the number of the error that says why there is no lock. */
function flock(descriptor: number): number {
  try {
    return loadNative().lockFile(descriptor);
  } catch {
    return constants.errno.ENOTSUP;
  }
}

function heldBy(path: string, holder: string): LockstepError {
  const message = `${path} is being written by ${holder}; wait for its end, or give another name`;
  return new LockstepError('ERR_INPUT_INVALID', message, { path });
}

/** Who holds a lock beside a file. */
interface Holder {
  readonly pid: number;
  /** When the process started, as the kernel counts: another process may come to have the same number. Null where it is not known. */
  readonly started: string | null;
}

/** Locks by a file `PATH.lock`. It appears with its holder in it, and is never taken from a process that lives. */
export function lockBeside(path: string): Unlock {
  const lock = `${path}.lock`;
  const mine = `${lock}.${process.pid}`;
  const me: Holder = { pid: process.pid, started: startOf(process.pid) };
  rmSync(mine, { force: true });
  writeFileSync(mine, JSON.stringify(me), { flag: 'wx' });
  try {
    while (!madeLink(mine, lock)) {
      const holder = holderOf(lock);
      if (holder === null) continue;
      if (lives(holder)) throw heldBy(path, `process ${holder.pid}`);
      removeOf(lock, holder);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  const unlock = (): void => {
    process.off('exit', unlock);
    removeOf(lock, me);
  };
  process.on('exit', unlock);
  return unlock;
}

function madeLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Who holds a lock; null if it has just been let go. A lock that says nothing is of no process. */
function holderOf(lock: string): Holder | null {
  try {
    const { pid, started } = JSON.parse(readFileSync(lock, 'utf8')) as Partial<Holder>;
    return { pid: Number(pid), started: typeof started === 'string' ? started : null };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : { pid: 0, started: null };
  }
}

function lives({ pid, started }: Holder): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return started === null || startOf(pid) === null || startOf(pid) === started;
}

/** Removes the lock of a holder. Another process may have taken it over meanwhile: that one gets it back. */
function removeOf(lock: string, { pid, started }: Holder): void {
  const aside = `${lock}.${process.pid}.old`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  const found = holderOf(aside);
  if (found !== null && (found.pid !== pid || found.started !== started)) madeLink(aside, lock);
  rmSync(aside, { force: true });
}

/** When a process started, in clock ticks since the system did; null where that cannot be seen. Source: proc(5), field 22. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
