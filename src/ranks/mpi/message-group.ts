import type { LockstepError } from '../../errors.js';
import type { Timing } from '../../timing.js';
import {
  abortedError,
  COLLECTIVE_WAIT,
  Deadline,
  SLICE_MS,
  throwIfAborted,
  timeoutOf,
  type WaitOptions,
} from '../../wait.js';
import type { Collective, ParkOptions, WorkSource } from '../collective.js';
import { disposedError, leftError, missingRanks, orderError, timeoutError } from '../failure/gather-errors.js';
import { Park, type ParkBoard, type ParkSleeper } from '../park.js';
import { checkRows } from '../row-checks.js';
import { Exchange } from './exchange.js';

/** Longest wait, once all ranks have arrived, for them to say that they have all rows. It takes no computing. Unit: milliseconds. */
const DOUBT_MS = 2000;

/** A rank's side of a group whose ranks are the processes of an MPI job. */
export interface MpiCollective extends Collective {
  /** Whether any rank called `interrupt`, or was interrupted: stop at the next step that all ranks agree on. */
  readonly interrupted: boolean;
  /** Asks every rank to stop: `interrupted` turns true, and a rank that is parked, or parks next, is woken once. */
  interrupt(): void;
}

/** Messages among the ranks of a group: sent to all, received from any. */
export interface Link {
  /** Sends the first `count` words to every other rank. What one rank sends to another keeps its order. */
  sendToAll(words: Int32Array, count: number): void;
  /**
   * Hands the next message to `take`, after at most `ms` milliseconds, 50 at most. A wait that goes on after it brought none sleeps at
   * once (`patient`). @returns whether one came.
   */
  receive(take: (from: number, words: Int32Array) => void, ms: number, patient?: boolean): boolean;
  /** Resolves when a message has come, after `ms` milliseconds, or at `poke`. */
  arrival(ms: number): Promise<void>;
  /** Ends the waits of `arrival`. */
  poke(): void;
  /** A rank that cannot be reached or whose process has ended, and why. `skip` says whose end is known. */
  lostPeer(skip: (rank: number) => boolean): { readonly rank: number; readonly reason: LockstepError } | null;
}

/** What a group of ranks that send each other messages is made of. */
export interface MessageGroupParts {
  readonly rank: number;
  readonly size: number;
  readonly rowWords: number;
  readonly link: Link;
  readonly timing: Timing;
  readonly isInterrupted: () => boolean;
  /** What is called when the process exits. */
  readonly leaving: Set<() => void>;
}

/** A rank's side of a group whose ranks send each other messages. It waits, for an `Exchange`: deadlines, signals, parks, peers that die. */
export class MessageGroup implements MpiCollective, ParkBoard {
  readonly rank: number;
  readonly size: number;
  readonly rowWords: number;
  readonly transport = 'mpi';
  readonly #link: Link;
  readonly #exchange: Exchange;
  readonly #park: Park;
  readonly #isInterrupted: () => boolean;
  readonly #deadline: Deadline;
  readonly #doubt: Deadline;
  readonly #leaving: Set<() => void>;
  readonly #leave = (): void => this.dispose();
  #inDoubt = false;
  #gathering = false;
  #disposed = false;
  readonly #take = (from: number, words: Int32Array): void => this.#exchange.take(from, words);
  readonly #silent = (rank: number): boolean => this.#exchange.silent(rank);

  constructor({ rank, size, rowWords, link, timing, isInterrupted, leaving }: MessageGroupParts) {
    this.rank = rank;
    this.size = size;
    this.rowWords = rowWords;
    this.#isInterrupted = isInterrupted;
    this.#link = link;
    this.#exchange = new Exchange(this, (words, count) => link.sendToAll(words, count), timing);
    this.#deadline = new Deadline(timing);
    this.#doubt = new Deadline(timing);
    this.#park = new Park(this, rank);
    // A process that exits enters no further all-gather.
    this.#leaving = leaving;
    this.#leaving.add(this.#leave);
  }

  get sequence(): number {
    return this.#exchange.sequence;
  }

