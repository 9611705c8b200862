import { asLockstepError, type LockstepError } from '../../errors.js';
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
import { interruptedError } from './message-errors.js';
import { GATHER, type Link } from './message-link.js';

/** How long an all-gather lasts before its peers are asked to tell when they complete it. Unit: milliseconds. */
const PROMPT_MS = 5;
/** How long those that completed before they were asked are given, whose rows are on their way. Unit: milliseconds. */
const ASKED_MS = 1;
/**
 * Longest wait, once the group has ended, for the row of a rank that has not arrived, which may be on its way still; a tenth of the
 * deadline where that is less. Unit: milliseconds.
 */
const CLOSING_MS = 500;
/** The same where no row is missing, for those that may have completed to say so. It takes no computing. Unit: milliseconds. */
const DOUBT_MS = 2000;

/** A rank's side of a group whose ranks are the processes of an MPI job. */
export interface MpiCollective extends Collective {
  /** Whether any rank called `interrupt`, or was interrupted: stop at the next step that all ranks agree on. */
  readonly interrupted: boolean;
  /** Asks every rank to stop: `interrupted` turns true, and a rank that is parked, or parks next, is woken once. */
  interrupt(): void;
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
  readonly #closed: Deadline;
  readonly #doubt: Deadline;
  readonly #leaving: Set<() => void>;
  readonly #leave = (): void => this.#exit();
  /** Why this rank ends the group, once the all-gather under way lets it. */
  #ending: LockstepError | null = null;
  /** What `isInterrupted` threw in the all-gather under way. */
  #thrown: LockstepError | null = null;
  #closing = false;
  /** Whether the all-gather under way has only just begun. */
  #prompt = false;
  #gathering = false;
  #disposed = false;
  readonly #take = (from: number, words: Int32Array): void => this.#exchange.take(from, words);
  readonly #silent = (rank: number): boolean => this.#exchange.peers.silent(rank);

