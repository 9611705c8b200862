import { LockstepError } from '../errors.js';
import { type SupervisedRanks, supervise } from '../ranks/index.js';
import type { StepStats } from '../runtime/index.js';
import type { EngineStats } from './engine-events.js';
import type { RankLoad } from './least-loaded.js';
import { messageOrderMemory } from './message-order.js';
import type { FromProcess, FromRank, ToProcess, ToRank } from './rank-messages.js';
import type { RankSetup } from './rank-setup.js';
import type { TokenLogprobs } from './token-logprobs.js';

/** Called with what ranks say. */
export interface RankGroupEvents {
  onTokens(rank: number, tokens: Int32Array, logprobs?: readonly (TokenLogprobs | null)[]): void;
}

/** What one rank said last. */
class RankSeen implements RankLoad {
  ready: Extract<FromRank, { kind: 'ready' }> | null = null;
  stats: { readonly engine: EngineStats; readonly steps: StepStats } | null = null;
  running = 0;
  #waiting = 0;
  #sent = 0;
  /** Places among the messages of arrivals that were not in effect yet. */
  readonly #underWay: number[] = [];

  /** Requests that wait there or are on their way. */
  get waiting(): number {
    return this.#waiting + this.#underWay.length;
  }

  note(message: ToRank): void {
    if (message.kind === 'arrive') this.#underWay.push(this.#sent);
    this.#sent++;
  }

  step({ seen, running, waiting }: Extract<FromRank, { kind: 'step' }>): void {
    while (this.#underWay.length > 0 && this.#underWay[0] < seen) this.#underWay.shift();
    this.running = running;
    this.#waiting = waiting;
  }
}

/** The ranks of a service: threads of this process, or processes of an MPI job of which this is the first, with one thread each. */
export type ServiceTransport = 'threads' | 'mpi';

/** One life of a service's ranks: threads or processes, what is sent to them, and what they report. */
export class RankGroup {
  readonly loads: readonly RankSeen[];
  /** Resolves when all ranks can serve; rejects where they cannot. */
  readonly ready: Promise<void>;
  /** Resolves when all ranks have left, and rejects where one was lost. */
  readonly done: Promise<void>;
  readonly #ranks: SupervisedRanks;
  readonly #replicaSize: number;
  readonly #transport: ServiceTransport;
  readonly #stop = new AbortController();
  #left = false;

  /** `ranks`: data-parallel ranks, of `setup.tensorParallelSize` processes each. */
  constructor(ranks: number, setup: Omit<RankSetup, 'order'>, events: RankGroupEvents, transport: ServiceTransport) {
    const { tensorParallelSize } = setup;
    this.#transport = transport;
    this.#replicaSize = tensorParallelSize;
    this.loads = Array.from({ length: ranks }, () => new RankSeen());
    const orders = this.loads.map(() => (transport === 'mpi' ? null : messageOrderMemory()));
    let allReady = (): void => {};
    const begun = new Promise<void>((resolve) => {
      allReady = resolve;
    });
    this.#ranks = supervise({
      ranks: transport === 'mpi' ? 1 : ranks * tensorParallelSize,
      entry: new URL('./rank-worker.js', import.meta.url),
      workerData: (process) => ({ ...setup, order: orders[Math.floor(process / tensorParallelSize)] }),
      signal: this.#stop.signal,
      onMessage: (process, message) => {
        if (transport === 'mpi') {
          const { from, message: report } = message as FromProcess;
          this.#hear(from, report, events);
        } else this.#hear(process / tensorParallelSize, message as FromRank, events);
        if (this.loads.every(({ ready }) => ready !== null)) allReady();
      },
    });
    this.done = this.#ranks.done.then(
      () => {
        if (!this.#left) throw new LockstepError('ERR_RANK_LOST', 'The ranks ended before they were asked to leave.');
      },
      (error: unknown) => {
        // A rank that had to be terminated after it was asked to leave has left.
        if (!this.#left) throw error;
      },
    );
    this.ready = Promise.race([begun, this.done]);
    // Who waits for one of the two looks at its error.
    this.done.catch(() => {});
    this.ready.catch(() => {});
  }

  /** Tells all processes of a rank. A rank that was lost hears nothing; `done` says so. */
  send(rank: number, message: ToRank): void {
    this.loads[rank].note(message);
    if (this.#transport === 'mpi') this.#tell(0, { to: rank, message } satisfies ToProcess);
    else
      for (let process = 0; process < this.#replicaSize; process++) {
        this.#tell(rank * this.#replicaSize + process, message);
      }
  }

  #tell(process: number, message: ToRank | ToProcess): void {
    try {
      this.#ranks.send(process, message);
    } catch (error) {
      if (!(error instanceof LockstepError && error.code === 'ERR_RANK_LOST')) throw error;
    }
  }

  /** Asks the ranks to leave once they have no work. */
  leave(): void {
    this.#left = true;
    this.#stop.abort();
  }

  #hear(rank: number, message: FromRank, events: RankGroupEvents): void {
    const seen = this.loads[rank];
    if (message.kind === 'ready') seen.ready = message;
    else if (message.kind === 'stats') seen.stats = { engine: message.engine, steps: message.steps };
    else {
      seen.step(message);
      events.onTokens(rank, message.tokens, message.logprobs);
    }
  }
}
