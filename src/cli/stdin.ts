import { fstatSync, readSync, type Stats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** The name of a file that stands for standard input. */
const STDIN = '-';

/** Rounds of the event loop in which bytes that a pipe holds are seen. */
const ROUNDS = 3;

/** What a file option or argument names: a path as it is, or standard input, which can be read once. */
export function inputOf(file: string): string | AsyncIterable<Uint8Array> {
  return file === STDIN ? process.stdin : file;
}

/** The same for a source that is looked at before it is read: of standard input, the second reader begins where the first did. */
export function inputReadTwice(file: string): string | AsyncIterable<Uint8Array> {
  return file === STDIN ? new LookedAtInput() : file;
}

/** How a report calls the source. */
export function inputName(file: string): string {
  return file === STDIN ? 'standard input' : file;
}

/** Stops reading standard input, of which no more is wanted, so that whoever still writes to it does not keep the process. */
export function endInput(file: string | undefined): void {
  if (file === STDIN) process.stdin.destroy();
}

/**
 * Whether standard input holds bytes now, which nobody was told to read. It does not wait for any, and takes what there is: not for
 * a command that reads it.
 */
export async function inputIsWaiting(): Promise<boolean> {
  let stat: Stats;
  try {
    stat = fstatSync(0);
  } catch {
    // It is closed.
    return false;
  }
  // What is left of a file counts, not its size: a loop over its lines may have read it to its end.
  if (stat.isFile()) return readSync(0, new Uint8Array(1)) > 0;
  if (!stat.isFIFO() && !stat.isSocket()) return false;
  const { stdin } = process;
  stdin.on('error', () => undefined);
  stdin.on('readable', () => undefined);
  for (let round = 0; round < ROUNDS && stdin.readableLength === 0; round++) await setImmediate();
  const waits = stdin.readableLength > 0;
  stdin.destroy();
  return waits;
}

/** Standard input, the beginning of which is kept while a first reader looks at it and given to the second again. */
class LookedAtInput implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array> = process.stdin[Symbol.asyncIterator]();
  readonly #kept: Uint8Array[] = [];
  #looked = false;

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const looking = !this.#looked;
    this.#looked = true;
    if (!looking) yield* this.#kept.splice(0);
    for (;;) {
      const { value, done } = await this.#chunks.next();
      if (done === true) return;
      if (looking) this.#kept.push(value);
      yield value;
    }
  }
}
