import { LockstepError } from '../../errors.js';
import { guarded, type NativeMpi } from '../../native/index.js';
import { startMpi } from './world.js';

/** Bytes of a letter at most: that of a process that serves long prompts holds some megabytes. */
const MAX_BYTES = 1 << 28;
/** Words of a message: how long the letter is, where the message's part of it begins, the part. */
const WORDS = 1 << 14;
const HEAD = 2;
const PART_BYTES = 4 * (WORDS - HEAD);
const SPINS = 2;

/** A letter that has come whole. */
export interface MpiLetter {
  readonly from: number;
  readonly bytes: Uint8Array;
}

/**
 * Letters of any length between the processes of an MPI job, beside the messages of groups. Those of one process to another keep
 * their order. Nothing bounds what is under way: senders wait for a step, an answer, or whatever bounds them.
 */
export class MpiMail {
  readonly rank: number;
  readonly size: number;
  readonly #mpi: NativeMpi;
  readonly #tag: number;
  readonly #group: number;
  readonly #out = new Int32Array(WORDS);
  readonly #in = new Int32Array(WORDS);
  /** By sender, letters of which a part has come. */
  readonly #parts = new Map<number, Uint8Array>();

  /** Every process makes its mail and its groups in the same order. */
  constructor() {
    const { mpi, rank, size } = startMpi();
    this.#mpi = mpi;
    this.rank = rank;
    this.size = size;
    this.#tag = guarded(() => mpi.nextGroup());
    this.#group = guarded(() => mpi.openGroup(this.#tag, WORDS, null, 0));
  }

  /** Copies the letter and returns before it has arrived. @throws `ERR_INPUT_INVALID` for one that is too long; `ERR_RANK_LOST`. */
  send(to: number, bytes: Uint8Array): void {
    if (bytes.length > MAX_BYTES) throw tooLong(bytes.length);
    const part = new Uint8Array(this.#out.buffer, 4 * HEAD);
    let failed: unknown;
    for (let at = 0; at === 0 || at < bytes.length; at += PART_BYTES) {
      const own = bytes.subarray(at, at + PART_BYTES);
      this.#out[0] = bytes.length;
      this.#out[1] = at;
      part.set(own);
      try {
        guarded(() => this.#mpi.send(to, this.#tag, this.#out, HEAD + Math.ceil(own.length / 4)));
      } catch (error) {
        // What failed may be an earlier message to another process: this letter goes out whole.
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
  }

  /** The next letter that has come whole, after at most `ms` milliseconds, 50 at most; null where there is none. @throws `ERR_RANK_LOST`. */
  receive(ms: number): MpiLetter | null {
    for (;;) {
      const from = guarded(() => this.#mpi.receive(this.#group, this.#in, ms, SPINS));
      if (from < 0) return null;
      const [length, at] = this.#in as unknown as [number, number];
      const bytes = at === 0 ? new Uint8Array(length) : (this.#parts.get(from) as Uint8Array);
      const count = Math.min(PART_BYTES, length - at);
      bytes.set(new Uint8Array(this.#in.buffer, 4 * HEAD, count), at);
      if (at + count === length) {
        this.#parts.delete(from);
        return { from, bytes };
      }
      this.#parts.set(from, bytes);
    }
  }

  /** Receives no more. */
  dispose(): void {
    guarded(() => this.#mpi.closeGroup(this.#group));
  }
}

function tooLong(bytes: number): LockstepError {
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `A letter of ${bytes} bytes is too long; ${MAX_BYTES} are the most: lower maxModelLen`,
    {
      bytes,
      options: ['maxModelLen'],
    },
  );
}
