import type { LockstepError } from '../../errors.js';
import type { Timing } from '../../timing.js';
import { divergedError, leftError } from '../failure/gather-errors.js';
import { type LossRecord, lossRecord, lostError, readLoss } from '../failure/loss-record.js';
import { damagedEndError, outOfTurnError, strangerError } from './message-errors.js';
import { ENDED_WORDS, lossBytes, MESSAGE, MESSAGES_VERSION, messageWords, ROWS_WORDS } from './messages.js';
import { before, Peers } from './peers.js';

/** The state of a rank's all-gather. `closing`: the group has ended, and what became of the all-gather is not known yet. */
export type GatherState = 'pending' | 'closing' | 'completed' | 'ended';

/**
 * One rank's side of a group whose ranks only send each other messages: what it has sent, what it has seen, and what follows. It
 * never waits; the caller hands it each message that came (`take`) and asks how the all-gather stands (`settle`).
 *
 * An all-gather has one round. A rank that enters sends its row to all, and completes once it has every row and no word of an end. It
 * may not give up on its own, for a peer that has its row may have completed: it asks them first, then ends the group, and
 * their last words say what became of it.
 *
 * A rank that ends the group, or learns of the end, says so to all, once: which all-gather it entered last and which it
 * completed, with the rows of that one. This is its last word: from then on rows do not let it complete. It completes if a peer
 * says that it did; it ends if a peer never entered, or once all that live have given their last word and none completed. So that a
 * peer that completed need not look again to say so, a rank that is about to wait long asks for it (`ask`), and who completes after
 * that tells. Messages of a process that is known to have died are ignored: other ranks may not have them.
 */
export class Exchange {
  readonly rank: number;
  readonly size: number;
  readonly rowWords: number;
  /**
   * The all-gathers this rank has entered, the last one of each rank whose row is here, and the rows of the one under way and of the next, which a
   * peer may enter earlier: by the parity of the sequence. Who receives messages may put rows here that come in turn, in place of `take`.
   */
  readonly board: Int32Array;
  /** What was seen of each rank. */
  readonly peers: Peers;
  /** What is sent next. */
  readonly message: Int32Array;
  /** Why this rank ended the group, for the call that is under way to throw, or the next. */
  fault: LockstepError | null = null;
  /** The last park that is over, and whether the group was interrupted. */
  interrupted = false;
  /** Why the group ended. */
  #loss: LossRecord | null = null;
  /** The last all-gather this rank completed. */
  #completed = 0;
  /** The last of which this rank asked its peers for word, the last of which a peer asked, and the last of which this rank gave word. */
  #asked = 0;
  #wanted = 0;
  #said = 0;
  #parksOver = 0;
  /** The all-gather that the current park was agreed in: a peer that enters a later one has ended the park. */
  #parkedAt = 0;
  /** The last all-gather whose row of each rank a peer passed on, and those rows. */
  readonly #passedOn: Int32Array;
  readonly #passedRows: Int32Array;
  readonly #tables: readonly [Int32Array, Int32Array];
  readonly #sendToAll: (words: Int32Array, count: number) => void;

  /** `sendToAll` sends the first `count` words to every other rank, in order, and keeps none of them. */
  constructor(
    { rank, size, rowWords }: { readonly rank: number; readonly size: number; readonly rowWords: number },
    sendToAll: (words: Int32Array, count: number) => void,
    timing: Timing,
  ) {
    this.rank = rank;
    this.size = size;
    this.rowWords = rowWords;
    this.board = new Int32Array(1 + size + 2 * size * rowWords);
    this.peers = new Peers(rank, this.board.subarray(1, 1 + size), () => this.sequence, timing);
    const tables = this.board.subarray(1 + size);
    this.#tables = [tables.subarray(0, size * rowWords), tables.subarray(size * rowWords)];
    this.#passedOn = new Int32Array(size);
    this.#passedRows = new Int32Array(size * rowWords);
    this.message = new Int32Array(messageWords(rowWords));
    this.#sendToAll = sendToAll;
    this.#send(MESSAGE.joined, MESSAGES_VERSION, rowWords);
  }

  /** All-gathers this rank has entered. */
  get sequence(): number {
    return this.board[0];
  }

  get ended(): boolean {
    return this.#loss !== null;
  }

