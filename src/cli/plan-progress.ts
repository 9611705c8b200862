import cliProgress from 'cli-progress';
import type { ScheduleProgress } from '../plan/index.js';

/** The live line on stderr while a trace is scheduled: a bar on a terminal, a line every two seconds elsewhere. */
export class PlanProgress {
  readonly #bar: cliProgress.SingleBar;
  readonly #start = performance.now();

  constructor(requests: number) {
    this.#bar = new cliProgress.SingleBar({
      format: '{bar} {value}/{total} requests | {rate} steps/s',
      stream: process.stderr,
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      // Signals are ours: the bar's own handling would end the process before the schedule has stopped.
      gracefulExit: false,
      noTTYOutput: true,
      notTTYSchedule: 2000,
    });
    this.#bar.start(requests, 0, { rate: '-' });
  }

  show({ steps, finished }: ScheduleProgress): void {
    const seconds = (performance.now() - this.#start) / 1000;
    this.#bar.update(finished, { rate: Math.round(steps / seconds).toLocaleString('en') });
  }

  stop(): void {
    this.#bar.stop();
  }
}
