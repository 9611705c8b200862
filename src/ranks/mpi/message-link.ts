import type { LockstepError } from '../../errors.js';

/** What `gather` of a link found, beside a rank from which another message came. */
export const GATHER: Readonly<Record<'nothing' | 'rows' | 'unsent', number>> = Object.freeze({
  nothing: -1,
  rows: -2,
  /** Less the rank of a message that had come before, for which nothing was sent. */
  unsent: -3,
});

/** Messages among the ranks of a group: sent to all, received from any. */
export interface Link {
  /** Sends the first `count` words to every other rank. What one rank sends to another keeps its order. */
  sendToAll(words: Int32Array, count: number): void;
  /**
   * Hands the next message to `take`, after at most `ms` milliseconds, 50 at most. A wait that goes on after it brought none sleeps at
   * once (`patient`); with no time, that looks for messages too that may have come without a word of it. @returns whether one came.
   */
  receive(take: (from: number, words: Int32Array) => void, ms: number, patient?: boolean): boolean;
  /** Where a link puts rows on the board itself: what `gather` found last, and what begins that, and ends the receiving. `row`: where rows are sent from. */
  readonly incoming?: Int32Array;
  attach?(board: Int32Array, row: Int32Array): void;
  close?(): void;
  /**
   * Sends the row, and waits until all rows are on the board and nothing else has come (`GATHER.rows`), or another message has come: the rank that sent
   * it. At most `ms` milliseconds, 50 at most.
   */
  gather?(ms: number): number;
  /** Resolves when a message has come, after `ms` milliseconds, or at `poke`. */
  arrival(ms: number): Promise<void>;
  /** Ends the waits of `arrival`. */
  poke(): void;
  /** A rank that cannot be reached or whose process has ended, and why. `skip` says whose end is known. */
  lostPeer(skip: (rank: number) => boolean): { readonly rank: number; readonly reason: LockstepError } | null;
}
