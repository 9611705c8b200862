import type { ResourceLimits, TransferListItem } from 'node:worker_threads';
import { checkArguments, Faults } from '../../checks.js';
import { MAX_RANKS } from '../../config.js';
import { asLockstepError, LockstepError, shown } from '../../errors.js';
import { abortedError, throwIfAborted } from '../../wait.js';
import { DEFAULT_ROW_WORDS, MAX_ROW_WORDS } from '../collective.js';
import { rejectionOf } from '../failure/rank-rejection.js';
import { RankWorker } from './rank-worker.js';
import { abortGroup, createThreadsGroup, interruptGroup, openGroup, type ThreadsGroup } from './threads-group.js';

const DEFAULT_GRACE_MS = 5000;

/** Options of `supervise` and `superviseRanks`. */
export interface SuperviseOptions {
  /** Ranks, 1 to 64: one worker thread each. */
  readonly ranks: number;
  /** The module each worker runs. It calls `connectRank`, and `finish` or `fail` in the end. */
  readonly entry: URL;
  /** What `connectRank().data` is on that rank; structured-cloneable. Default: undefined. */
  readonly workerData?: (rank: number) => unknown;
  /** The objects in that rank's `workerData` that are moved to its thread and not cloned, such as a `MessagePort` in it. Default: nothing. */
  readonly transferList?: (rank: number) => readonly TransferListItem[];
  /** Words of a row, 1 to 64. Default: one vote. */
  readonly rowWords?: number;
  /** A group made by the caller, for example to watch its heartbeats; it must be unused, and have as many ranks. Default: a new one. */
  readonly group?: ThreadsGroup;
  /**
   * Asks the ranks to stop: their parks end, their `interrupted()` turns true, and they end at the next step they agree on,
   * with what they have so far. A rank that has not ended `graceMs` later is terminated, and the run rejects with `ERR_ABORTED`.
   */
  readonly signal?: AbortSignal;
  /** Milliseconds between asking a thread to end and terminating it, 0 to 2^31 - 1. Default 5000. */
  readonly graceMs?: number;
  /** Called in this thread with what a rank posts. If it throws, all ranks are terminated and the run rejects with its error. */
  readonly onMessage?: (rank: number, message: unknown) => void;
  /** Heap and stack limits of each worker. */
  readonly resourceLimits?: ResourceLimits;
}

/** What a rank gave to `finish`. */
export interface RankResult {
  /** The rank, from 0. */
  readonly rank: number;
  /** The value that it gave, structured-cloned. */
  readonly value: unknown;
}

/** Ranks at work. */
export interface SupervisedRanks {
  /**
   * Hands `message` to the listener that the rank gave to `connectRank().onMessage`; it waits there until the rank has given
   * one. The order of one rank's messages is kept. `transferList` is moved and not cloned. A message that a rank has not
   * received when it ends is lost; `done` says how it ended.
   * @throws `ERR_RANK_LOST` for a rank that has finished or failed; `ERR_INPUT_INVALID` for a rank that does not exist, and a
   * message that cannot be cloned.
   */
  send(rank: number, message: unknown, transferList?: readonly TransferListItem[]): void;
  /** Settles as `superviseRanks` does: with the results in the order of ranks, when all threads have ended. */
  readonly done: Promise<RankResult[]>;
}

/**
 * `superviseRanks` for ranks that are handed work while they run. Await `done`: it rejects if a rank
 * is lost.
 * @throws at once `ERR_CONFIG_INVALID`, `ERR_INPUT_INVALID`, and `ERR_ABORTED` for a signal that is aborted already.
 */
export function supervise(options: SuperviseOptions): SupervisedRanks {
  const group = checkedGroup(options);
  throwIfAborted(options.signal, 'before the ranks were started');
  const supervision = new Supervision(group, options);
  const done = supervision.run();
  return { done, send: (rank, message, transferList = []) => supervision.send(rank, message, transferList) };
}

/**
 * Runs one worker thread a rank over one threads group and returns their results in the order of ranks. However it
 * settles, all threads have ended by then; the event loop stays free meanwhile.
 *
 * A rank that fails, throws or whose thread ends early ends the group at once: peers that wait throw `ERR_RANK_LOST`.
 * @throws `ERR_RANK_LOST` naming the rank that broke first, its error as `cause`, `details.causeCode` and `details.causeMessage`;
 * an error that all ranks raised, and `ERR_COLLECTIVE_TIMEOUT`, as itself; `ERR_ABORTED` if ranks had to be terminated
 * after an abort, or the signal was aborted before the start; `ERR_CONFIG_INVALID`, `ERR_INPUT_INVALID`.
 */
export async function superviseRanks(options: SuperviseOptions): Promise<RankResult[]> {
  return await supervise(options).done;
}

class Supervision {
  readonly #group: ThreadsGroup;
  readonly #options: SuperviseOptions;
  readonly #graceMs: number;
  readonly #workers: RankWorker[] = [];
  /** In the order in which they failed. */
  readonly #broken: RankWorker[] = [];
  #callbackError: { readonly error: unknown } | null = null;

