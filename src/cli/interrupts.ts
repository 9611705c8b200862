import { setImmediate } from 'node:timers/promises';
import { LockstepError } from '../errors.js';
import { EXIT } from './exit.js';

/** A terminal sends Ctrl-C to the whole process group, and npm forwards it again: a second signal counts only if it comes later. */
const SAME_SIGNAL_MS = 500;

/** Milliseconds for which a command that was interrupted and has ended may still be held up. */
const HELD_UP_MS = 2000;

/** Turns SIGINT and SIGTERM into an abort; a second one, later, ends the process at once. */
class Interrupts {
  readonly #controller = new AbortController();
  #signal: 'SIGINT' | 'SIGTERM' | null = null;
  #since = 0;

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => this.#on(name));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 once a signal came, else null. */
  get exitCode(): number | null {
    return this.#signal === null ? null : CODES[this.#signal];
  }

  /** The command has ended as the first signal asked: it exits with a code of its own. */
  served(): void {
    this.#signal = null;
  }

  /** Handles a signal that arrived during synchronous work. @throws `ERR_ABORTED` once one did; `when` ends its message. */
  async look(when: string): Promise<void> {
    await setImmediate();
    if (this.signal.aborted) throw new LockstepError('ERR_ABORTED', `Interrupted ${when}`);
  }

  /**
   * Ends the process, soon, once its command has ended after a signal. A call that waits inside the kernel, as one to a disk that does
   * not answer, holds up every other end: then it ends by the signal itself.
   */
  leave(): void {
    const name = this.#signal;
    if (name === null) return;
    process.exitCode = CODES[name];
    setTimeout(() => {
      process.removeAllListeners(name);
      process.kill(process.pid, name);
    }, HELD_UP_MS).unref();
  }

  #on(name: 'SIGINT' | 'SIGTERM'): void {
    if (this.#signal === null) {
      this.#signal = name;
      this.#since = performance.now();
      this.#controller.abort();
    } else if (performance.now() - this.#since > SAME_SIGNAL_MS) {
      // Should that not end it, because a call waits inside the kernel, the next signal does.
      process.removeAllListeners('SIGINT');
      process.removeAllListeners('SIGTERM');
      process.exit(CODES[name]);
    }
  }
}

const CODES = { SIGINT: EXIT.sigint, SIGTERM: EXIT.sigterm } as const;

/** The signals of this process, from the first import of the command line to its end. */
export const interrupts: Interrupts = new Interrupts();

/** Runs a command's work. If it is interrupted before there is a summary, the command ends with a line on stderr and no error. */
export async function unlessInterrupted(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (interrupts.exitCode === null || !(error instanceof LockstepError && error.code === 'ERR_ABORTED')) throw error;
    const { describe } = await import('./describe.js');
    process.stderr.write(`${describe(error)}\n`);
  }
}
