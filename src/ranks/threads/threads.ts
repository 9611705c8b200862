import { availableParallelism } from 'node:os';
import { checkArguments, Faults } from '../../checks.js';
import { asLockstepError, type LockstepError } from '../../errors.js';
import { SYSTEM_TIMING, type Timing } from '../../timing.js';
import { abortedError, COLLECTIVE_WAIT, Deadline, throwIfAborted, timeoutOf, type WaitOptions } from '../../wait.js';
import type { Collective, ParkOptions, Transport, WorkSource } from '../collective.js';
import {
  disposedError,
  divergedError,
  leftError,
  missingRanks,
  orderError,
  timeoutError,
} from '../failure/gather-errors.js';
import { Park } from '../park.js';
import { checkRows } from '../row-checks.js';
import type { GroupMemory } from './group-memory.js';
import { openGroup, type ThreadsGroup } from './threads-group.js';
import { ThreadsParkBoard } from './threads-park-board.js';

/** Checks of the generation before a rank sleeps: about 10 us if each rank has a core, very little if they share one. */
const SPINS_OWN_CORE = 2000;
const SPINS_SHARED_CORE = 20;

/** Options of `joinThreads`. */
export interface JoinThreadsOptions {
  /** Where this rank takes time and sleep from, the same for all ranks of a group. Default: the machine. */
  readonly timing?: Timing;
}

/**
 * Joins a group as `rank`; each rank joins once, in the thread it runs in.
 * @throws `ERR_CONFIG_INVALID` for a rank that does not exist or has joined before, `ERR_INPUT_INVALID`, `ERR_RANK_LOST`.
 */
export function joinThreads(group: ThreadsGroup, rank: number, options: JoinThreadsOptions = {}): Collective {
  checkArguments('joinThreads', { options: [options, 'object'] });
  const { timing = SYSTEM_TIMING } = options;
  return new ThreadsCollective(openGroup(group, timing), rank, 'threads', timing);
}

