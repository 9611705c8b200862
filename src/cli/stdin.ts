import { fstatSync, readSync, type Stats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** The file name that means standard input. */
export const STDIN = '-';

/** Iterations of the event loop within which bytes already in a pipe arrive. */
const ROUNDS = 3;

/** The source that a file option or argument names: a path, or standard input, which can be read once. */
export function inputOf(file: string): string | AsyncIterable<Uint8Array> {
  return file === STDIN ? process.stdin : file;
}

/** The same for a source that is inspected before it is read: a second reader of standard input starts from the beginning again. */
export function inputReadTwice(file: string): string | AsyncIterable<Uint8Array> {
  return file === STDIN ? new LookedAtInput() : file;
}

/** How a report calls the source. */
export function inputName(file: string): string {
  return file === STDIN ? 'standard input' : file;
}

/** Says on stderr that a log is not whole, and why; it was read all the same. */
export function warnOfLog(file: string, incomplete: string | null | undefined): void {
  if (typeof incomplete === 'string') process.stderr.write(`lockstep: warning: ${inputName(file)} ${incomplete}\n`);
}

/** Stops reading standard input, so that a process that still writes to it does not keep this one alive. */
export function endInput(file: string | undefined): void {
  if (file === STDIN) process.stdin.destroy();
}

/**
 * Whether standard input holds bytes now, although no argument names it. It does not wait for any, and consumes what there is: not for
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
  // The unread rest of a file counts, not its size: a shell loop over its lines may have read it to the end.
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

/** Standard input for two readers: what the first one reads is kept and given to the second again. */
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
