import { MAX_LOSS_BYTES } from '../failure/loss-record.js';

/** What a message says: its first word. Messages are int32 words; those of one rank to another keep their order. */
export const MESSAGE: Readonly<
  Record<'joined' | 'row' | 'waiting' | 'wake' | 'interrupt' | 'ended' | 'left' | 'completed' | 'rows', number>
> = Object.freeze({
  /** The rank joined: version of the messages, words of a row. */
  joined: 1,
  /** The rank entered an all-gather: its sequence, the row. */
  row: 2,
  /** The rank waits in an all-gather, and asks that others say when they complete it: its sequence. */
  waiting: 3,
  /** A park is over: its number. */
  wake: 4,
  /** The ranks are asked to stop. */
  interrupt: 5,
  /** The group has ended: the last all-gather the sender entered, the last it completed, whether the lost rank is gone, a loss record. */
  ended: 6,
  /** The rank left: the last all-gather it completed. */
  left: 7,
  /** The rank completed an all-gather that a peer waits in: its sequence. */
  completed: 8,
  /** Rows of an all-gather that the sender completed: its sequence, the first rank, how many, the rows. */
  rows: 9,
});

/** Raised whenever a message changes: ranks of two versions are refused. */
export const MESSAGES_VERSION = 3;

/** Words before the loss record of a message that says that the group has ended. */
export const ENDED_WORDS = 4;
const LOSS_WORDS = MAX_LOSS_BYTES / 4;
/** Words before the first row of a message of rows. */
export const ROWS_WORDS = 4;

/** Words of the longest message. */
export function messageWords(rowWords: number): number {
  return Math.max(ROWS_WORDS + rowWords, ENDED_WORDS + LOSS_WORDS);
}

/** The bytes of a loss record in a message. */
export function lossBytes(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + 4 * ENDED_WORDS, MAX_LOSS_BYTES);
}
