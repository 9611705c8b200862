/** Seconds of a rank's steps so far, by what they went to. */
export interface StepTimings {
  /** Votes, decisions and metadata. */
  readonly planner: number;
  /** From a vote to the votes of all. */
  readonly agreement: number;
  /** Enqueuing a step's uploads and kernels, or its graph. */
  readonly launch: number;
}

/** Where the time of steps goes, by the clock that it is given, in milliseconds. */
export class StepClock {
  readonly #seconds = { planner: 0, agreement: 0, launch: 0 };
  readonly #now: () => number;
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get timings(): StepTimings {
    return { ...this.#seconds };
  }

  /** A step begins. */
  begin(): void {
    this.#last = this.#now();
  }

  /** What has passed since the step began, or since the last lap, went to `part`. */
  lap(part: keyof StepTimings): void {
    const now = this.#now();
    this.#seconds[part] += (now - this.#last) / 1000;
    this.#last = now;
  }
}
