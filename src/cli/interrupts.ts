import { setImmediate } from 'node:timers/promises';
import { LockstepError } from '../errors.js';
import { describe, EXIT } from './exit.js';

/** A terminal sends Ctrl-C to the whole process group, and npm forwards it again: a second signal counts only if it comes later. */
const SAME_SIGNAL_MS = 500;

/** Turns SIGINT and SIGTERM into an abort; a second one, later, ends the process at once. */
class Interrupts {
  readonly #controller = new AbortController();
  #exitCode: number | null = null;
  #since = 0;

  constructor() {
    process.on('SIGINT', () => this.#on(EXIT.sigint));
    process.on('SIGTERM', () => this.#on(EXIT.sigterm));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 once a signal came, else null. */
  get exitCode(): number | null {
    return this.#exitCode;
  }

  /** Handles a signal that arrived during synchronous work. @throws `ERR_ABORTED` once one did; `when` ends its message. */
  async look(when: string): Promise<void> {
    await setImmediate();
    if (this.signal.aborted) throw new LockstepError('ERR_ABORTED', `Interrupted ${when}`);
  }

  #on(exitCode: number): void {
    if (this.#exitCode === null) {
      this.#exitCode = exitCode;
      this.#since = performance.now();
      this.#controller.abort();
    } else if (performance.now() - this.#since > SAME_SIGNAL_MS) {
      process.exit(exitCode);
    }
  }
}

/** The signals of this process, from the first import of the command line to its end. */
export const interrupts: Interrupts = new Interrupts();

/** Runs a command's work. If it is interrupted before there is a summary, the command ends with a line on stderr and no error. */
export async function unlessInterrupted(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (interrupts.exitCode === null || !(error instanceof LockstepError && error.code === 'ERR_ABORTED')) throw error;
    process.stderr.write(`${describe(error)}\n`);
  }
}
