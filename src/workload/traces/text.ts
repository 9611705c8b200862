import { createReadStream } from 'node:fs';
import { TextDecoder } from 'node:util';
import { LockstepError } from '../../errors.js';
import { refuseLine } from './row.js';

/** Where a trace comes from: a path, a `Readable`, or anything that yields UTF-8 bytes or text. */
export type TraceSource = string | URL | AsyncIterable<Uint8Array | string>;

/** No line of a trace comes near: 16 Mi characters. It bounds what a file without line ends can take. */
export const MAX_LINE_CHARACTERS: number = 16 * 1024 * 1024;

/** What errors call the source. */
export function sourceName(source: TraceSource): string {
  if (typeof source === 'string') return source;
  return source instanceof URL ? source.href : '<stream>';
}

/**
 * The text of a source, without its byte order mark. Throws `ERR_INPUT_INVALID` when it cannot be read,
 * `ERR_TRACE_INVALID` when it is not UTF-8, and `ERR_ABORTED` at once when the signal aborts, even while the source
 * has nothing to give.
 */
export async function* readText(source: TraceSource, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const file = sourceName(source);
  const input = typeof source === 'string' || source instanceof URL ? createReadStream(source) : source;
  const iterator = input[Symbol.asyncIterator]();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pending = false;
  let started = false;
  try {
    for (;;) {
      pending = true;
      const result = await untilAborted(iterator.next(), signal, file);
      pending = false;
      const decoded = result.done ? decoder.decode() : textOf(result.value, decoder);
      // The decoder drops the mark from bytes; a source of strings may still carry it.
      const text = started ? decoded : decoded.replace(/^\uFEFF/, '');
      started ||= decoded !== '';
      if (text !== '') yield text;
      if (result.done) return;
    }
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    if (error instanceof TypeError && (error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      const message = `${file}: not UTF-8 text; if it is compressed, decompress it first`;
      throw new LockstepError('ERR_TRACE_INVALID', message, { file }, { cause: error });
    }
    const reason = error instanceof Error ? error.message : String(error);
    const message = `${file}: cannot be read (${reason}); check that it is a file that you may read`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { file }, { cause: error });
  } finally {
    const ended = Promise.resolve(iterator.return?.()).catch(() => undefined);
    if ('destroy' in input && typeof input.destroy === 'function') input.destroy();
    // A source that still owes an answer may never give it.
    if (!pending) await ended;
  }
}

/** Lines of a text, from line 1, without their ends (LF or CRLF). The last line needs no end. */
export async function* readLines(text: AsyncIterable<string>, file: string): AsyncGenerator<string> {
  let rest = '';
  let line = 0;
  for await (const chunk of text) {
    const lines = chunk.split('\n');
    lines[0] = rest + lines[0];
    rest = lines.pop() as string;
    for (const one of lines) {
      line++;
      yield one.endsWith('\r') ? one.slice(0, -1) : one;
    }
    if (rest.length > MAX_LINE_CHARACTERS) {
      refuseLine({ file, line: line + 1 }, 'the line', `at most ${MAX_LINE_CHARACTERS} characters long`, rest);
    }
  }
  if (rest !== '') yield rest;
}

/** What is looked at to tell a format; a longer first line is judged by its beginning. */
const HEAD_CHARACTERS = 1024 * 1024;

/** The first line that is not blank, trimmed, or undefined where there is none; and the whole text, that line included. */
export async function readHead(
  text: AsyncGenerator<string>,
): Promise<{ readonly line: string | undefined; readonly whole: AsyncGenerator<string> }> {
  let head = '';
  let begin = -1;
  let end = -1;
  // Each chunk is looked at once: a line may be very long.
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

/** Throws `ERR_ABORTED` if the signal has aborted. */
export function checkAborted(signal: AbortSignal | undefined, file: string): void {
  if (signal?.aborted) {
    throw new LockstepError('ERR_ABORTED', `${file}: reading was aborted`, { file }, { cause: signal.reason });
  }
}

function textOf(chunk: Uint8Array | string, decoder: TextDecoder): string {
  return typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined, file: string): Promise<T> {
  if (signal === undefined) return promise;
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) resolve();
  });
  try {
    const first = await Promise.race([promise, aborted]);
    checkAborted(signal, file);
    return first as T;
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => undefined);
  }
}
