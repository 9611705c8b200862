import { closeSync, constants, open } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { untilAborted } from '../input/index.js';
import { lockFile } from './file-lock.js';
import { writeRefusal } from './refusal.js';
import { statOf, targetOf } from './target.js';

const openFile = promisify(open);

/**
 * Throws what writing this file would throw, as far as that can be seen before long work and without changing anything. Errors:
 * ERR_INPUT_INVALID for a file that cannot be written, or that another run writes; ERR_ABORTED.
 */
export async function checkOutput(file: string, signal?: AbortSignal): Promise<void> {
  const found = statOf(file);
  try {
    if (found === undefined) {
      await access(path.dirname(targetOf(file)), constants.W_OK);
    } else if (found.isFile() || found.isDirectory()) {
      await checkFree(file, signal);
    }
  } catch (error) {
    throw writeRefusal(file, error);
  }
}

async function checkFree(file: string, signal: AbortSignal | undefined): Promise<void> {
  const opening = openFile(file, constants.O_WRONLY | (constants.O_NONBLOCK ?? 0));
  let descriptor: number;
  try {
    descriptor = await untilAborted(opening, signal, file, 'writing');
  } catch (error) {
    opening.then(closeSync, () => undefined);
    throw error;
  }
  try {
    lockFile(descriptor, file)();
  } finally {
    closeSync(descriptor);
  }
}