/** A rank's side of a group in shared memory. */
export class ThreadsCollective implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly rowWords: number;
  readonly transport: Transport;

  readonly #memory: GroupMemory;
  readonly #park: Park;
  readonly #tables: readonly [Int32Array, Int32Array];
  readonly #rows: readonly [Int32Array, Int32Array];
  readonly #spins: number;
  readonly #timing: Timing;
  /** State of the all-gather in progress: there is one at a time. */
  readonly #deadline: Deadline;
  #sequence = 0;
  #gathering = false;
  #disposed = false;

  constructor(memory: GroupMemory, rank: number, transport: Transport, timing: Timing) {
    const { size, rowWords } = memory;
    const faults = new Faults();
    if (faults.integer('rank', rank, 0, size - 1)) {
      if (memory.ended) throw memory.lost();
      faults.check(
        memory.join(rank),
        `rank ${rank} has joined already; a rank joins once, a new group needs createThreadsGroup`,
      );
    }
    faults.throwIfAny('This rank');
    this.rank = rank;
    this.size = size;
    this.rowWords = rowWords;
    this.transport = transport;
    this.#memory = memory;
    this.#timing = timing;
    this.#deadline = new Deadline(timing);
    this.#park = new Park(new ThreadsParkBoard(memory, rank, timing), rank);
    this.#tables = [memory.rows(0), memory.rows(1)];
    const from = rank * rowWords;
    this.#rows = [this.#tables[0].subarray(from, from + rowWords), this.#tables[1].subarray(from, from + rowWords)];
    this.#spins = size <= availableParallelism() ? SPINS_OWN_CORE : SPINS_SHARED_CORE;
    memory.stamp(rank);
  }

  get sequence(): number {
    return this.#sequence;
  }

  allGatherSync(row: Int32Array, table: Int32Array, options?: WaitOptions): void {
    const timeoutMs = timeoutOf(options, COLLECTIVE_WAIT);
    const sequence = this.#arrive(row, table, options?.signal);
    try {
      if (!this.#spin(sequence)) this.#sleepSync(sequence, timeoutMs, options?.signal);
      this.#take(sequence, table);
    } finally {
      this.#gathering = false;
    }
  }

  async allGather(row: Int32Array, table: Int32Array, options?: WaitOptions): Promise<void> {
    const timeoutMs = timeoutOf(options, COLLECTIVE_WAIT);
    const sequence = this.#arrive(row, table, options?.signal);
    try {
      if (this.#memory.outcome(sequence) !== 'completed') await this.#sleep(sequence, timeoutMs, options?.signal);
      this.#take(sequence, table);
    } finally {
      this.#gathering = false;
    }
  }

  parked(): number {
    this.#throwIfUnusable();
    return this.#park.begin();
  }

  wake(): void {
    this.#park.end();
  }

  waitForWorkSync(options: ParkOptions = {}): WorkSource {
    return this.#park.waitSync(options, () => this.#throwIfUnusable());
  }

  async waitForWork(options: ParkOptions = {}): Promise<WorkSource> {
    return await this.#park.wait(options, () => this.#throwIfUnusable());
  }

  throwIfEnded(): void {
    this.#throwIfUnusable();
  }

  abort(reason?: unknown): void {
    if (!this.#disposed) this.#memory.end(this.rank, this.rank, asLockstepError(reason));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // A published row cannot be taken back: peers must not complete an all-gather whose table this rank will not take.
    if (this.#gathering) this.#memory.end(this.rank, this.rank, leftError(this.#sequence - 1), this.#sequence);
    this.#memory.leave(this.rank);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Publishes this rank's row and completes the all-gather if all have arrived.
   *
   * Two buffers suffice: a rank writes the buffer of all-gather n + 2 only after n + 1 completed, for which every rank
   * arrived, which it does after it took the table of n.
   */
  #arrive(row: Int32Array, table: Int32Array, signal: AbortSignal | undefined): number {
    this.#throwIfUnusable();
    checkRows(this, row, table);
    throwIfAborted(signal, 'before this rank arrived; the group is as it was');
    if (this.#gathering) throw orderError(this.rank, this.#sequence);
    this.#park.end();
    const sequence = ++this.#sequence;
    this.#rows[sequence & 1].set(row);
    this.#memory.setArrived(this.rank, sequence);
    this.#gathering = true;
    if (this.#allArrived(sequence)) this.#memory.complete(sequence);
    return sequence;
  }

  /** @throws `ERR_RANKS_DIVERGED` when a rank is at an all-gather that it cannot be at. */
  #allArrived(sequence: number): boolean {
    const memory = this.#memory;
    let all = true;
    for (let rank = 0; rank < this.size; rank++) {
      const arrived = memory.arrived(rank);
      if (arrived === sequence >>> 0) continue;
      all = false;
      if (arrived === (sequence - 1) >>> 0) {
        if (memory.left(rank)) this.#throwIfGone(rank, sequence);
        continue;
      }
      // A peer that completed this all-gather may have arrived at the next one already.
      if (memory.outcome(sequence) === 'pending') this.#end(sequence, divergedError(memory, sequence));
    }
    return all;
  }

  /** Ends the group if a rank that left did so before it arrived. */
  #throwIfGone(rank: number, sequence: number): void {
    const memory = this.#memory;
    if (memory.arrived(rank) === sequence >>> 0) return;
    if (!memory.end(this.rank, rank, leftError(sequence - 1), sequence)) return;
    this.#gathering = false;
    throw memory.lost();
  }

  #spin(sequence: number): boolean {
    for (let spin = this.#spins; spin >= 0; spin--) {
      if (this.#memory.outcome(sequence) === 'completed') return true;
    }
    return false;
  }

  #sleepSync(sequence: number, timeoutMs: number, signal: AbortSignal | undefined): void {
    const memory = this.#memory;
    this.#deadline.start(timeoutMs);
    for (;;) {
      const ms = this.#nextSlice(sequence, signal);
      if (ms === 0) return;
      memory.countSleeper(1);
      this.#timing.sleepSync(memory.words, memory.generationIndex, memory.pendingWord(sequence), ms);
      memory.countSleeper(-1);
    }
  }

  async #sleep(sequence: number, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const memory = this.#memory;
    this.#deadline.start(timeoutMs);
    const sleeper = this.#timing.sleeper(memory.words, memory.generationIndex, signal);
    memory.countSleeper(1);
    try {
      for (;;) {
        const ms = this.#nextSlice(sequence, signal);
        if (ms === 0) return;
        await sleeper.sleep(memory.pendingWord(sequence), ms);
      }
    } finally {
      memory.countSleeper(-1);
      sleeper[Symbol.dispose]();
    }
  }

  /** Milliseconds of the next sleep; 0 once the all-gather completed. Throws the error that ends the wait. */
  #nextSlice(sequence: number, signal: AbortSignal | undefined): number {
    const memory = this.#memory;
    const outcome = memory.outcome(sequence);
    if (outcome === 'completed') return 0;
    if (this.#disposed) throw disposedError(this.rank);
    if (outcome === 'ended') throw memory.lost();
    if (outcome === 'foreign') {
      const error = divergedError(memory, sequence);
      this.abort(error);
      throw error;
    }
    memory.stamp(this.rank);
    if (signal?.aborted === true)
      this.#end(sequence, abortedError(signal, `in all-gather ${sequence}; the group is ended`));
    // Also covers a peer that died after its arrival and before it completed the all-gather as the last to arrive.
    if (this.#allArrived(sequence)) memory.complete(sequence);
    const ms = this.#deadline.slice();
    if (ms === 0) {
      const missing = missingRanks(memory, sequence);
      if (missing.length > 0) this.#end(sequence, timeoutError(missing, sequence, this.#deadline.timeoutMs));
    }
    return memory.outcome(sequence) === 'completed' ? 0 : Math.max(1, ms);
  }

  /** Gives an all-gather up and throws `error`, unless it completed or the group ended first. */
  #end(sequence: number, error: LockstepError): void {
    if (this.#memory.end(this.rank, this.rank, error, sequence)) {
      this.#gathering = false;
      throw error;
    }
  }

  #take(sequence: number, table: Int32Array): void {
    table.set(this.#tables[sequence & 1]);
  }

  #throwIfUnusable(): void {
    if (this.#disposed) throw disposedError(this.rank);
    if (this.#memory.ended) throw this.#memory.lost();
  }
}
