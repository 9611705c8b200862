import { MAX_LOSS_BYTES } from '../failure/loss-record.js';

/** What a message says: its first word. Messages are int32 words; those of one rank to another keep their order. */
export const MESSAGE: Readonly<Record<'joined' | 'row' | 'ready' | 'wake' | 'interrupt' | 'ended' | 'left', number>> =
  Object.freeze({
    /** The rank joined: version of the messages, words of a row. */
    joined: 1,
    /** The rank entered an all-gather: its sequence, the row. */
    row: 2,
    /** The rank has every row of an all-gather, and gives it up no more: its sequence. */
    ready: 3,
    /** A park is over: its number. */
    wake: 4,
    /** The ranks are asked to stop. */
    interrupt: 5,
    /** The group has ended: the last all-gather the sender was ready for, the last it completed, whether the lost rank is gone, a loss record. */
    ended: 6,
    /** The rank left: the last all-gather it completed. */
    left: 7,
  });

/** Raised whenever a message changes: ranks of two versions are refused. */
export const MESSAGES_VERSION = 2;

/** Words before the loss record of a message that says that the group has ended. */
export const ENDED_WORDS = 4;
const LOSS_WORDS = MAX_LOSS_BYTES / 4;
const ROW_WORDS = 2;

/** Words of the longest message. */
export function messageWords(rowWords: number): number {
  return Math.max(ROW_WORDS + rowWords, ENDED_WORDS + LOSS_WORDS);
}

/** The bytes of a loss record in a message. */
export function lossBytes(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + 4 * ENDED_WORDS, MAX_LOSS_BYTES);
}
