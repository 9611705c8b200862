/**
 * MPI of this process, which all of its threads share, one call at a time. Messages are int32 words with a tag. Errors that MPI
 * returns are `ERR_RANK_LOST`.
 */
export interface NativeMpi {
  /** Opens a library by its name: its version, or the reason why it does not serve. Once MPI has started, it stays. */
  load(name: string): { readonly version: string } | string;
  /**
   * Starts MPI with the library that `load` opened last, or finds it started; blocks until every process of the job has called it.
   * `host` is a number that processes share which see each other's process ids; `first`: whether this call started it;
   * `sharesMemory`: whether all run on one host and share memory, through which rows of the first 1024 groups go.
   */
  start(host: number): {
    readonly rank: number;
    readonly size: number;
    readonly first: boolean;
    readonly sharesMemory: boolean;
  };
  /** So many MPI_Allgather of rows of so many int32, one after the other: blocks until all processes have done the same. */
  allgather(words: number, rounds: number): void;
  /** The tag of the next group, from 1. */
  nextGroup(): number;
  /** Copies the first `count` words, and sends them. */
  send(peer: number, tag: number, words: Int32Array, count: number): void;
  /**
   * Opens a group of messages with this tag, of at most `capacity` words, and gives its number. `board` holds this rank's sequence, the last
   * one whose row has come of each rank, and two tables, by the parity of the sequence: rows that come in turn are put there. `row` is where the message
   * of this rank's row lies when it is given to the others, and `incoming` where `gather` puts other messages. Null for none, and nothing after it.
   */
  openGroup(
    tag: number,
    capacity: number,
    board: Int32Array | null,
    rowWords: number,
    row?: Int32Array,
    incoming?: Int32Array,
  ): number;
  /**
   * Shows the group's row to all other ranks at once. False where it has to be sent to each: there is no shared memory for the group, or the board does
   * not have the rows of all ranks of the all-gather before.
   */
  publish(group: number): boolean;
  /** Receives no more messages of the group. */
  closeGroup(group: number): void;
  /**
   * Waits at most `min(ms, 50)` milliseconds for a message of the group and copies it. It looks `spins` times before it lets other
   * threads run, and later sleeps; with 0 it sleeps between all looks. Returns the rank that sent it; -1 without a message; -2 where rows
   * came that are on the board now.
   */
  receive(group: number, words: Int32Array, ms: number, spins: number): number;
  /**
   * Gives the group's row to all other ranks, and waits as `receive` does until the rows of all are on the board and nothing else
   * has come: -2. Any other message ends the wait: the rank that sent it; -3 - rank where it had come before and nothing was sent.
   */
  gather(group: number, ms: number, spins: number): number;
  /** Whether a message of the group has come, after at most `min(ms, 50)` milliseconds on Node's thread pool. `poke` ends it. */
  waitAsync(group: number, ms: number): Promise<boolean>;
  /** Ends a wait of `waitAsync`. */
  poke(): void;
  /** Whether a rank's process, on this host, has ended. False where it cannot be seen. */
  peerEnded(peer: number): boolean;
  /** MPI_Abort: ends every process of the job, this one at once. */
  abort(code: number): void;
  /** MPI_Finalize: returns when every rank has called it. */
  finalize(): void;
}
