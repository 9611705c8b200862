import { closeSync, openSync, writeSync } from 'node:fs';
import { LockstepError } from '../errors.js';

/** Characters that are kept before they are written. */
const BUFFERED = 1 << 16;
/** Milliseconds for which lines are kept at most, so that a reader who follows the file sees progress. */
const KEPT_MS = 500;

/** A JSON Lines file written as it grows by a thread that may block. Lines are written whole. */
export class LineFile implements Disposable {
  readonly #path: string;
  readonly #file: number;
  #lines: string[] = [];
  #characters = 0;
  #written = performance.now();

  /** Empties the file. Errors: ERR_INPUT_INVALID for a path that cannot be written, here and later. */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#try(() => openSync(path, 'w'));
  }

  write(record: object): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters >= BUFFERED || performance.now() - this.#written >= KEPT_MS) this.flush();
  }

  flush(): void {
    const bytes = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#characters = 0;
    this.#written = performance.now();
    for (let from = 0; from < bytes.length; ) from += this.#try(() => writeSync(this.#file, bytes, from));
  }

  [Symbol.dispose](): void {
    try {
      this.flush();
    } finally {
      closeSync(this.#file);
    }
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `${this.#path} cannot be written: ${(error as Error).message}`,
        { path: this.#path },
        { cause: error },
      );
    }
  }
}
