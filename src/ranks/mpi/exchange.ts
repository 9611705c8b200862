import { LockstepError } from '../../errors.js';
import type { Timing } from '../../timing.js';
import { divergedError, leftError, type MissingRank, missingRank, type SeenRanks } from '../failure/gather-errors.js';
import { type LossRecord, lossRecord, lostError, readLoss } from '../failure/loss-record.js';
import { ENDED_WORDS, lossBytes, MESSAGE, MESSAGES_VERSION, messageWords } from './messages.js';

/** The state of a rank's all-gather. `doubt`: it has all rows and gives up no more, and waits for its peers to say the same. */
export type GatherState = 'pending' | 'doubt' | 'completed' | 'ended';

/**
 * One rank's side of a group whose ranks only send each other messages: what it has sent, what it has seen, and what follows. It
 * never waits; the caller hands it each message that came (`take`) and asks how the all-gather stands (`settle`).
 *
 * An all-gather has two rounds. A rank that enters sends its row to all. A rank that has every row sends `ready` to all, and
 * completes once it has `ready` of all. Until it is ready it may give up on its own, since without its `ready` no rank can
 * complete; once it is ready it may not, for a peer may have completed already: it is in doubt.
 *
 * A rank that ends the group, or learns of the end, says so to all, once: which all-gather it was ready for last and which it
 * completed. This is its last word: from then on neither a `ready` nor a row lets it complete. A rank in doubt completes if a peer
 * says that it did; it ends if a peer was not ready, or once all that live have given their last word and none completed. What
 * comes of a process that is known to have died is ignored: other ranks may not have it.
 */
