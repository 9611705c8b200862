import { asLockstepError, LockstepError } from '../errors.js';
import type { NativeCommunicator } from '../native/index.js';
import { type Collective, culpritsOf, reasonOf } from '../ranks/index.js';
import { COLLECTIVE_WAIT, Deadline, timeoutOf, type WaitOptions } from '../wait.js';
import { guarded, lockstepError } from './addon-errors.js';
import { bufferHandle } from './buffer.js';
import { type DevicePlace, type DeviceStream, placeOf, streamHandle } from './stream.js';

/** How long a rank that leaves waits for peers that still read its memory. */
const LEAVE_MS = 1000;

/** Makes the communicator of a handle of the addon. */
export let communicatorOf: (native: NativeCommunicator, group?: RankGroup) => Communicator;

/** The ranks' exchange of rows, by which a process hears of the others' end and they of its own. */
export type RankGroup = Pick<Collective, 'throwIfEnded' | 'abort'>;

/** What one rank sends and takes in an exchange. */
export interface Exchange {
  readonly send: DevicePlace;
  /** Bytes that peers may read. */
  readonly bytes: number;
  /** Kind, type and counts: equal on all ranks. */
  readonly signature: Int32Array;
  readonly into: DevicePlace;
  /** Four numbers each: rank, byte of what it sent, byte behind `into`, bytes. */
  readonly copies: Float64Array;
  /** Two numbers for each rank: byte of what is sent that it takes, and bytes. Threads need none. */
  readonly shares?: Float64Array;
}

/**
 * Exchanges of device memory between ranks. Threads of this process (`device.joinLocal()`) meet, then each enqueues copies that wait for what its
 * peers had enqueued, and nothing waits for a device. Processes of an MPI job (`device.joinMpi()`) send each other what the host computed.
 */
export class Communicator implements Disposable {
  readonly #native: NativeCommunicator;
  readonly #group: RankGroup | null;
  readonly #deadline = new Deadline();

  static {
    communicatorOf = (native, group) => new Communicator(native, group ?? null);
  }

  private constructor(native: NativeCommunicator, group: RankGroup | null) {
    this.#native = native;
    this.#group = group;
  }

  /**
   * Enqueues one exchange on `stream`; what was sent may be overwritten by later work of it. Blocks this thread until all ranks
   * have entered it, at most 50 ms at a time inside native code.
   *
   * @throws `ERR_RANKS_DIVERGED` on all ranks where signatures differ; `ERR_COLLECTIVE_TIMEOUT` naming the ranks that did not come,
   *   which ends the group; `ERR_RANK_LOST` once it has ended; `ERR_DEVICE_CAPTURE` in a capture.
   */
  exchange(
    stream: DeviceStream,
    { send, bytes, signature, into, copies, shares }: Exchange,
    options?: WaitOptions,
  ): void {
    const timeoutMs = timeoutOf(options, COLLECTIVE_WAIT);
    const native = this.#native;
    const on = streamHandle(stream);
    const [source, target] = [placeOf(send), placeOf(into)];
    guarded(() => {
      native.post(on, bufferHandle(source.buffer), source.offset, bytes, signature, shares);
      if (!this.#arrived(1)) this.#meet(timeoutMs);
      native.collect(on, bufferHandle(target.buffer), target.offset, copies);
    });
  }

  /** Ends the group: every rank's present and later exchanges throw `ERR_RANK_LOST` with this rank and `reason`. */
  abort(reason?: unknown): void {
    const error = asLockstepError(reason);
    this.#end(error);
    this.#group?.abort(error);
  }

  /** Leaves the group, which ends it, and frees what peers no longer read. */
  dispose(): void {
    this.#native.leave();
    this.#deadline.start(LEAVE_MS);
    for (let ms = 0; !guarded(() => this.#native.released(ms)); ) {
      ms = this.#deadline.slice();
      if (ms === 0) return;
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #end(reason: LockstepError): void {
    const { code, message } = reasonOf(reason);
    guarded(() => this.#native.abort(code, message, Int32Array.from(culpritsOf(reason))));
  }

  /** Ends with the ranks' group: a process that has failed, or died, sends nothing more. */
  #lookAtGroup(): void {
    try {
      this.#group?.throwIfEnded();
    } catch (error) {
      this.abort(error);
      throw error;
    }
  }

  /** A peer that left has told its group before why it ends, where it does so for a reason. */
  #arrived(ms: number): boolean {
    try {
      return this.#native.arrived(ms);
    } catch (error) {
      if ((lockstepError(error) as LockstepError).code === 'ERR_RANK_LOST') this.#lookAtGroup();
      throw error;
    }
  }

  #meet(timeoutMs: number): void {
    this.#deadline.start(timeoutMs);
    for (;;) {
      const ms = this.#deadline.slice();
      if (this.#arrived(ms)) return;
      this.#lookAtGroup();
      if (ms > 0) continue;
      const missing = this.#native.missing();
      const error = new LockstepError(
        'ERR_COLLECTIVE_TIMEOUT',
        `A collective was not entered by all ranks after ${timeoutMs} ms; still missing: ${missing.map((rank) => `rank ${rank}`).join(', ')}. ` +
          'Check what those ranks are doing, or raise timeoutMs if a step may take that long.',
        { timeoutMs, missing: missing.map((rank) => ({ rank })), options: ['timeoutMs'] },
      );
      this.abort(error);
      throw error;
    }
  }
}