  /** Why the group ended: `ERR_RANK_LOST`. Only for a group that ended. */
  lost(): LockstepError {
    return lostError(this.#loss as LossRecord);
  }

  /** Enters the next all-gather with this rank's row. */
  enter(row: Int32Array): void {
    this.prepare(row);
    this.#sendToAll(this.message, 2 + this.rowWords);
  }

  /** The same, but leaves it to the caller to send the row that is in `message` then. */
  prepare(row: Int32Array): void {
    this.board[0]++;
    this.#tables[this.sequence & 1].set(row, this.rank * this.rowWords);
    this.message[0] = MESSAGE.row;
    this.message[1] = this.sequence;
    this.message.set(row, 2);
  }

  /** Takes back what was prepared and not sent. */
  retreat(): void {
    this.board[0]--;
  }

  /** How the all-gather that this rank entered last stands, after all was taken that came. */
  settle(): GatherState {
    const { sequence } = this;
    if (this.#completed === sequence) return 'completed';
    this.#loseLeft(sequence);
    if (this.#conclude()) return 'completed';
    if (!this.ended) return 'pending';
    const { peers } = this;
    return peers.refused(sequence) || (peers.allSilent() && !peers.saidCompleted(sequence)) ? 'ended' : 'closing';
  }

  /** Completes the all-gather that this rank is in, if it now knows that it may. @returns whether it is complete. */
  #conclude(): boolean {
    const { sequence } = this;
    if (this.#completed === sequence) return true;
    if (this.ended) {
      if (!this.peers.saidCompleted(sequence)) return false;
      this.#fillIn((rank) => this.peers.gone[rank] === 1);
    }
    if (!this.peers.allArrived(sequence)) return false;
    this.#completed = sequence;
    // A peer that asks for the next one has completed this one, and its question may have come in place of another's.
    const ahead = (this.#wanted - sequence) | 0;
    if (ahead === 0 || ahead === 1) this.#tell();
    return true;
  }

  /** Asks the peers, once, to say when they complete the all-gather that this rank waits in. @returns whether it asks now. */
  ask(): boolean {
    if (this.#asked === this.sequence || this.ended) return false;
    this.#asked = this.sequence;
    this.#send(MESSAGE.waiting, this.sequence);
    return true;
  }

  /** Takes the rows that peers passed on for those that have not come. @returns whether the all-gather is complete by them. */
  recover(): boolean {
    if (!this.peers.saidCompleted(this.sequence)) return false;
    this.#fillIn(() => true);
    return this.#conclude();
  }

  /** A row is taken from its own rank as long as that may send it: a peer's may have been damaged on its way to it. */
  #fillIn(from: (rank: number) => boolean): void {
    const { sequence, rowWords } = this;
    for (let rank = 0; rank < this.size; rank++) {
      if (!this.peers.lacks(rank, sequence)) continue;
      if (this.#passedOn[rank] !== sequence || !from(rank)) continue;
      const start = rank * rowWords;
      this.#tables[sequence & 1].set(this.#passedRows.subarray(start, start + rowWords), start);
      this.peers.lastRow[rank] = sequence;
    }
  }

  /** Says which all-gather completed last. */
  #tell(): void {
    if (this.ended || this.#said === this.#completed) return;
    this.#said = this.#completed;
    this.#send(MESSAGE.completed, this.#completed);
  }

  /** Whether a peer that lives may have completed what this rank is in. */
  get inDoubt(): boolean {
    return this.peers.mayHaveCompleted(this.sequence);
  }

  /** The rows of the all-gather that completed last. */
  get table(): Int32Array {
    return this.#tables[this.#completed & 1];
  }

  /** Ends the group because of `rank`, and says so to all. Does nothing in a group that ended. @returns whether this call ended it. */
  end(rank: number, reason: LockstepError): boolean {
    if (this.ended) return false;
    this.#passOn();
    this.#adopt(lossRecord(rank, reason, lossBytes(this.message), this.size));
    return true;
  }

  /** Ends the group because the process of `rank` has ended or cannot be reached. */
  lose(rank: number, reason: LockstepError): void {
    this.peers.gone[rank] = 1;
    this.end(rank, reason);
  }

  /** Says to all that this rank enters no further all-gather. In one under way it has ended the group before. */
  leave(): void {
    if (!this.ended) this.#passOn();
    this.#send(MESSAGE.left, this.#completed);
  }

  /** Notes that a park begins. */
  parks(): void {
    this.#parkedAt = this.sequence;
  }

  parkOver(park: number): boolean {
    return !before(this.#parksOver, park) || this.peers.someSurpassed(this.#parkedAt);
  }

  endPark(park: number): void {
    if (before(this.#parksOver, park)) this.#parksOver = park;
    this.#send(MESSAGE.wake, park);
  }

  /** Asks all ranks to stop. */
  interrupt(): void {
    if (this.interrupted) return;
    this.interrupted = true;
    this.#send(MESSAGE.interrupt);
  }

  /** Notes a message of another rank. */
  take(from: number, words: Int32Array): void {
    if (this.peers.gone[from] === 1) return;
    const kind = words[0];
    const value = words[1];
    this.peers.heard(from);
    if (kind === MESSAGE.row) this.#takeRow(from, value, words);
    else if (kind === MESSAGE.rows) this.#takeRows(from, value, words);
    else if (kind === MESSAGE.waiting) this.#takeQuestion(value);
    else if (kind === MESSAGE.completed) this.peers.lastCompleted[from] = value;
    else if (kind === MESSAGE.left) this.peers.leaves(from, value);
    else if (kind === MESSAGE.interrupt) this.interrupted = true;
    else if (kind === MESSAGE.ended) this.#takeEnd(from, words);
    else if (kind === MESSAGE.wake) {
      if (before(this.#parksOver, value)) this.#parksOver = value;
    } else if (!(kind === MESSAGE.joined && value === MESSAGES_VERSION && words[2] === this.rowWords)) {
      this.#refuse(strangerError(this, from, words));
    }
  }

  #takeRow(from: number, sequence: number, words: Int32Array): void {
    const { lastRow } = this.peers;
    const expected = (lastRow[from] + 1) | 0;
    const next = (this.sequence + 1) | 0;
    if (sequence !== expected || !(sequence === this.sequence || sequence === next)) {
      this.peers.claims(from, sequence);
      const near = sequence === this.sequence || sequence === next || sequence === lastRow[from];
      if (sequence !== expected && near) {
        this.#refuse(outOfTurnError(from, sequence, expected));
        return;
      }
      // Peers may have entered the next all-gather, and between two of them all have entered the one before.
      const under = this.#completed === this.sequence ? next : this.sequence;
      this.#refuse(divergedError(this.peers, under >>> 0, next >>> 0));
      return;
    }
    lastRow[from] = sequence;
    const table = this.#tables[sequence & 1];
    const start = from * this.rowWords;
    for (let word = 0; word < this.rowWords; word++) table[start + word] = words[2 + word];
  }

  /** Rows of an all-gather that a peer completed, of all ranks from `words[2]` on. */
  #takeRows(from: number, sequence: number, words: Int32Array): void {
    if (sequence !== this.sequence || this.#completed === sequence) return;
    const { rowWords } = this;
    const [first, count] = [words[2], words[3]];
    if (!(first >= 0 && count >= 0 && count <= this.size - first && ROWS_WORDS + count * rowWords <= words.length)) {
      this.#refuse(strangerError(this, from, words));
      return;
    }
    this.#passedRows.set(words.subarray(ROWS_WORDS, ROWS_WORDS + count * rowWords), first * rowWords);
    this.#passedOn.fill(sequence, first, first + count);
  }

  #takeQuestion(sequence: number): void {
    if (this.#wanted !== ((sequence + 1) | 0)) this.#wanted = sequence;
    if (!before(this.#completed, sequence)) this.#tell();
  }

  #takeEnd(from: number, words: Int32Array): void {
    this.peers.saysEnded(from, words[1], words[2]);
    if (this.ended) return;
    const loss = readLoss(lossBytes(words), this.size);
    if (loss === null) {
      this.#refuse(damagedEndError(from));
      return;
    }
    this.#passOn();
    this.message.set(words.subarray(ENDED_WORDS, this.message.length), ENDED_WORDS);
    if (words[3] === 1) this.peers.gone[loss.rank] = 1;
    this.#adopt(loss);
  }

  /** Takes the loss in the message as this rank's own, and sends it on. */
  #adopt(loss: LossRecord): void {
    this.#loss = loss;
    this.message[0] = MESSAGE.ended;
    this.message[1] = this.sequence;
    this.message[2] = this.#completed;
    this.message[3] = this.peers.gone[loss.rank];
    this.#sendToAll(this.message, this.message.length);
  }

  #refuse(error: LockstepError): void {
    if (this.end(this.rank, error)) this.fault = error;
  }

  /** Sends the rows of the all-gather that completed last to those that may lack some, for whose rank they are may have died. */
  #passOn(): void {
    const { rowWords, size } = this;
    if (this.peers.allSurpassed(this.#completed)) return;
    const most = Math.floor((this.message.length - ROWS_WORDS) / rowWords);
    this.message[0] = MESSAGE.rows;
    this.message[1] = this.#completed;
    for (let first = 0; first < size; first += most) {
      const rows = Math.min(most, size - first);
      this.message[2] = first;
      this.message[3] = rows;
      this.message.set(this.table.subarray(first * rowWords, (first + rows) * rowWords), ROWS_WORDS);
      this.#sendToAll(this.message, ROWS_WORDS + rows * rowWords);
    }
  }

  /** Ends the group if a rank left before it entered. */
  #loseLeft(sequence: number): void {
    for (let rank = 0; rank < this.size; rank++) {
      if (this.peers.left(rank) && this.peers.lacks(rank, sequence)) this.end(rank, leftError((sequence - 1) >>> 0));
    }
  }

  #send(kind: number, value = 0, last = 0): void {
    this.message[0] = kind;
    this.message[1] = value;
    this.message[2] = last;
    this.#sendToAll(this.message, 3);
  }
}
