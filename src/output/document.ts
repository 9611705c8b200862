import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  open,
  openSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { LockstepError } from '../errors.js';
import { openLocked } from './growing-file.js';
import { writeAll } from './line-writer.js';
import { openOutput } from './open-output.js';
import { writeRefusal } from './refusal.js';
import { statOf, targetOf } from './target.js';

const syncFile = promisify(fsync);
const openFile = promisify(open);

/** Characters of a file's name that the name of the new one begins with: a name has 255 bytes at most. */
const NAME_CHARACTERS = 50;

/** Files that are being written. A process that exits at once removes them: a second Ctrl-C waits for nothing. */
const unfinished = new Set<string>();

function dropUnfinished(): void {
  for (const file of unfinished) rmSync(file, { force: true });
}

/**
 * Writes a document, which takes the place of `file` whole or not at all: it is written beside it under a name of its own, as
 * `FILE.PID-RANDOM.part`, reaches the disk, and is renamed. Until then the old file stays, whose mode and owner the new one has; links are
 * followed. A pipe or a device is written as it is. Errors: ERR_INPUT_INVALID for what cannot be written, or that another run
 * writes; ERR_ABORTED.
 */
export async function writeDocument(file: string, text: string, signal?: AbortSignal): Promise<void> {
  const found = statOf(file);
  const bytes = Buffer.from(text);
  if (found?.isFile() === false) {
    const output = await openOutput(file, signal);
    try {
      return await writeAll(output, bytes, signal);
    } finally {
      closeSync(output.descriptor);
    }
  }
  // A log that another run writes under this name would go on without it.
  const held = found === undefined ? null : await openLocked(file, signal);
  try {
    await replace(file, bytes, found, signal);
  } finally {
    held?.unlock();
    if (held !== null) closeSync(held.descriptor);
  }
}

async function replace(file: string, bytes: Uint8Array, found: Stats | undefined, signal?: AbortSignal): Promise<void> {
  let part = file;
  try {
    const target = targetOf(file);
    part = partOf(target);
    const descriptor = await made(part, found);
    try {
      await writeAll({ path: file, descriptor }, bytes, signal);
      if (found !== undefined) own(file, descriptor, found);
      await syncFile(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(part, target);
    await syncFolder(path.dirname(target));
  } catch (error) {
    throw writeRefusal(file, error, part);
  } finally {
    // Where it was renamed there is none.
    if (part !== file) rmSync(part, { force: true });
    unfinished.delete(part);
    if (unfinished.size === 0) process.off('exit', dropUnfinished);
  }
}

/** Makes the new file, and refuses one that is there: a link in its place would lead elsewhere. */
function made(part: string, found: Stats | undefined): Promise<number> {
  if (unfinished.size === 0) process.on('exit', dropUnfinished);
  unfinished.add(part);
  return openFile(part, 'wx', found === undefined ? 0o666 : 0o600);
}

/** A name beside a file for the one that will take its place. */
function partOf(target: string): string {
  const name = path.basename(target).slice(0, NAME_CHARACTERS);
  return path.join(path.dirname(target), `${name}.${process.pid}-${randomBytes(3).toString('hex')}.part`);
}

/** Gives the new file the owner and the mode of the one that it replaces. */
function own(file: string, descriptor: number, { uid, gid, mode }: Stats): void {
  const mine = fstatSync(descriptor);
  if (mine.uid !== uid || mine.gid !== gid) {
    try {
      fchownSync(descriptor, uid, gid);
    } catch (cause) {
      const message = `${file} belongs to user ${uid} and group ${gid}, which a new file in its place could not; remove it first, or give another name`;
      throw new LockstepError('ERR_INPUT_INVALID', message, { path: file, uid, gid }, { cause });
    }
  }
  fchmodSync(descriptor, mode);
}

/** Lets the new name reach the disk, where the file system can say so. */
async function syncFolder(folder: string): Promise<void> {
  let descriptor: number;
  try {
    descriptor = openSync(folder, 'r');
  } catch {
    return;
  }
  await syncFile(descriptor).catch(() => undefined);
  closeSync(descriptor);
}
