import { closeSync, constants, fstatSync, open } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { checkAborted, untilAborted } from '../input/index.js';
import { writeRefusal } from './refusal.js';
import { statOf } from './target.js';

const openFile = promisify(open);

/** Milliseconds between two looks for a reader of a pipe. */
const READER_MS = 20;

/** A file that is open for writing. */
export interface OpenOutput {
  /** As the caller named it. */
  readonly path: string;
  readonly descriptor: number;
  /** Whether it is a file with a place on a disk, and no pipe or device. */
  readonly regular: boolean;
}

/**
 * Opens what a path leads to for writing, as it is; a file is made where there is none. It waits for the reader of a pipe, though never
 * inside the kernel, where no signal would end the wait. Errors: ERR_INPUT_INVALID, ERR_ABORTED.
 */
export async function openOutput(path: string, signal?: AbortSignal): Promise<OpenOutput> {
  const flags = constants.O_WRONLY | constants.O_CREAT | (constants.O_NONBLOCK ?? 0);
  for (;;) {
    checkAborted(signal, path, 'writing');
    const opening = openFile(path, flags, 0o666);
    try {
      const descriptor = await untilAborted(opening, signal, path, 'writing');
      return { path, descriptor, regular: fstatSync(descriptor).isFile() };
    } catch (error) {
      opening.then(closeSync, () => undefined);
      const waits = (error as NodeJS.ErrnoException).code === 'ENXIO' && statOf(path)?.isFIFO() === true;
      if (!waits) throw writeRefusal(path, error);
    }
    await setTimeout(READER_MS);
  }
}
