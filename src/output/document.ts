import { chmodSync, realpathSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { LockstepError } from '../errors.js';

/** Files that are being written. A process that exits at once removes them: a second Ctrl-C waits for nothing. */
const unfinished = new Set<StagedFile>();

function dropUnfinished(): void {
  for (const file of unfinished) file.drop();
}

/**
 * A file that takes the place of `path` whole or not at all: it is written beside it, under a name of its own, and renamed in
 * the end. The old file stays until then, and remains if writing fails. A device or a pipe is written directly.
 */
export class StagedFile {
  /** Where to write. */
  readonly writePath: string;
  readonly #path: string;
  /** The path that the new file replaces; null if it is written directly. */
  readonly #target: string | null;
  readonly #mode: number | undefined;

  constructor(path: string) {
    this.#path = path;
    const found = statOf(path);
    if (found !== undefined && !found.isFile()) {
      this.#target = null;
      this.writePath = path;
      return;
    }
    // A link keeps pointing to its file.
    this.#target = found === undefined ? path : realpathSync(path);
    this.#mode = found?.mode;
    this.writePath = `${this.#target}.${process.pid}.part`;
    if (unfinished.size === 0) process.on('exit', dropUnfinished);
    unfinished.add(this);
  }

  /** Renames the new file into place. Errors: ERR_INPUT_INVALID. */
  place(): void {
    if (this.#target === null) return;
    try {
      if (this.#mode !== undefined) chmodSync(this.writePath, this.#mode);
      renameSync(this.writePath, this.#target);
      this.#end();
    } catch (error) {
      this.drop();
      throw this.refusal(error as Error);
    }
  }

  /** Removes what was written so far. */
  drop(): void {
    this.#end();
    if (this.#target !== null) rmSync(this.writePath, { force: true });
  }

  #end(): void {
    unfinished.delete(this);
    if (unfinished.size === 0) process.off('exit', dropUnfinished);
  }

  /** The error for a file that `cause` kept from being written, under the name that the caller gave. */
  refusal(cause: Error): LockstepError {
    const reason = cause.message.replaceAll(this.writePath, this.#path);
    return new LockstepError(
      'ERR_INPUT_INVALID',
      `${this.#path} cannot be written: ${reason}`,
      { path: this.#path },
      { cause },
    );
  }
}

/** The status of what a path leads to; undefined if there is no such file yet, or if opening it will report what is wrong. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
