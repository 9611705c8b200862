import { close, constants, createReadStream, fstat, open, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { pipeline, type Readable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';

const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);

/**
 * The bytes of a file, unpacked where its name ends in `.gz`. Nothing waits inside the kernel for the writer of a pipe, or for a
 * key: such a wait could not be ended. Everything else in src/input/ runs in browsers too.
 */
export async function openPath(path: string | URL): Promise<Readable> {
  const file = await openBytes(path);
  if (!String(path).endsWith('.gz')) return file;
  // The reader of the unpacked stream receives every error; the callback only keeps it from being unhandled.
  return pipeline(file, createGunzip(), () => undefined);
}

async function openBytes(path: string | URL): Promise<Readable> {
  const descriptor = await openFile(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const facts = await statFile(descriptor);
  // A pipe is silent until somebody has opened it for writing, and at its end once its writers have closed it.
  if (facts.isFIFO()) return new Socket({ fd: descriptor, readable: true, writable: false });
  if (isatty(descriptor)) return new ReadStream(descriptor);
  if (!facts.isCharacterDevice()) return createReadStream('', { fd: descriptor });
  await closeFile(descriptor);
  return createReadStream(path);
}

/** Whether a path is a pipe, which can be read only once. Any other problem with it is left to its reader. */
export function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    return false;
  }
}
