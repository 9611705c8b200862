import cliProgress from 'cli-progress';
import type { RunProgress } from '../runtime/index.js';

/** The live line on stderr while steps are taken: a bar on a terminal, a line every two seconds elsewhere. */
export class StepProgress {
  readonly #bar: cliProgress.SingleBar;
  readonly #start = performance.now();

  constructor(requests: number) {
    this.#bar = new cliProgress.SingleBar({
      format: '{bar} {value}/{total} requests | {rate} steps/s | graphs {graphs} | padding {padding}',
      stream: process.stderr,
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      // Signals are ours: the bar's own handling would end the process before the steps have stopped.
      gracefulExit: false,
      noTTYOutput: true,
      notTTYSchedule: 2000,
    });
    this.#bar.start(requests, 0, { rate: '-', graphs: '-', padding: '-' });
  }

  show(now: RunProgress): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const padding = now.graphTokens === 0 ? '-' : percent((now.graphPaddedTokens - now.graphTokens) / now.graphTokens);
    this.#bar.update(now.finished + now.rejected, {
      rate: Math.round(now.steps / seconds).toLocaleString('en'),
      graphs: now.steps === 0 ? '-' : percent(now.graphSteps / now.steps),
      padding,
    });
  }

  stop(): void {
    this.#bar.stop();
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
