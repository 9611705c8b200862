import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Seconds of silence after which a line is printed. */
const SILENCE = 15;

/** Where no terminal shows what runs: says every 15 seconds in which no file has ended which files are at work, and on what. */
export class SignOfLife implements Reporter {
  readonly #running = new Map<TestModule, string>();
  #ended = 0;
  #started = 0;
  #spoke = 0;
  #timer: NodeJS.Timeout | undefined;

  onTestRunStart(): void {
    this.#started = this.#spoke = performance.now();
    this.#timer = setInterval(() => this.#look(), 1000);
    this.#timer.unref();
  }

  onTestModuleStart(module: TestModule): void {
    this.#running.set(module, '');
  }

  onTestCaseReady(test: TestCase): void {
    // Tests are told of in batches, which may come after the file's end.
    if (this.#running.has(test.module)) this.#running.set(test.module, test.name);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#running.delete(module);
    this.#ended++;
    this.#spoke = performance.now();
  }

  onTestRunEnd(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#spoke < 1000 * SILENCE) return;
    this.#spoke = now;
    const files = [...this.#running].map(([{ relativeModuleId }, test]) => `${relativeModuleId} (${test})`);
    const seconds = Math.round((now - this.#started) / 1000);
    console.log(`${seconds} s, ${this.#ended} files ended, running: ${files.join(', ') || 'none yet'}`);
  }
}