  constructor({ rank, size, rowWords, link, timing, isInterrupted, leaving }: MessageGroupParts) {
    this.rank = rank;
    this.size = size;
    this.rowWords = rowWords;
    this.#isInterrupted = isInterrupted;
    this.#link = link;
    this.#exchange = new Exchange(this, (words, count) => link.sendToAll(words, count), timing);
    link.attach?.(this.#exchange.board, this.#exchange.message);
    this.#deadline = new Deadline(timing);
    this.#closed = new Deadline(timing);
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
    if (this.#arrive(row, table, timeoutMs, options?.signal, true)) {
      table.set(this.#exchange.table);
      return;
    }
    try {
      let patient = false;
      for (;;) {
        const ms = this.#nextSlice(options?.signal);
        if (ms === 0) break;
        patient = !this.#receive(ms, patient);
      }
      table.set(this.#exchange.table);
    } finally {
      this.#gathered();
    }
  }

  async allGather(row: Int32Array, table: Int32Array, options?: WaitOptions): Promise<void> {
    const timeoutMs = timeoutOf(options, COLLECTIVE_WAIT);
    const signal = options?.signal;
    this.#arrive(row, table, timeoutMs, signal, false);
    const sleeper = this.sleeper(signal);
    try {
      for (;;) {
        const ms = this.#nextSlice(signal);
        if (ms === 0) break;
        if (this.#receive(0)) continue;
        await this.#link.arrival(ms);
      }
      table.set(this.#exchange.table);
    } finally {
      sleeper[Symbol.dispose]();
      this.#gathered();
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

  abort(reason?: unknown): void {
    if (this.#disposed) return;
    this.#end(asLockstepError(reason));
    this.#link.poke();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#leaving.delete(this.#leave);
    if (this.#gathering) {
      // Peers must not complete an all-gather whose table this rank will not take. If one has, this rank takes it too.
      this.#end(leftError((this.sequence - 1) >>> 0));
    } else {
      this.#exchange.leave();
      this.#link.close?.();
    }
    this.#link.poke();
  }

  /** Ends the group: at once, or where a peer may have completed the all-gather under way, once it was asked. */
  #end(reason: LockstepError): void {
    if (this.#gathering) this.#ending ??= reason;
    else this.#exchange.end(this.rank, reason);
  }

  /** The process ends: what it was in is settled by no further message. */
  #exit(): void {
    if (this.#gathering) this.#exchange.end(this.rank, leftError((this.sequence - 1) >>> 0));
    this.dispose();
    if (this.#gathering) this.#exchange.leave();
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
    return this.#exchange.peers.left(rank);
  }

  lose(rank: number): never {
    this.#exchange.end(rank, leftError(this.#exchange.peers.arrived(rank)));
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

  /** Enters an all-gather. @returns whether it is complete already, which is tried for a moment if this thread may be blocked (`sync`). */
  #arrive(
    row: Int32Array,
    table: Int32Array,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    sync: boolean,
  ): boolean {
    const link = this.#link;
    const sends = sync && link.gather !== undefined;
    // What has come is looked at by the call that sends.
    if (!sends || this.#disposed || this.#exchange.ended) this.#throwIfUnusable();
    checkRows(this, row, table);
    throwIfAborted(signal, 'before this rank arrived; the group is as it was');
    if (this.#gathering) throw orderError(this.rank, this.sequence);
    this.#park.end();
    this.#prompt = true;
    // An all-gather that completes at once reads no clock; the moment that this takes otherwise comes before the deadline's time.
    if (sends && this.#meet(row, Math.min(PROMPT_MS, timeoutMs / 4))) return true;
    this.#deadline.start(timeoutMs);
    if (!sends) this.#exchange.enter(row);
    this.#gathering = true;
    this.#closing = false;
    return false;
  }

  /** Sends the row and waits a moment, in one call of the link. @returns whether the all-gather is complete. */
  #meet(row: Int32Array, ms: number): boolean {
    const exchange = this.#exchange;
    const link = this.#link as Required<Link>;
    for (;;) {
      exchange.prepare(row);
      const found = link.gather(ms);
      if (found === GATHER.rows) return exchange.settle() === 'completed';
      this.#prompt = found >= 0;
      if (found > GATHER.unsent) {
        if (found >= 0) exchange.take(found, link.incoming);
        if (found >= 0) this.#drain();
        return false;
      }
      exchange.retreat();
      exchange.take(GATHER.unsent - found, link.incoming);
      this.#throwIfUnusable();
    }
  }

  #gathered(): void {
    this.#gathering = false;
    this.#thrown = null;
    const ending = this.#ending;
    this.#ending = null;
    if (this.#disposed) {
      this.#exchange.leave();
      this.#link.close?.();
    } else if (ending !== null) this.#exchange.end(this.rank, ending);
  }

  /** Milliseconds of the next wait; 0 once the all-gather completed. Throws the error that ends it. */
  #nextSlice(signal: AbortSignal | undefined): number {
    const state = this.#exchange.settle();
    if (state === 'completed') return 0;
    if (state === 'ended') throw this.#gatherError();
    if (state === 'closing') return this.#closingSlice();
    if (this.#prompt) {
      this.#prompt = false;
      return Math.min(PROMPT_MS, this.#deadline.timeoutMs / 4);
    }
    // Whoever completes from now on says so; who did before has sent its row before, which comes at once.
    if (this.#exchange.ask()) return ASKED_MS;
    this.#look();
    const thrown = this.#thrown;
    if (thrown !== null) return this.#giveUp(() => thrown);
    const ending = this.#ending;
    if (ending !== null) {
      if (!this.#drain()) this.#exchange.end(this.rank, ending);
      return ASKED_MS;
    }
    if (signal?.aborted === true) {
      return this.#giveUp(() => abortedError(signal, `in all-gather ${this.sequence}; the group is ended`));
    }
    const ms = this.#deadline.slice();
    if (ms > 0) return ms;
    return this.#giveUp(() =>
      timeoutError(missingRanks(this.#exchange.peers, this.sequence), this.sequence, this.#deadline.timeoutMs),
    );
  }

  /** The group has ended, and a peer may have completed what this rank waits in: peers are given some time to say so. */
  #closingSlice(): number {
    if (!this.#closing) {
      this.#closed.start(Math.min(this.#deadline.timeoutMs / 10, CLOSING_MS));
      this.#doubt.start(DOUBT_MS);
    }
    this.#closing = true;
    this.#look();
    const [closed, doubt] = [this.#closed.slice(), this.#doubt.slice()];
    const ms = this.#exchange.inDoubt ? doubt : closed;
    if (ms > 0 || this.#drain()) return Math.max(ms, 0.1);
    if (this.#exchange.recover()) return 0;
    throw this.#gatherError();
  }

  /**
   * Ends the group with an error, unless a message that has come already settles the all-gather otherwise. The peers then say how it
   * stands; where one completed it, so does this rank, and its next call throws the error.
   */
  #giveUp(error: () => LockstepError): number {
    if (this.#drain()) return ASKED_MS;
    const reason = error();
    if (this.#exchange.end(this.rank, reason)) this.#exchange.fault = reason;
    return ASKED_MS;
  }

  /** Waits for a message, and takes all that have come: the word that the group has ended may lie behind the last row. @returns whether any came. */
  #receive(ms: number, patient = false): boolean {
    const any = this.#link.receive(this.#take, ms, patient);
    if (any) this.#drain();
    return any;
  }

  /** Takes every message that has come; `patient` as of a link's `receive`. @returns whether there was one. */
  #drain(patient = false): boolean {
    let any = false;
    while (this.#link.receive(this.#take, 0, patient)) any = true;
    return any;
  }

  /** Passes an interrupt of this rank on, and ends the group if a peer's process has ended. */
  #look(): void {
    this.#lookForInterrupt();
    this.#exchange.peers.hear();
    const lost = this.#link.lostPeer(this.#silent);
    if (lost === null) return;
    // What the rank sent before it ended comes first, be it that it ended before it could say that it sent it.
    this.#drain(true);
    if (!this.#exchange.peers.silent(lost.rank)) this.#exchange.lose(lost.rank, lost.reason);
  }

  /** What `isInterrupted` throws ends an all-gather under way, for which peers may have this rank's row; else it is the caller's to see to. */
  #lookForInterrupt(): void {
    try {
      void this.interrupted;
    } catch (error) {
      if (!this.#gathering) throw error;
      this.#thrown ??= interruptedError(this.rank, error);
    }
  }

  /** The error of the all-gather under way, whose group has ended. */
  #gatherError(): LockstepError {
    return this.#disposed ? disposedError(this.rank) : this.#endError();
  }

  /** The error of a group that ended: what this rank ended it for, or a mistake of the peers that it found first, as itself and once. */
  #endError(once = true): LockstepError {
    const { fault } = this.#exchange;
    if (once) this.#exchange.fault = null;
    return fault ?? this.#exchange.lost();
  }

  #throwIfUnusable(): void {
    if (this.#disposed) throw disposedError(this.rank);
    this.#drain();
    if (!this.#gathering) this.#look();
    // An all-gather under way has the first call upon it.
    if (this.#exchange.ended) throw this.#endError(!this.#gathering);
  }
}
