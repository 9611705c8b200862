import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { checkArguments } from '../checks.js';
import { LockstepError } from '../errors.js';
import { checkAborted, untilAborted } from '../input/index.js';
import { decodeRecording, type Recording } from './decode-recording.js';
import { HEADER_BYTES, notOne, readHeader } from './recording-header.js';

/** Bytes that are read at once: the signal is looked at between two. */
const CHUNK_BYTES = 1 << 24;

/**
 * Reads the file of a recorder, of which no more than its header says is there. `signal` ends reading. Errors: ERR_INPUT_INVALID, also
 * for what is no regular file; ERR_ABORTED.
 */
export async function readRecording(
  path: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Recording> {
  checkArguments('readRecording', { path: [path, 'text'], options: [options, 'object'] });
  const { signal } = options;
  const reading = bytesOf(path, signal);
  return decodeRecording(await untilAborted(reading, signal, path), path);
}

async function bytesOf(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    // The open of a named pipe would wait for its writer, where nothing can end it.
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const facts = await file.stat();
    if (!facts.isFile()) throw notOne(path, 'it is no regular file');
    const head = await readSome(file, new Uint8Array(Math.min(HEADER_BYTES, facts.size)), path, signal);
    const { bytes } = readHeader(head, path);
    if (facts.size < bytes) throw notOne(path, 'it is cut short');
    return await readSome(file, new Uint8Array(bytes), path, signal);
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    const message = `${path} cannot be read: ${(error as Error).message}`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { path }, { cause: error });
  }
}

/** Fills bytes from the beginning of a file; a file that has become shorter leaves zeros. */
async function readSome(
  file: FileHandle,
  into: Uint8Array,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  for (let at = 0; at < into.length; ) {
    checkAborted(signal, path);
    const { bytesRead } = await file.read(into, at, Math.min(CHUNK_BYTES, into.length - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return into;
}
