import { closeSync, ftruncateSync } from 'node:fs';
import { lockFile, type Unlock } from './file-lock.js';
import { type OpenOutput, openOutput } from './open-output.js';
import { writeRefusal } from './refusal.js';
import { identityOf } from './target.js';

const MAX_TRIES = 10;

/**
 * Opens a file for writing and locks it, if it is a regular one. What is in it stays. Errors: ERR_INPUT_INVALID for one that cannot be
 * written, or that another run writes; ERR_ABORTED.
 */
export async function openLocked(
  path: string,
  signal?: AbortSignal,
): Promise<OpenOutput & { readonly unlock: Unlock }> {
  for (let tries = 1; ; tries++) {
    const output = await openOutput(path, signal);
    if (!output.regular) return { ...output, unlock: () => undefined };
    try {
      const unlock = lockFile(output.descriptor, path);
      const same = identityOf(path) === identityOf(output.descriptor);
      // A file system that numbers one file in two ways would go on for ever.
      if (same || tries === MAX_TRIES) return { ...output, unlock };
      // Another run has put a document in its place between the opening and the lock.
      unlock();
    } catch (error) {
      closeSync(output.descriptor);
      throw writeRefusal(path, error);
    }
    closeSync(output.descriptor);
  }
}

/**
 * A log, which grows in place under its own name, so that it can be followed, and read after its writer was killed. It is locked
 * until it is closed. Mode and owner of a file that was there stay, and links are followed; a pipe or a device is written as it is.
 */
export class GrowingFile implements OpenOutput, Disposable {
  readonly path: string;
  readonly descriptor: number;
  readonly regular: boolean;
  readonly #unlock: Unlock;
  #open = true;

  /** Opens a file, locks it and empties it. Errors: ERR_INPUT_INVALID, also for one that another run writes; ERR_ABORTED. */
  static async open(path: string, signal?: AbortSignal): Promise<GrowingFile> {
    const { unlock, ...output } = await openLocked(path, signal);
    const file = new GrowingFile(output, unlock);
    try {
      if (output.regular) ftruncateSync(output.descriptor);
    } catch (error) {
      file.close();
      throw writeRefusal(path, error);
    }
    return file;
  }

  private constructor({ path, descriptor, regular }: OpenOutput, unlock: Unlock) {
    this.path = path;
    this.descriptor = descriptor;
    this.regular = regular;
    this.#unlock = unlock;
  }

  /** Closes the file and lets its lock go. Does nothing when called again. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unlock();
    closeSync(this.descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
