import { write, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LockstepError } from '../errors.js';
import type { OpenOutput } from './open-output.js';
import { writeRefusal } from './refusal.js';

const writeFile = promisify(write);

/** Characters that are kept before they are written. */
const BUFFERED = 1 << 18;
/** Milliseconds for which lines are kept at most, so that a reader who follows the file sees progress. */
const KEPT_MS = 500;
/** Lines between two looks at the clock, less one. */
const CLOCK_EVERY = 15;
/** Milliseconds between two tries to write into a full pipe. */
const FULL_MS = 2;
/** Milliseconds that a reader who takes nothing is waited for once the command was interrupted. */
const PATIENCE_MS = 2000;

/**
 * Writes JSON Lines into an open file, in order, many at once. Whoever writes asks for `flush`, which lets other work go on, or
 * `flushSync`, for a thread that may block, when `write` says so. Errors: ERR_INPUT_INVALID naming the file that cannot be written.
 */
export class LineWriter {
  readonly #output: Pick<OpenOutput, 'path' | 'descriptor'>;
  #kept = '';
  #lines = 0;
  #written = performance.now();

  constructor(output: Pick<OpenOutput, 'path' | 'descriptor'>) {
    this.#output = output;
  }

  /** Lines so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Keeps one line; whether it is time for a flush. */
  write(record: object): boolean {
    this.#kept += `${JSON.stringify(record)}\n`;
    const looks = (this.#lines++ & CLOCK_EVERY) === 0;
    return this.#kept.length >= BUFFERED || (looks && performance.now() - this.#written >= KEPT_MS);
  }

  /** Writes what is kept. An aborted `signal` ends the wait for the reader of a pipe who takes nothing, with ERR_ABORTED. */
  async flush(signal?: AbortSignal): Promise<void> {
    await writeAll(this.#output, this.#take(), signal);
  }

  /** The same from a thread that may block. */
  flushSync(): void {
    const { path, descriptor } = this.#output;
    const bytes = this.#take();
    for (let from = 0; from < bytes.length; ) {
      try {
        from += writeSync(descriptor, bytes, from);
      } catch (error) {
        if (!isFull(error)) throw writeRefusal(path, error);
        Atomics.wait(SLEEP, 0, 0, FULL_MS);
      }
    }
  }

  #take(): Buffer {
    const bytes = Buffer.from(this.#kept);
    this.#kept = '';
    this.#written = performance.now();
    return bytes;
  }
}

/** Writes bytes into an open file. Errors: ERR_INPUT_INVALID; ERR_ABORTED as `LineWriter.flush`. */
export async function writeAll(
  { path, descriptor }: Pick<OpenOutput, 'path' | 'descriptor'>,
  bytes: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  let moved = performance.now();
  for (let from = 0; from < bytes.length; ) {
    try {
      const { bytesWritten } = await writeFile(descriptor, bytes, from);
      from += bytesWritten;
      moved = performance.now();
    } catch (error) {
      if (!isFull(error)) throw writeRefusal(path, error);
      if (signal?.aborted === true && performance.now() - moved > PATIENCE_MS) {
        throw new LockstepError('ERR_ABORTED', `${path}: interrupted, and its reader takes nothing`, { path });
      }
      await setTimeout(FULL_MS);
    }
  }
}

/** Whether a pipe holds as much as it can until its reader takes some. */
function isFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN';
}

/** A word that never changes, to sleep on. */
const SLEEP = new Int32Array(new SharedArrayBuffer(4));
