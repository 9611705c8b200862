import { openPath } from '#open-path';
import { checkArguments } from '../checks.js';
import { type ErrorCode, LockstepError, shown } from '../errors.js';
import { MAX_LINE_CHARACTERS } from './refusal.js';

/**
 * Where text comes from: a path (only on Node; `.gz` is unpacked), or anything that yields UTF-8 bytes or text, such as a Node
 * `Readable` or a web `ReadableStream`.
 */
export type TextSource = string | URL | AsyncIterable<Uint8Array | string>;

/** How text is read. Bytes that gzip compressed, and ASCII in UTF-16, are refused in any case. */
export interface TextOptions {
  /** Ends reading with `ERR_ABORTED` at once, even while the source has nothing to give. */
  readonly signal?: AbortSignal | undefined;
  /** Code of the error for bytes that are not UTF-8, and for blank lines without end. Default `ERR_INPUT_INVALID`. */
  readonly code?: ErrorCode;
  /** Replaces bytes that are not UTF-8 instead of refusing them. Default false. */
  readonly lenient?: boolean;
}

/** The name of the source in errors. */
export function sourceName(source: TextSource): string {
  if (typeof source === 'string') return source;
  return source instanceof URL ? source.href : 'the stream';
}

/**
 * The text of a source, without its byte order mark. It closes the source, also when it is returned early. Errors:
 * `ERR_INPUT_INVALID` for a source that cannot be read, `code` for bytes that are not UTF-8 and for blank lines without end, `ERR_ABORTED`.
 */
export async function* readText(source: TextSource, options: TextOptions = {}): AsyncGenerator<string> {
  checkArguments('a source of text', { options: [options, 'object'] });
  const { signal, code = 'ERR_INPUT_INVALID', lenient = false } = options;
  const file = sourceName(source);
  const decode = decoderOf(file, code, lenient);
  let iterator: AsyncIterator<Uint8Array | string> | undefined;
  let input: AsyncIterable<Uint8Array | string> | undefined;
  let pending = false;
  let started = false;
  let blank = 0;
  try {
    if (
      typeof source !== 'string' &&
      !(source instanceof URL) &&
      typeof source?.[Symbol.asyncIterator] !== 'function'
    ) {
      const message = `the source is ${shown(source)}; give a path, a URL, or a stream of bytes or text`;
      throw new LockstepError('ERR_INPUT_INVALID', message);
    }
    input = typeof source === 'string' || source instanceof URL ? await opened(source, signal, file) : source;
    iterator = input[Symbol.asyncIterator]();
    for (;;) {
      pending = true;
      const result = await untilAborted(iterator.next(), signal, file);
      pending = false;
      const decoded = result.done ? decode() : decode(result.value);
      // The decoder drops the mark from bytes; a source of strings may still carry it.
      const text = started ? decoded : decoded.replace(/^\uFEFF/, '');
      started ||= decoded !== '';
      // Blanks without a line end are a line that is too long.
      if (/\S/.test(text)) blank = 0;
      else if (text.includes('\n')) blank += text.length;
      if (blank > MAX_LINE_CHARACTERS) throw tooBlank(file, code);
      if (text !== '') yield text;
      if (result.done) return;
    }
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `${file}: cannot be read (${reason}); check that it is a file that you may read`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { file }, { cause: error });
  } finally {
    const ended = Promise.resolve(iterator?.return?.()).catch(() => undefined);
    if (input !== undefined && 'destroy' in input && typeof input.destroy === 'function') input.destroy();
    // A source with a pending read may never settle it.
    if (!pending) await ended;
  }
}

/** Opens a path. One that opens only after the wait for it was ended is closed again. */
async function opened(
  path: string | URL,
  signal: AbortSignal | undefined,
  file: string,
): Promise<AsyncIterable<Uint8Array>> {
  const opening = openPath(path);
  try {
    return await untilAborted(opening, signal, file);
  } catch (error) {
    opening.then(
      (late) => 'destroy' in late && typeof late.destroy === 'function' && late.destroy(),
      () => undefined,
    );
    throw error;
  }
}

function tooBlank(file: string, code: ErrorCode): LockstepError {
  const message = `${file}: more than ${MAX_LINE_CHARACTERS} characters in a row are blank; give a source that holds something`;
  return new LockstepError(code, message, { file });
}

/** Most characters of a document that is read whole, such as a plan. */
const MAX_DOCUMENT_CHARACTERS = 4 * MAX_LINE_CHARACTERS;

