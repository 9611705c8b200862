import { type ResourceLimits, type TransferListItem, Worker } from 'node:worker_threads';
import { LockstepError } from '../../errors.js';
import { restoreFailure, uncaughtError } from '../failure/rank-failure.js';
import { type RankMessage, type RankSeat, SEAT, type SentMessage } from './rank-seat.js';

/** How a rank ended, or `running`. `stopped`: terminated by its supervisor before it had finished or failed. */
export type RankState = 'running' | 'finished' | 'failed' | 'lost' | 'stopped';

/** What `superviseRanks` passes on to each worker. */
export interface WorkerSettings {
  readonly transferList: readonly TransferListItem[];
  readonly resourceLimits: ResourceLimits | undefined;
}

export interface RankWorkerEvents {
  onMessage(message: unknown): void;
  /** The rank failed or was lost. */
  onBroken(worker: RankWorker): void;
  /** The rank finished, failed or was lost; its thread must end now. */
  onSettled(worker: RankWorker): void;
}

/** The life of one rank's thread: what it reported, and that it ended. */
export class RankWorker {
  readonly rank: number;
  /** Resolves when the thread is gone. Never rejects. */
  readonly ended: Promise<void>;
  state: RankState = 'running';
  value: unknown = undefined;
  /** Why the rank failed or was lost. */
  error: Error | null = null;
  readonly #worker: Worker;
  readonly #events: RankWorkerEvents;
  #isEnded = false;
  #ending: NodeJS.Timeout | null = null;

  constructor(entry: URL, seat: RankSeat, settings: WorkerSettings, events: RankWorkerEvents) {
    const { transferList, resourceLimits } = settings;
    this.rank = seat.rank;
    this.#events = events;
    this.#worker = new Worker(entry, {
      workerData: { [SEAT]: seat },
      name: `rank ${seat.rank}`,
      transferList: [...transferList],
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    });
    this.#worker.on('message', (message: RankMessage) => this.#receive(message));
    this.#worker.on('messageerror', (error) => this.#settle('lost', error));
    let uncaught: Error | null = null;
    this.#worker.on('error', (thrown) => {
      uncaught = uncaughtError(thrown);
      // A value that is no error comes empty; the rank's own message says what it was, and comes before its end.
      if (thrown instanceof Error) this.#settle(uncaught instanceof LockstepError ? 'failed' : 'lost', uncaught);
    });
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#settle('lost', uncaught ?? exitError(code));
        this.#isEnded = true;
        if (this.#ending !== null) clearTimeout(this.#ending);
        resolve();
      });
    });
  }

  /** Errors: what `postMessage` throws where the message cannot be cloned. */
  send(message: unknown, transferList: readonly TransferListItem[]): void {
    const sent: SentMessage = { kind: 'sent', message };
    this.#worker.postMessage(sent, transferList);
  }

  /** Terminates the thread unless it has ended by itself in `ms` milliseconds. The earliest call counts. */
  endWithin(ms: number): void {
    if (!this.#isEnded) this.#ending ??= setTimeout(() => this.terminate(), ms);
  }

  terminate(): void {
    if (this.state === 'running') this.state = 'stopped';
    void this.#worker.terminate();
  }

  #receive(message: RankMessage): void {
    switch (message.kind) {
      case 'post':
        this.#events.onMessage(message.message);
        break;
      case 'finished':
        this.value = message.value;
        this.#settle('finished', null);
        break;
      case 'failed':
        this.#settle('failed', restoreFailure(message.failure));
        break;
    }
  }

  #settle(state: RankState, error: Error | null): void {
    if (this.state !== 'running') return;
    this.state = state;
    this.error = error;
    if (error !== null) this.#events.onBroken(this);
    this.#events.onSettled(this);
  }
}

function exitError(code: number): LockstepError {
  return new LockstepError('ERR_RANK_LOST', `its thread ended with exit code ${code} before the rank had finished.`, {
    exitCode: code,
  });
}