export class Exchange implements SeenRanks {
  readonly rank: number;
  readonly size: number;
  readonly rowWords: number;
  /** All-gathers this rank has entered. */
  sequence = 0;
  /** A mistake of the peers that this rank found, for the call that is under way to throw. */
  fault: LockstepError | null = null;
  /** The last park that is over, and whether the group was interrupted. */
  interrupted = false;
  /** Why the group ended. */
  #loss: LossRecord | null = null;
  /** The last all-gather this rank was ready for, and the last it completed. */
  #ready = 0;
  #completed = 0;
  #parksOver = 0;
  /** The all-gather that the current park was agreed in: a peer that enters a later one has ended the park. */
  #parkedAt = 0;
  /** What was seen of each rank: the last all-gather it entered, was ready for, and completed. Sequences are int32 and wrap. */
  readonly #arrived: Int32Array;
  readonly #peerReady: Int32Array;
  readonly #peerCompleted: Int32Array;
  /** Who left, who said that the group has ended, and whose process has ended. */
  readonly #left: Uint8Array;
  readonly #saidEnded: Uint8Array;
  readonly #gone: Uint8Array;
  /** When the last message of each came, by `timing.now()`; -1 before the first. */
  readonly #heardAt: Float64Array;
  readonly #timing: Timing;
  /** The rows of the all-gather under way and of the next, which a peer may enter earlier: by the parity of the sequence. */
  readonly #tables: readonly [Int32Array, Int32Array];
  readonly #message: Int32Array;
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
    this.#arrived = new Int32Array(size);
    this.#peerReady = new Int32Array(size);
    this.#peerCompleted = new Int32Array(size);
    this.#left = new Uint8Array(size);
    this.#saidEnded = new Uint8Array(size);
    this.#gone = new Uint8Array(size);
    this.#heardAt = new Float64Array(size).fill(-1);
    this.#timing = timing;
    this.#tables = [new Int32Array(size * rowWords), new Int32Array(size * rowWords)];
    this.#message = new Int32Array(messageWords(rowWords));
    this.#sendToAll = sendToAll;
    this.#send(MESSAGE.joined, MESSAGES_VERSION, rowWords);
    this.#heardAt[rank] = this.#timing.now();
  }

  arrived(rank: number): number {
    return (rank === this.rank ? this.sequence : this.#arrived[rank]) >>> 0;
  }

  joined(rank: number): boolean {
    return this.#heardAt[rank] >= 0;
  }

  heartbeatAge(rank: number): number | null {
    return this.joined(rank) ? this.#timing.now() - this.#heardAt[rank] : null;
  }

  left(rank: number): boolean {
    return this.#left[rank] === 1;
  }

  /** Whether nothing more will come of that rank: it left, has given its last word, or its process has ended. */
  silent(rank: number): boolean {
    return this.#left[rank] === 1 || this.#saidEnded[rank] === 1 || this.#gone[rank] === 1;
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
    this.sequence = (this.sequence + 1) | 0;
    this.#tables[this.sequence & 1].set(row, this.rank * this.rowWords);
    this.#message[0] = MESSAGE.row;
    this.#message[1] = this.sequence;
    this.#message.set(row, 2);
    this.#sendToAll(this.#message, 2 + this.rowWords);
  }

  /** How the all-gather that this rank entered last stands, after what was taken so far. */
  settle(): GatherState {
    const { sequence } = this;
    if (this.#completed === sequence) return 'completed';
    if (this.#ready !== sequence) {
      if (this.ended) return 'ended';
      if (!this.#allArrived(sequence)) return this.ended ? 'ended' : 'pending';
      this.#ready = sequence;
      this.#send(MESSAGE.ready, sequence);
    }
    if (this.#conclude()) return 'completed';
    return this.ended && (this.#refused(sequence) || this.#allSilent()) ? 'ended' : 'doubt';
  }

  /** Completes an all-gather that this rank is ready for, if it now knows that it may. @returns whether it completed. */
  #conclude(): boolean {
    const { sequence } = this;
    if (this.#ready !== sequence) return false;
    const may =
      this.#saidCompleted(sequence) || (!this.ended && (this.#surpassed(sequence) || this.#allReady(sequence)));
    if (may) this.#completed = sequence;
    return may;
  }

  /** The rows of the all-gather that completed last. */
  get table(): Int32Array {
    return this.#tables[this.#completed & 1];
  }

  /** The ranks whose `ready` a rank in doubt waits for. */
  unready(): MissingRank[] {
    const ranks = Array.from({ length: this.size }, (_, rank) => rank);
    return ranks
      .filter((rank) => rank !== this.rank && before(this.#peerReady[rank], this.sequence))
      .map((rank) => missingRank(this, rank));
  }

  /** Ends the group because of `rank`, and says so to all. Does nothing in a group that ended. @returns whether this call ended it. */
  end(rank: number, reason: LockstepError): boolean {
    if (this.ended) return false;
    this.#conclude();
    lossRecord(rank, reason, lossBytes(this.#message));
    this.#adopt();
    return true;
  }

  /** Ends the group because the process of `rank` has ended or cannot be reached. */
  lose(rank: number, reason: LockstepError): void {
    if (!this.ended) this.#conclude();
    this.#gone[rank] = 1;
    this.end(rank, reason);
  }

  /** Says to all that this rank enters no further all-gather. In one under way it has ended the group before. */
  leave(): void {
    this.#send(MESSAGE.left, this.#completed);
  }

  /** Notes that a park begins. */
  parks(): void {
    this.#parkedAt = this.sequence;
  }

  parkOver(park: number): boolean {
    if (!before(this.#parksOver, park)) return true;
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.rank && before(this.#parkedAt, this.#arrived[rank])) return true;
    }
    return false;
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
    if (this.#gone[from] === 1) return;
    const kind = words[0];
    const value = words[1];
    this.#heardAt[from] = this.#timing.now();
    if (kind === MESSAGE.row) this.#takeRow(from, value, words);
    else if (kind === MESSAGE.ready) this.#peerReady[from] = value;
    else if (kind === MESSAGE.left) this.#takeLeave(from, value);
    else if (kind === MESSAGE.interrupt) this.interrupted = true;
    else if (kind === MESSAGE.ended) this.#takeEnd(from, words);
    else if (kind === MESSAGE.wake) {
      if (before(this.#parksOver, value)) this.#parksOver = value;
    } else if (!(kind === MESSAGE.joined && value === MESSAGES_VERSION && words[2] === this.rowWords)) {
      this.#refuse(strangerError(this, from, words));
    }
  }

  #takeRow(from: number, sequence: number, words: Int32Array): void {
    const expected = (this.#arrived[from] + 1) | 0;
    this.#arrived[from] = sequence;
    const next = (this.sequence + 1) | 0;
    if (sequence !== expected || !(sequence === this.sequence || sequence === next)) {
      if (sequence !== expected && (sequence === this.sequence || sequence === next)) {
        this.#refuse(outOfTurnError(from, sequence, expected));
        return;
      }
      // Between two all-gathers, peers may have entered the next.
      const under = this.#completed === this.sequence ? next : this.sequence;
      this.#refuse(divergedError(this, under >>> 0));
      return;
    }
    const table = this.#tables[sequence & 1];
    const start = from * this.rowWords;
    for (let word = 0; word < this.rowWords; word++) table[start + word] = words[2 + word];
  }

  #takeEnd(from: number, words: Int32Array): void {
    this.#saidEnded[from] = 1;
    this.#peerReady[from] = words[1];
    this.#peerCompleted[from] = words[2];
    if (this.ended) return;
    this.#conclude();
    this.#message.set(words.subarray(ENDED_WORDS, this.#message.length), ENDED_WORDS);
    if (words[3] === 1) this.#gone[readLoss(lossBytes(words)).rank] = 1;
    this.#adopt();
  }

  #takeLeave(from: number, completed: number): void {
    this.#left[from] = 1;
    this.#peerCompleted[from] = completed;
  }

  /** Takes the loss record in the message as this rank's own, and sends it on. */
  #adopt(): void {
    this.#loss = readLoss(lossBytes(this.#message));
    this.#message[0] = MESSAGE.ended;
    this.#message[1] = this.#ready;
    this.#message[2] = this.#completed;
    this.#message[3] = this.#gone[this.#loss.rank];
    this.#sendToAll(this.#message, this.#message.length);
  }

  #refuse(error: LockstepError): void {
    if (this.end(this.rank, error)) this.fault = error;
  }

  /** Whether all have entered it. Ends the group if a rank left before it did. */
  #allArrived(sequence: number): boolean {
    let all = true;
    for (let rank = 0; rank < this.size; rank++) {
      if (rank === this.rank || !before(this.#arrived[rank], sequence)) continue;
      all = false;
      if (this.left(rank)) this.end(rank, leftError((sequence - 1) >>> 0));
    }
    return all;
  }

  /** Whether the last word of a peer is that it completed it. */
  #saidCompleted(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.rank && !before(this.#peerCompleted[rank], sequence)) return true;
    }
    return false;
  }

  /** Whether a peer has entered a later one, and so completed it. */
  #surpassed(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.rank && before(sequence, this.#arrived[rank])) return true;
    }
    return false;
  }

  #allReady(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.rank && before(this.#peerReady[rank], sequence)) return false;
    }
    return true;
  }

  #allSilent(): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (rank !== this.rank && !this.silent(rank)) return false;
    }
    return true;
  }

  /** Whether a rank ended the group that was not ready for it, and so never will be. */
  #refused(sequence: number): boolean {
    for (let rank = 0; rank < this.size; rank++) {
      if (this.#saidEnded[rank] === 1 && before(this.#peerReady[rank], sequence)) return true;
    }
    return false;
  }

  #send(kind: number, value = 0, last = 0): void {
    this.#message[0] = kind;
    this.#message[1] = value;
    this.#message[2] = last;
    this.#sendToAll(this.#message, 3);
  }
}

/** Whether sequence `a` is earlier than `b`. */
function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** A rank that sent a row twice, or left one out, where its sequence alone does not give it away. */
function outOfTurnError(rank: number, found: number, expected: number): LockstepError {
  const [sequence, next] = [found >>> 0, expected >>> 0];
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Rank ${rank} sent its row of all-gather ${sequence} where that of ${next} was to come; messages of a rank must arrive once, in the order ` +
      'they were sent, and nothing else may send in its name.',
    { sequence, expected: next, ranks: [rank] },
  );
}

function strangerError({ rowWords }: Exchange, rank: number, [kind, version, words]: Int32Array): LockstepError {
  const found =
    kind === MESSAGE.joined
      ? `joined with messages of version ${version} and rows of ${words} words`
      : `sent a message of unknown kind ${kind}`;
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `Rank ${rank} ${found}; this rank has messages of version ${MESSAGES_VERSION} and rows of ${rowWords} words. ` +
      'All ranks must run the same version and make the same groups in the same order.',
    { ranks: [rank], rowWords, version: MESSAGES_VERSION },
  );
}
