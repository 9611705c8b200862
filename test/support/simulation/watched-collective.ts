import type { Collective, ParkOptions, WorkSource } from '../../../dist/ranks/index.js';
import type { WaitOptions } from '../../../dist/wait.js';
import type { Monitor } from './monitor.js';
import type { Simulation } from './scheduler.js';

/** What a fault does to the gathers of a rank. */
export interface GatherHooks {
  /** Returns what is sent in place of a row. */
  send(row: Int32Array): Int32Array;
  /** May change the table that was gathered, of votes or of a capture. */
  receive(table: Int32Array): void;
}

/** What holds of the waits of all ranks. Unit: milliseconds. */
export interface WaitLaws {
  /** Longest all-gather. */
  readonly longestGather: number;
  /** From a wake to the vote of a rank that was parked. */
  readonly latestWake: number;
}

/** A rank's collective, which tells the monitor what passes, lets faults in, and holds the waits to their times. */
export class WatchedCollective implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly transport;
  readonly rowWords: number;
  hooks: GatherHooks | null = null;
  /** What comes before each all-gather of a capture. */
  before: (() => Promise<void>) | null = null;
  /** When this rank entered the all-gather that it entered last. */
  enteredAt = 0;
  /** Whether this rank waits in a park. */
  waits = false;
  /** When a wake ended the wait; -1 where none has since the last vote. */
  wokenAt = -1;
  readonly #inner: Collective;
  readonly #vote: Int32Array;
  readonly #monitor: Monitor;
  readonly #simulation: Simulation;
  readonly #laws: WaitLaws;

  constructor(inner: Collective, vote: Int32Array, monitor: Monitor, simulation: Simulation, laws: WaitLaws) {
    this.#inner = inner;
    this.rank = inner.rank;
    this.size = inner.size;
    this.transport = inner.transport;
    this.rowWords = inner.rowWords;
    this.#vote = vote;
    this.#monitor = monitor;
    this.#simulation = simulation;
    this.#laws = laws;
  }

  get sequence(): number {
    return this.#inner.sequence;
  }

  async allGather(row: Int32Array, table: Int32Array, options?: WaitOptions): Promise<void> {
    const isVote = row === this.#vote;
    await this.before?.();
    const simulation = this.#simulation;
    const { longestGather, latestWake } = this.#laws;
    const start = simulation.time;
    this.enteredAt = start;
    const { sequence } = this;
    if (isVote) {
      this.#monitor.voted(this.rank, this.sequence + 1);
      if (this.wokenAt >= 0 && start > this.wokenAt + latestWake) {
        this.#monitor.fail(`rank ${this.rank} votes ${start - this.wokenAt} ms after it was woken`);
      }
      this.wokenAt = -1;
    }
    try {
      await this.#inner.allGather(this.hooks?.send(row) ?? row, table, options);
    } catch (error) {
      if (isVote && this.sequence !== sequence) this.#monitor.gaveUp(this.rank);
      throw error;
    } finally {
      if (simulation.time > start + longestGather) {
        this.#monitor.fail(`an all-gather of rank ${this.rank} took ${simulation.time - start} ms`);
      }
    }
    this.hooks?.receive(table);
    if (isVote) this.#monitor.gathered(this.rank);
  }

  async waitForWork(options?: ParkOptions): Promise<WorkSource> {
    this.waits = true;
    try {
      return await this.#inner.waitForWork(options);
    } finally {
      this.waits = false;
    }
  }

  parked(): number {
    this.#monitor.launches(this.rank);
    return this.#inner.parked();
  }

  wake(): void {
    this.#inner.wake();
  }

  throwIfEnded(): void {
    this.#inner.throwIfEnded();
  }

  abort(reason: Parameters<Collective['abort']>[0]): void {
    this.#inner.abort(reason);
  }

  dispose(): void {
    this.#inner.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  allGatherSync(): never {
    throw new Error('a simulated rank blocks the only thread there is');
  }

  waitForWorkSync(): never {
    throw new Error('a simulated rank blocks the only thread there is');
  }
}
