import { fstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';

/** Links that lead from one to the next before they count as a loop, as in Linux. */
const MAX_LINKS = 40;

/**
 * The file that a path leads to over all links, or where it will be made: a link may lead to a file that is not there yet. Errors:
 * those of the file system, ELOOP among them.
 */
export function targetOf(file: string): string {
  let at = path.resolve(file);
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      return realpathSync(at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const folder = realpathSync(path.dirname(at));
    at = path.join(folder, path.basename(at));
    const next = linkAt(at);
    if (next === null) return at;
    at = path.resolve(folder, next);
  }
  throw Object.assign(new Error(`ELOOP: too many symbolic links encountered, open '${file}'`), { code: 'ELOOP' });
}

/** Where a link leads; null for what is no link. */
function linkAt(file: string): string | null {
  try {
    return readlinkSync(file);
  } catch {
    return null;
  }
}

/** The status of what a path leads to; undefined if there is no such file yet, or if opening it will report what is wrong. */
export function statOf(file: string): Stats | undefined {
  try {
    return statSync(file);
  } catch {
    return undefined;
  }
}

/**
 * An identity that is equal for all paths to one file: links, hard ones too, and the file behind a number of a stream of this process.
 * Null for what is no regular file, such as a device, which may be named twice.
 */
export function identityOf(file: string | number): string | null {
  try {
    const facts =
      typeof file === 'number'
        ? fstatSync(file, { bigint: true })
        : statSync(file, { bigint: true, throwIfNoEntry: true });
    return facts.isFile() ? `${facts.dev}:${facts.ino}` : null;
  } catch {
    if (typeof file === 'number') return null;
  }
  try {
    return targetOf(file);
  } catch {
    return path.resolve(file);
  }
}
