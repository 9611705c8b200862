import { VOTE_WORDS } from '../layout/index.js';
import type { WaitOptions } from '../wait.js';

/** How the rows of the ranks travel. `mpi` crosses processes and hosts; the other two stay in this process. */
export type Transport = 'solo' | 'threads' | 'mpi';

/** Default words of a row: one vote. */
export const DEFAULT_ROW_WORDS: number = VOTE_WORDS.length;
/** Most words of a row. */
export const MAX_ROW_WORDS = 64;

/** What ends a wait for work. */
export interface ParkOptions {
  /** Called at least every 50 ms, and at once after an interrupt. Returns whether this rank has work, which ends the wait. */
  readonly localWork?: () => boolean;
  /** Ends the wait with `ERR_ABORTED`. The rank stays parked and may wait again. */
  readonly signal?: AbortSignal;
}

/**
 * What ended a park: a rank that called `wake` (or entered an all-gather), this rank's own `localWork`, or an interrupt of the
 * group. An interrupt ends one park of each rank, so that the rank can act on it; it does not affect later parks.
 */
export type WorkSource = 'peer' | 'local' | 'interrupt';

/**
 * The host-side exchange of fixed-size int32 rows between the ranks of one forward.
 *
 * An all-gather completes on every rank or on none: a rank that gives up (deadline, signal, abort) and the last rank to arrive
 * settle which of the two happened, by one atomic word in shared memory, and by messages elsewhere. Once a rank gave up, aborted, was lost, or left while another
 * still needed it, every wait of every rank throws `ERR_RANK_LOST`, now and in every later call; all-gathers that had
 * completed by then still deliver their table.
 */
export interface Collective {
  /** This rank, from 0. */
  readonly rank: number;
  /** Ranks of the group. */
  readonly size: number;
  /** How rows cross the ranks: `solo`, `threads` or `mpi`. */
  readonly transport: Transport;
  /** Words of one row: 1 to 64, the same on all ranks. */
  readonly rowWords: number;
  /** All-gathers this rank has entered. */
  readonly sequence: number;

  /**
   * Publishes `row` (i32[rowWords]) and fills `table` (i32[size * rowWords], row-major by rank) with the rows of all ranks.
   * Blocks the thread; allocates nothing when it succeeds. Ends this rank's park if it is parked. `timeoutMs` is positive and
   * finite, 30 000 by default.
   * @throws `ERR_COLLECTIVE_TIMEOUT` naming the ranks that did not arrive and the sequence number each was last seen at;
   * `ERR_RANK_LOST`; `ERR_RANKS_DIVERGED` when sequence numbers cannot be of one group; `ERR_ABORTED`;
   * `ERR_STEP_ORDER` while another all-gather of this rank is under way; `ERR_INPUT_INVALID`; `ERR_DISPOSED`.
   */
  allGatherSync(row: Int32Array, table: Int32Array, options?: WaitOptions): void;
  /** The same without blocking the event loop. `row` is read before the call returns, `table` filled before it resolves. */
  allGather(row: Int32Array, table: Int32Array, options?: WaitOptions): Promise<void>;

  /**
   * Notes that all ranks agreed to park; every rank calls it once per agreed park.
   * @returns the number of this park, from 1, equal on all ranks.
   * @throws `ERR_STEP_ORDER` if the last park is not over, since the agreement on a new one ends it.
   */
  parked(): number;
  /** Ends the current park and wakes every rank of it. Does nothing if this rank is not parked. */
  wake(): void;
  /**
   * Blocks the thread until the current park is over, returning at once when it already is or when the rank never parked.
   * Has no deadline; stamps this rank's heartbeat at least every 50 ms.
   * @throws `ERR_RANK_LOST`, `ERR_ABORTED`, `ERR_DISPOSED`; `ERR_INPUT_INVALID` for a group of one without `localWork`,
   * which nothing could wake.
   */
  waitForWorkSync(options?: ParkOptions): WorkSource;
  /** The same without blocking the event loop. `wake` called on this rank meanwhile ends it too. */
  waitForWork(options?: ParkOptions): Promise<WorkSource>;

  /**
   * Looks, without waiting, whether the group has ended or a peer is gone: for waits for something else that peers take part in.
   * @throws `ERR_RANK_LOST`, `ERR_DISPOSED`; `ERR_RANKS_DIVERGED` once where this rank found a mistake of its peers.
   */
  throwIfEnded(): void;

  /**
   * Ends the group: every rank's present and later waits throw `ERR_RANK_LOST` with this rank and `reason`, which may be anything that was
   * thrown: what is no `LockstepError` has the code `ERR_RANK_FAULT` and its own words.
   */
  abort(reason?: unknown): void;
  /** Leaves the group. A peer that waits for this rank, or parks, after that ends the group with `ERR_RANK_LOST`. */
  dispose(): void;
  /** The same as `dispose()`. */
  [Symbol.dispose](): void;
}
