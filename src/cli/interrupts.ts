import { EXIT } from './exit.js';

/** Turns SIGINT and SIGTERM into an abort, once; a second signal ends the process at once. */
export class Interrupts implements Disposable {
  readonly #controller = new AbortController();
  #exitCode: number | null = null;
  readonly #handlers = {
    SIGINT: () => this.#on(EXIT.sigint),
    SIGTERM: () => this.#on(EXIT.sigterm),
  };

  constructor() {
    for (const [signal, handler] of Object.entries(this.#handlers)) process.on(signal, handler);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 once a signal came, else null. */
  get exitCode(): number | null {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of Object.entries(this.#handlers)) process.off(signal, handler);
  }

  #on(exitCode: number): void {
    // A terminal sends Ctrl-C to the whole process group, and npm passes it on once more: only a later one is impatience.
    if (this.#exitCode !== null && performance.now() - this.#since > 500) process.exit(exitCode);
    if (this.#exitCode !== null) return;
    this.#exitCode = exitCode;
    this.#since = performance.now();
    this.#controller.abort();
  }

  #since = 0;
}