  get interrupted(): boolean {
    if (!this.#exchange.interrupted && this.#isInterrupted()) this.#exchange.interrupt();
    return this.#exchange.interrupted;
  }

  interrupt(): void {
    if (this.#disposed) return;
    this.#exchange.interrupt();
    this.#link.poke();
  }

  allGatherSync(row: Int32Array, table: Int32Array, options?: WaitOptions): void {
    const timeoutMs = timeoutOf(options, COLLECTIVE_WAIT);
    this.#arrive(row, table, timeoutMs, options?.signal);
    try {
      let patient = false;
      for (;;) {
        const ms = this.#nextSlice(options?.signal);
        if (ms === 0) break;
        patient = !this.#link.receive(this.#take, ms, patient);
      }
      table.set(this.#exchange.table);
    } finally {
      this.#gathering = false;
    }
  }

  async allGather(row: Int32Array, table: Int32Array, options?: WaitOptions): Promise<void> {
    const timeoutMs = timeoutOf(options, COLLECTIVE_WAIT);
    const signal = options?.signal;
    this.#arrive(row, table, timeoutMs, signal);
    const sleeper = this.sleeper(signal);
    try {
      for (;;) {
        const ms = this.#nextSlice(signal);
        if (ms === 0) break;
        if (this.#link.receive(this.#take, 0)) continue;
        await this.#link.arrival(ms);
      }
      table.set(this.#exchange.table);
    } finally {
      sleeper[Symbol.dispose]();
      this.#gathering = false;
    }
  }

  parked(): number {
    this.#throwIfUnusable();
    const park = this.#park.begin();
    this.#exchange.parks();
    return park;
  }

  wake(): void {
    if (!this.#disposed) this.#park.end();
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

  abort(reason: LockstepError): void {
    if (this.#disposed) return;
    this.#exchange.end(this.rank, reason);
    this.#link.poke();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#leaving.delete(this.#leave);
    // Peers must not complete an all-gather whose table this rank will not take. If one has, this rank takes it too.
    if (this.#gathering) this.#exchange.end(this.rank, leftError((this.sequence - 1) >>> 0));
    this.#exchange.leave();
    this.#link.poke();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  parkOver(park: number): boolean {
    return this.#exchange.parkOver(park);
  }

  endPark(park: number): void {
    this.#exchange.endPark(park);
    this.#link.poke();
  }

  left(rank: number): boolean {
    return this.#exchange.left(rank);
  }

  lose(rank: number): never {
    this.#exchange.end(rank, leftError(this.#exchange.arrived(rank)));
    throw this.#exchange.lost();
  }

  /** Messages are the sign of life, and a parked rank sends none. */
  stamp(): void {}

  sleepSync(): void {
    this.#link.receive(this.#take, SLICE_MS, true);
  }

  sleeper(signal: AbortSignal | undefined): ParkSleeper {
    const onAbort = (): void => this.#link.poke();
    signal?.addEventListener('abort', onAbort);
    return {
      sleep: () => this.#link.arrival(SLICE_MS),
      [Symbol.dispose]: () => signal?.removeEventListener('abort', onAbort),
    };
  }

  #arrive(row: Int32Array, table: Int32Array, timeoutMs: number, signal: AbortSignal | undefined): void {
    this.#throwIfUnusable();
    checkRows(this, row, table);
    throwIfAborted(signal, 'before this rank arrived; the group is as it was');
    if (this.#gathering) throw orderError(this.rank, this.sequence);
    this.#park.end();
    this.#exchange.enter(row);
    this.#gathering = true;
    this.#inDoubt = false;
    this.#deadline.start(timeoutMs);
  }

  /** Milliseconds of the next wait; 0 once the all-gather completed. Throws the error that ends it. */
  #nextSlice(signal: AbortSignal | undefined): number {
    const state = this.#exchange.settle();
    if (state === 'completed') return 0;
    if (state === 'ended') throw this.#disposed ? disposedError(this.rank) : this.#endError();
    if (state === 'doubt') return this.#doubtSlice();
    if (this.#disposed) throw disposedError(this.rank);
    this.#look();
    if (signal?.aborted === true) {
      return this.#giveUp(() => abortedError(signal, `in all-gather ${this.sequence}; the group is ended`));
    }
    const ms = this.#deadline.slice();
    if (ms > 0) return ms;
    return this.#giveUp(() =>
      timeoutError(missingRanks(this.#exchange, this.sequence), this.sequence, this.#deadline.timeoutMs),
    );
  }

  /** All ranks have arrived; what is missing is that each says so. Signals do not end this wait, and a deadline only after `DOUBT_MS`. */
  #doubtSlice(): number {
    if (!this.#inDoubt) this.#doubt.start(DOUBT_MS);
    this.#inDoubt = true;
    this.#look();
    const ms = Math.max(this.#deadline.slice(), this.#doubt.slice());
    if (ms > 0 || this.#drain()) return Math.max(ms, 1);
    const error = timeoutError(this.#exchange.unready(), this.sequence, this.#deadline.timeoutMs);
    if (this.#exchange.end(this.rank, error)) throw error;
    throw this.#endError();
  }

  /** Ends the group with an error and throws it, unless a message that has come already settles the all-gather otherwise. */
  #giveUp(error: () => LockstepError): number {
    if (this.#drain()) return 1;
    const reason = error();
    if (this.#exchange.end(this.rank, reason)) throw reason;
    throw this.#endError();
  }

  /** Takes every message that has come. @returns whether there was one. */
  #drain(): boolean {
    let any = false;
    while (this.#link.receive(this.#take, 0)) any = true;
    return any;
  }

  /** Passes an interrupt of this rank on, and ends the group if a peer's process has ended. */
  #look(): void {
    void this.interrupted;
    const lost = this.#link.lostPeer(this.#silent);
    if (lost === null) return;
    // What the rank sent before it ended comes first.
    this.#drain();
    if (!this.#exchange.silent(lost.rank)) this.#exchange.lose(lost.rank, lost.reason);
  }

  /** The error of a group that ended: a mistake of the peers that this rank found first, as itself and once. */
  #endError(): LockstepError {
    const { fault } = this.#exchange;
    this.#exchange.fault = null;
    return fault ?? this.#exchange.lost();
  }

  #throwIfUnusable(): void {
    if (this.#disposed) throw disposedError(this.rank);
    this.#drain();
    if (!this.#gathering) this.#look();
    if (this.#exchange.ended) throw this.#endError();
  }
}