  constructor(group: ThreadsGroup, options: SuperviseOptions) {
    this.#group = group;
    this.#options = options;
    this.#graceMs = options.graceMs ?? DEFAULT_GRACE_MS;
  }

  async run(): Promise<RankResult[]> {
    const { signal } = this.#options;
    const onAbort = (): void => this.#interrupt();
    signal?.addEventListener('abort', onAbort);
    try {
      try {
        for (let rank = 0; rank < this.#group.size; rank++) this.#workers.push(this.#start(rank));
      } catch (error) {
        for (const worker of this.#workers) worker.terminate();
        throw notStarted(this.#workers.length, error);
      } finally {
        await Promise.all(this.#workers.map((worker) => worker.ended));
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    return this.#results();
  }

  send(rank: number, message: unknown, transferList: readonly TransferListItem[]): void {
    const { size } = this.#group;
    if (!(Number.isInteger(rank) && rank >= 0 && rank < size)) {
      throw new LockstepError('ERR_INPUT_INVALID', `rank is ${shown(rank)}; the ranks are 0 to ${size - 1}.`, {
        rank,
        size,
      });
    }
    const worker = this.#workers[rank];
    // If a worker could not be started, the others are asked to end.
    const state = worker?.state ?? 'stopped';
    if (state !== 'running') {
      throw new LockstepError('ERR_RANK_LOST', `Rank ${rank} takes no message: it is ${state}.`, { rank, state });
    }
    try {
      worker.send(message, transferList);
    } catch (cause) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `The message to rank ${rank} cannot be sent (${cause instanceof Error ? cause.message : String(cause)}); it must be structured-cloneable, and transferList must list what it moves.`,
        { rank },
        { cause },
      );
    }
  }

  #start(rank: number): RankWorker {
    const { entry, workerData, transferList, resourceLimits } = this.#options;
    const seat = { group: this.#group, rank, data: workerData?.(rank) };
    const settings = { transferList: transferList?.(rank) ?? [], resourceLimits };
    return new RankWorker(entry, seat, settings, {
      onMessage: (message) => this.#deliver(rank, message),
      onBroken: (worker) => this.#break(worker),
      onSettled: (worker) => worker.endWithin(this.#graceMs),
    });
  }

  #break(worker: RankWorker): void {
    this.#broken.push(worker);
    abortGroup(this.#group, worker.rank, asLockstepError(worker.error, 'ERR_RANK_LOST'));
    for (const each of this.#workers) each.endWithin(this.#graceMs);
  }

  #interrupt(): void {
    interruptGroup(this.#group);
    for (const worker of this.#workers) worker.endWithin(this.#graceMs);
  }

  #deliver(rank: number, message: unknown): void {
    if (this.#callbackError !== null) return;
    try {
      this.#options.onMessage?.(rank, message);
    } catch (error) {
      this.#callbackError = { error };
      for (const worker of this.#workers) worker.terminate();
    }
  }

  #results(): RankResult[] {
    if (this.#callbackError !== null) throw this.#callbackError.error;
    const rejection = rejectionOf(this.#broken, this.#group.size);
    if (rejection !== null) throw rejection;
    const stopped = this.#workers.filter(({ state }) => state === 'stopped').map(({ rank }) => rank);
    const { signal } = this.#options;
    if (stopped.length > 0 && signal !== undefined) {
      throw abortedError(
        signal,
        `and ranks ${stopped.join(', ')} had not ended ${this.#graceMs} ms later; they were terminated`,
        {
          ranks: stopped,
          graceMs: this.#graceMs,
        },
      );
    }
    return this.#workers.map(({ rank, value }) => ({ rank, value }));
  }
}

function checkedGroup(options: SuperviseOptions): ThreadsGroup {
  checkArguments('supervise', { options: [options, 'object'] });
  const faults = new Faults();
  const { ranks, rowWords = options.group?.rowWords ?? DEFAULT_ROW_WORDS, group } = options;
  faults.integer('ranks', ranks, 1, MAX_RANKS);
  faults.integer('rowWords', rowWords, 1, MAX_ROW_WORDS);
  faults.integer('graceMs', options.graceMs ?? DEFAULT_GRACE_MS, 0, 2 ** 31 - 1);
  faults.check(options.entry instanceof URL, 'entry is not a URL; pass new URL("./rank.js", import.meta.url)');
  if (group !== undefined) {
    const fits = group.size === ranks && group.rowWords === rowWords;
    faults.check(
      fits,
      `group has ${group.size} ranks and rows of ${group.rowWords} words; ${ranks} and ${rowWords} were asked for`,
    );
  }
  faults.throwIfAny('This run of ranks');
  if (group === undefined) return createThreadsGroup(ranks, { rowWords });
  openGroup(group);
  return group;
}

function notStarted(rank: number, cause: unknown): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `The worker of rank ${rank} could not be started (${cause instanceof Error ? cause.message : String(cause)}); ` +
      'its entry must be a file URL, and what workerData(rank) returns must be structured-cloneable, but for what transferList(rank) moves.',
    { rank },
    { cause },
  );
}
