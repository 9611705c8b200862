import { STEP_LOG_END, STEP_LOG_VERSION } from '../names.js';
import { LineWriter } from '../output/index.js';

/** Writes the lines of a step log or a capture log, and the one that ends it. */
export class LogWriter extends LineWriter {
  /**
   * Keeps the line that says the log is complete, and how many lines are before it. A log without it was cut off: its writer was killed,
   * or failed.
   */
  end(): void {
    this.write({ schemaVersion: STEP_LOG_VERSION, [STEP_LOG_END]: this.lines });
  }
}
