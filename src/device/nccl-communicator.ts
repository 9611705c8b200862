import { asLockstepError, LockstepError } from '../errors.js';
import { loadNative, type NativeNccl } from '../native/index.js';
import { Deadline } from '../wait.js';
import { guarded } from './addon-errors.js';
import { bufferHandle } from './buffer.js';
import { type DevicePlace, type DeviceStream, placeOf, streamHandle } from './stream.js';
import type { WaitLook } from './wait.js';

/** How long communicators may take to end. A collective under way that no peer joins is given two seconds of it. */
const END_MS = 7000;

/** Makes the communicator of a handle of the addon. */
export let ncclCommunicatorOf: (native: NativeNccl, timeoutMs: number, waits: WaitLook) => NcclCommunicator;

/** A new id of 128 bytes, for one rank to make and all to join with. @throws `ERR_INPUT_INVALID` where the library does not serve. */
export function ncclId(kind: 'cuda' | 'hip'): Uint8Array {
  return new Uint8Array(guarded(() => loadNative().ncclId(kind)));
}

/** One collective over int32 elements. */
export interface NcclCall {
  /** 0: all-gather, 1: reduce-scatter, 2: all-reduce, 3: all-to-all. */
  readonly kind: number;
  readonly send: DevicePlace;
  readonly sendBytes: number;
  readonly recv: DevicePlace;
  readonly recvBytes: number;
  /** Elements of each rank, of an all-gather and a reduce-scatter; one count of the others. */
  readonly counts: Float64Array;
}

/**
 * Collectives of NCCL or RCCL between GPUs, one for each rank: made by `device.joinNccl()`. Each stream has a communicator of its own,
 * which its first collective makes. A thread of the addon watches what is under way, launches of graphs too: where a collective is
 * not done in time, or the library reports an error, it ends the group, and every wait for the device throws why.
 */
export class NcclCommunicator implements Disposable {
  readonly #native: NativeNccl;
  readonly #timeoutMs: number;
  readonly #waits: WaitLook;
  readonly #deadline = new Deadline();

  static {
    ncclCommunicatorOf = (native, timeoutMs, waits) => new NcclCommunicator(native, timeoutMs, waits);
  }

  private constructor(native: NativeNccl, timeoutMs: number, waits: WaitLook) {
    this.#native = native;
    this.#timeoutMs = timeoutMs;
    this.#waits = waits;
  }

  /**
   * Enqueues a collective, or records it where `stream` captures. It waits for peers only where this is the stream's first: at most
   * 50 ms at a time inside native code.
   *
   * @throws `ERR_DEVICE_CAPTURE` for a stream's first in a capture; `ERR_INPUT_INVALID` for a stream too many, or other counts than the
   *   kind has; `ERR_LAUNCH_BOUNDS` where they do not fit what is sent or taken. What ends the group: `ERR_COLLECTIVE_TIMEOUT`,
   *   `ERR_RANK_LOST`, `ERR_RANKS_DIVERGED` and `ERR_DEVICE_DRIVER`.
   */
  enqueue(stream: DeviceStream, { kind, send, sendBytes, recv, recvBytes, counts }: NcclCall): void {
    const native = this.#native;
    const on = streamHandle(stream);
    const [from, to] = [placeOf(send), placeOf(recv)];
    const handles = [bufferHandle(from.buffer), bufferHandle(to.buffer)] as const;
    guarded(() => {
      native.begin(on, kind, handles[0], from.offset, sendBytes, handles[1], to.offset, recvBytes, counts);
      if (!native.settled(0)) this.#settle();
    });
  }

  /** Throws why the group ended, once it has. */
  throwIfEnded(): void {
    guarded(() => this.#native.settled(0));
  }

  /** Ends the group: this rank's present and later collectives throw `reason`, and its device fails with it. */
  abort(reason?: unknown): void {
    const { code, message } = asLockstepError(reason);
    guarded(() => this.#native.abort(code, message));
  }

  /** Leaves the group. Graphs that hold its collectives are destroyed. Communicators that do not end in time cost the device. */
  dispose(): void {
    this.#deadline.start(END_MS);
    guarded(() => this.#native.leave());
    for (let ms = 0; !guarded(() => this.#native.released(ms)); ) {
      ms = this.#deadline.slice();
      if (ms > 0) continue;
      this.#native.giveUp();
      return;
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #settle(): void {
    this.#deadline.start(this.#timeoutMs);
    for (;;) {
      const ms = this.#deadline.slice();
      if (this.#native.settled(ms)) return;
      this.#waits.look?.();
      if (ms > 0) continue;
      const error = new LockstepError(
        'ERR_COLLECTIVE_TIMEOUT',
        `The ranks' GPUs did not join each other in ${this.#timeoutMs} ms. Check that every rank runs and reaches its first collective, and ` +
          'the network between their machines (NCCL_DEBUG=INFO says more), or raise timeoutMs.',
        { timeoutMs: this.#timeoutMs, options: ['timeoutMs'] },
      );
      this.abort(error);
      throw error;
    }
  }
}
