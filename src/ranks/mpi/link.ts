import { LockstepError } from '../../errors.js';
import { guarded, lockstepError, type NativeMpi } from '../../native/index.js';
import { SYSTEM_TIMING } from '../../timing.js';
import { SLICE_MS } from '../../wait.js';
import { GATHER, type Link } from './message-link.js';
import { MESSAGE, messageWords } from './messages.js';
import { type MpiWorld, spinsOf } from './world.js';

/** The messages of one group of an MPI job. */
export class MpiLink implements Link {
  readonly #mpi: NativeMpi;
  readonly #tag: number;
  readonly #rank: number;
  readonly #size: number;
  readonly #rowWords: number;
  /** What came last. */
  readonly incoming: Int32Array;
  readonly #spins: number;
  readonly #unreachable = new Map<number, LockstepError>();
  #lookedAt = 0;
  #group = -1;

  constructor(world: MpiWorld, rowWords: number) {
    const { mpi, rank, size } = world;
    this.#mpi = mpi;
    this.#tag = guarded(() => mpi.nextGroup());
    this.#rank = rank;
    this.#size = size;
    this.#rowWords = rowWords;
    this.incoming = new Int32Array(messageWords(rowWords));
    this.#spins = spinsOf(world);
  }

  /** Receives messages from now on. Rows that come in turn go to the board, and are handed to no one. */
  attach(board: Int32Array, row: Int32Array): void {
    const { incoming } = this;
    this.#group = guarded(() => this.#mpi.openGroup(this.#tag, incoming.length, board, this.#rowWords, row, incoming));
  }

  /** Receives no more. */
  close(): void {
    guarded(() => this.#mpi.closeGroup(this.#group));
  }

  gather(ms: number): number {
    try {
      return this.#mpi.gather(this.#group, ms, this.#spins);
    } catch (error) {
      const cause = lockstepError(error);
      const { rank, call } = cause instanceof LockstepError ? cause.details : {};
      if (call !== 'MPI_Isend') throw cause;
      this.#unreachable.set(rank as number, cause as LockstepError);
      return GATHER.nothing;
    }
  }

  /** Sends to every other rank; of a row, what `attach` was given is sent. One that cannot be reached is noted, and the others get the message. */
  sendToAll(words: Int32Array, count: number): void {
    if (words[0] === MESSAGE.row && guarded(() => this.#mpi.publish(this.#group))) return;
    for (let peer = 0; peer < this.#size; peer++) {
      if (peer === this.#rank || this.#unreachable.has(peer)) continue;
      try {
        this.#mpi.send(peer, this.#tag, words, count);
      } catch (error) {
        const cause = lockstepError(error);
        if (!(cause instanceof LockstepError)) throw error;
        // The message that could not be sent may be an earlier one, to another.
        const { rank, call } = cause.details;
        this.#unreachable.set(call === 'MPI_Isend' ? (rank as number) : peer, cause);
      }
    }
  }

  /**
   * Hands the next message to `take`, after at most `ms`, 50 at most. A wait that goes on after it brought none sleeps at once
   * (`patient`). @returns whether one came. @throws what MPI returned: `ERR_RANK_LOST`.
   */
  receive(take: (from: number, words: Int32Array) => void, ms: number, patient = false): boolean {
    const from = guarded(() => this.#mpi.receive(this.#group, this.incoming, ms, patient ? 0 : this.#spins));
    if (from === GATHER.nothing) return false;
    if (from >= 0) take(from, this.incoming);
    return true;
  }

  /** Resolves when a message has come, after `ms`, or at `poke`. */
  async arrival(ms: number): Promise<void> {
    await this.#mpi.waitAsync(this.#group, ms);
  }

  /** Ends the waits of `arrival`. */
  poke(): void {
    this.#mpi.poke();
  }

  /** A rank that cannot be reached or whose process has ended, and why; looks for the latter once a slice. `skip` says whose end is known. */
  lostPeer(skip: (rank: number) => boolean): { readonly rank: number; readonly reason: LockstepError } | null {
    for (const [rank, reason] of this.#unreachable) if (!skip(rank)) return { rank, reason };
    const now = SYSTEM_TIMING.now();
    if (now - this.#lookedAt < SLICE_MS) return null;
    this.#lookedAt = now;
    for (let rank = 0; rank < this.#size; rank++) {
      if (rank === this.#rank || skip(rank) || !this.#mpi.peerEnded(rank)) continue;
      return { rank, reason: new LockstepError('ERR_RANK_LOST', 'its process has ended.', { rank }) };
    }
    return null;
  }
}
