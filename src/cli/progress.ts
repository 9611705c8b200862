import cliProgress from 'cli-progress';
import type { RunProgress } from '../counts/index.js';
import type { CaptureProgress } from '../execution/index.js';
import { countOf, grouped, percentOf } from '../text.js';

/** A live line on stderr during long work: a bar on a terminal, a line every two seconds elsewhere. */
export class Progress {
  readonly #bar: cliProgress.SingleBar;

  /** `format` goes after the bar. It may hold `{percentage}`, and fields `{name}` of its own: each is "-" until it has a value. */
  constructor(format: string, total: number) {
    this.#bar = new cliProgress.SingleBar({
      format: `{bar} {value}/{total} ${format}`,
      stream: process.stderr,
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      // The command handles signals: the bar's own handling would end the process before the work has stopped.
      gracefulExit: false,
      noTTYOutput: true,
      notTTYSchedule: 2000,
    });
    const fields = [...format.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, '-']);
    this.#bar.start(total, 0, Object.fromEntries(fields));
  }

  /** Shows `value`, and `total` if it has changed. */
  show(value: number, fields: Readonly<Record<string, string>>, total: number = this.#bar.getTotal()): void {
    this.#bar.setTotal(total);
    this.#bar.update(value, fields);
  }

  stop(): void {
    this.#bar.stop();
  }
}

/** The progress of a run or a simulation. */
export class StepProgress {
  readonly #requests: number;
  readonly #rate = new StepRate();
  #progress: Progress | undefined;

  constructor(requests: number) {
    this.#requests = requests;
  }

  /** A line for a captured key: captures come before the first step. */
  captured({ number, of, key, reservedBytes, allocatedBytes, seconds }: CaptureProgress): void {
    const parts = key.parts > 1 ? ` in ${key.parts} parts` : '';
    const grown = `+${grouped(reservedBytes)} bytes reserved, +${grouped(allocatedBytes)} held`;
    process.stderr.write(
      `captured ${number} of ${of}: ${countOf(key.tokens, 'token')}${parts}, ${grown}, ${(1000 * seconds).toFixed(1)} ms\n`,
    );
  }

  show(now: RunProgress): void {
    const { steps, graphSteps, graphTokens, graphPaddedTokens } = now;
    this.#progress ??= new Progress('requests | {rate} steps/s | graphs {graphs} | padding {padding}', this.#requests);
    this.#progress.show(now.finished + now.rejected, {
      rate: this.#rate.at(steps),
      graphs: share(graphSteps, steps),
      padding: share(graphPaddedTokens - graphTokens, graphTokens),
    });
  }

  stop(): void {
    this.#progress?.stop();
  }
}

/** Steps a second since it was made. */
export class StepRate {
  readonly #start = performance.now();

  at(steps: number): string {
    const seconds = (performance.now() - this.#start) / 1000;
    return grouped(Math.round(steps / seconds));
  }
}

function share(part: number, whole: number): string {
  return whole === 0 ? '-' : percentOf(part / whole);
}
