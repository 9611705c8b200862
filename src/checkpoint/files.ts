import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { LockstepError } from '../errors.js';
import { firstRepeat } from './json-names.js';
import { modelRefusal } from './refusal.js';

/** Most bytes that one read asks the system for: it takes no more than 2 GiB at once. */
const READ_BYTES = 1 << 30;
/** Most bytes of a document beside the weights, such as config.json. Tokenizers of 256 Ki words have about 35 MB. */
const MAX_DOCUMENT_BYTES = 256 * 2 ** 20;

/** A file of a model, open for reading. */
export interface OpenFile {
  readonly file: string;
  /** Bytes that it has. */
  readonly size: number;
  /** Fills `into` with the bytes from `offset` on. Errors: ERR_MODEL_INVALID where the file ends before. */
  read(into: Uint8Array, offset: number): void;
}

/** Whether there is a file of that name; a link counts as what it leads to. Errors: ERR_MODEL_INVALID for a name that leads nowhere. */
export function isFile(file: string): boolean {
  return statOf(file)?.isFile() === true;
}

/** Whether there is a folder of that name. Errors as `isFile`. */
export function isFolder(folder: string): boolean {
  return statOf(folder)?.isDirectory() === true;
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Opens a regular file, gives it to `use`, and closes it. Errors: ERR_MODEL_INVALID for what cannot be read. */
export function withFile<T>(file: string, use: (open: OpenFile) => T): T {
  let descriptor = -1;
  try {
    const found = statOf(file);
    if (found === undefined) throw missing(file, 'file');
    // A pipe would keep the process inside the kernel.
    if (!found.isFile()) throw new Error('it is a folder, a pipe or a device, and no file');
    descriptor = openSync(file, 'r');
    const { size } = fstatSync(descriptor);
    return use({ file, size, read: (into, offset) => fill(file, descriptor, into, offset) });
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    if (descriptor >= 0) closeSync(descriptor);
  }
}

/** The error of the system for what is not there: whoever reads it may know the path. */
export function missing(path: string, kind: 'file' | 'folder'): Error {
  return Object.assign(new Error(`there is no such ${kind}`), { code: 'ENOENT', path });
}

function fill(file: string, descriptor: number, into: Uint8Array, offset: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(descriptor, into, done, Math.min(READ_BYTES, into.length - done), offset + done);
    if (count === 0) {
      const end = offset + into.length;
      const found = offset + done;
      throw modelRefusal({ file, field: 'the file', expected: `at least ${end} bytes long`, found });
    }
    done += count;
  }
}

function unreadable(file: string, error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const message = `${file}: cannot be read (${reason}); give the folder of a model in Hugging Face's layout: config.json and *.safetensors`;
  return new LockstepError('ERR_MODEL_INVALID', message, { file }, { cause: error });
}

/** The text of a document beside the weights. Errors: ERR_MODEL_INVALID for what cannot be read, is too long, or is not UTF-8. */
export function readDocument(file: string): string {
  return withFile(file, (open) => {
    if (open.size > MAX_DOCUMENT_BYTES) {
      const expected = `at most ${MAX_DOCUMENT_BYTES} bytes long`;
      throw modelRefusal({ file, field: 'the file', expected, found: open.size });
    }
    const bytes = new Uint8Array(open.size);
    open.read(bytes, 0);
    return utf8Of(file, 'the file', bytes);
  });
}

/** Text of bytes. Errors: ERR_MODEL_INVALID for what is not UTF-8. */
export function utf8Of(file: string, field: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw modelRefusal({ file, field, expected: 'UTF-8 text', found: `${bytes.length} bytes that are not`, cause });
  }
}

/** A JSON object, by its names. Errors: ERR_MODEL_INVALID for what is not one, or says a name twice. */
export function jsonObject(file: string, field: string, text: string): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw modelRefusal({ file, field, expected: 'JSON', found: (cause as Error).message, cause });
  }
  const repeated = firstRepeat(text);
  if (repeated !== null)
    throw modelRefusal({ file, field, expected: 'JSON that says each name once', found: repeated });
  return objectOf(file, field, value);
}

/** The names and values of what must be an object. Errors: ERR_MODEL_INVALID. */
export function objectOf(file: string, field: string, value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value));
  throw modelRefusal({ file, field, expected: 'an object', found: value });
}
