/** Seconds of a rank's steps so far, by what they went to. */
export interface StepTimings {
  /** Votes, decisions and metadata. */
  readonly planner: number;
  /** From a vote to the votes of all. */
  readonly agreement: number;
  /** Enqueuing a step's uploads and kernels, or its graph. */
  readonly launch: number;
}

/** Where the time of steps goes. */
export class StepClock {
  readonly #seconds = { planner: 0, agreement: 0, launch: 0 };
  #last = 0;

  get timings(): StepTimings {
    return { ...this.#seconds };
  }

  /** A step begins. */
  begin(): void {
    this.#last = performance.now();
  }

  /** What has passed since the step began, or since the last lap, went to `part`. */
  lap(part: keyof StepTimings): void {
    const now = performance.now();
    this.#seconds[part] += (now - this.#last) / 1000;
    this.#last = now;
  }
}