/** The whole text of a source. Errors: those of `readText`, and `ERR_INPUT_INVALID` for one that is too long. */
export async function readWhole(source: TextSource, options: TextOptions = {}): Promise<string> {
  const file = sourceName(source);
  let whole = '';
  for await (const text of readText(source, options)) {
    whole += text;
    if (whole.length <= MAX_DOCUMENT_CHARACTERS) continue;
    const message = `${file}: longer than the ${MAX_DOCUMENT_CHARACTERS} characters that a document may have; check that it is the file you mean`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { file });
  }
  return whole;
}

/** Stands for any byte but 0, as undefined for any. */
const NONZERO = -1;

/** What bytes are that begin so (undefined: any byte), and what to do about it. In UTF-16 every other byte of ASCII is 0. */
const OTHERS: readonly { readonly begin: readonly (number | undefined)[]; readonly is: string }[] = [
  {
    begin: [0x1f, 0x8b],
    is: 'compressed by gzip; decompress it first (gunzip -c), or give a file whose name ends in .gz',
  },
  { begin: [0xff, 0xfe, undefined, 0], is: utf16('UTF-16') },
  { begin: [0xfe, 0xff, 0], is: utf16('UTF-16') },
  { begin: [NONZERO, 0, NONZERO, 0], is: utf16('UTF-16LE') },
  { begin: [0, NONZERO, 0, NONZERO], is: utf16('UTF-16BE') },
];
const LONGEST_BEGIN = Math.max(...OTHERS.map(({ begin }) => begin.length));

function utf16(encoding: string): string {
  return `UTF-16 text; save it as UTF-8 (iconv -f ${encoding} -t UTF-8)`;
}

/** Whether the first bytes, as far as they have come, are what begins so. */
function beginsSo(seen: readonly number[], begin: readonly (number | undefined)[]): boolean {
  if (seen.length < begin.length) return false;
  return begin.every((byte, at) => byte === undefined || (byte === NONZERO ? seen[at] > 0 : byte === seen[at]));
}

/** Decodes one chunk after the other; without one, what is left. Strings pass unchanged. */
function decoderOf(file: string, code: ErrorCode, lenient: boolean): (chunk?: Uint8Array | string) => string {
  const decoder = new TextDecoder('utf-8', { fatal: !lenient });
  const seen: number[] = [];
  return (chunk) => {
    if (typeof chunk === 'string') return chunk;
    if (chunk !== undefined && seen.length < LONGEST_BEGIN) {
      seen.push(...chunk.subarray(0, LONGEST_BEGIN - seen.length));
      const other = OTHERS.find(({ begin }) => beginsSo(seen, begin));
      if (other !== undefined) throw new LockstepError(code, `${file}: ${other.is}`, { file });
    }
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (error) {
      const message = `${file}: not UTF-8 text; if it is compressed, decompress it first, or name it .gz`;
      throw new LockstepError(code, message, { file }, { cause: error });
    }
  };
}

/** Characters from which a format is detected; a longer first line is judged by its beginning. */
const HEAD_CHARACTERS = 1024 * 1024;

/** The first line that is not blank, trimmed, or undefined where there is none; and the whole text, that line included. */
export async function readHead(
  text: AsyncGenerator<string>,
): Promise<{ readonly line: string | undefined; readonly whole: AsyncGenerator<string> }> {
  let head = '';
  let begin = -1;
  let end = -1;
  // Each chunk is scanned once: a line may be very long.
  for (let seen = 0; end < 0 && head.length < HEAD_CHARACTERS; seen = head.length) {
    const { value, done } = await text.next();
    if (done === true) break;
    head += value;
    if (begin < 0) begin = firstVisible(head, seen);
    if (begin >= 0) end = head.indexOf('\n', Math.max(begin, seen));
  }
  const line = begin < 0 ? undefined : head.slice(begin, end < 0 ? undefined : end).trimEnd();
  return { line, whole: prepend(head, text) };
}

/** Index of the first character at or after `from` that is not white space, or -1. */
function firstVisible(text: string, from: number): number {
  const index = text.slice(from).search(/\S/);
  return index < 0 ? -1 : from + index;
}

async function* prepend(head: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield head;
  yield* rest;
}

/** Throws `ERR_ABORTED` if the signal has aborted; `doing` says what of the file. */
export function checkAborted(signal: AbortSignal | undefined, file: string, doing: string = 'reading'): void {
  if (signal?.aborted) {
    throw new LockstepError('ERR_ABORTED', `${file}: ${doing} was aborted`, { file }, { cause: signal.reason });
  }
}

/** What a promise gives, unless the signal aborts first; the promise is left to itself then. Errors: `ERR_ABORTED`. */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  file: string,
  doing?: string,
): Promise<T> {
  if (signal === undefined) return promise;
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) resolve();
  });
  try {
    const first = await Promise.race([promise, aborted]);
    checkAborted(signal, file, doing);
    return first as T;
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => undefined);
  }
}
