import type { LockstepError } from '../errors.js';
import type { NativeGivenUp as GivenUp, NativeDevice, NativeMemoryUse } from '../native/index.js';
import { guarded, inputInvalid, lockstepError } from './addon-errors.js';
import { checkArena } from './arena-memory.js';
import { bufferOf, type DeviceBuffer } from './buffer.js';
import { type Communicator, communicatorOf, type RankGroup } from './communicator.js';
import { type DeviceEvent, eventOf } from './event.js';
import { loadSource, type ModuleSource } from './load-module.js';
import { machineName } from './machine-name.js';
import { type DeviceModule, moduleOf } from './module.js';
import { type NcclCommunicator, ncclCommunicatorOf } from './nccl-communicator.js';
import { type DevicePool, poolOf } from './pool.js';
import { type DeviceStream, streamOf } from './stream.js';
import type { WaitLook } from './wait.js';

export type { NativeGivenUp as GivenUp, NativeMemoryUse as MemoryUse } from '../native/index.js';

/** `host` runs kernels in C++ on CPU threads; `cuda` and `hip` are GPU drivers reached by `dlopen`. */
export type DeviceKind = 'host' | 'cuda' | 'hip';
/** A kind of device, or one card of a kind, counted from 0 as its driver does: `cuda:1`. */
export type DeviceName = DeviceKind | `cuda:${number}` | `hip:${number}`;

/** The memory of a device as a whole. */
export interface DeviceCapacity {
  /** Bytes that nothing holds, whoever may take them; null where the device does not say. */
  readonly freeBytes: number | null;
  /** Bytes that a card has; null of the host, and where the device does not say. */
  readonly totalBytes: number | null;
}

/** Makes the device of a handle of the addon; `choice` says why it is this one. */
export let deviceOf: (native: NativeDevice, kind: DeviceKind, choice: string) => Device;

/**
 * A device opened by one JS thread with `openDevice()`, and everything made from it. Objects of different devices cannot be combined
 * (`ERR_DEVICE_MISMATCH`), and none outlives it: `dispose()` stops its streams, drops work that has not begun and frees all.
 * One class serves every backend, which the addon chooses. The addon checks every handle; the classes here turn its errors into
 * `LockstepError`.
 */
export class Device implements Disposable {
  /** `host`, `cuda` or `hip`. */
  readonly kind: DeviceKind;
  /** Which device was chosen and why: useful with `auto`. */
  readonly choice: string;
  readonly #native: NativeDevice;
  readonly #waits: WaitLook = { look: null };

  static {
    deviceOf = (native, kind, choice) => new Device(native, kind, choice);
  }

  private constructor(native: NativeDevice, kind: DeviceKind, choice: string) {
    this.#native = native;
    this.kind = kind;
    this.choice = choice;
  }

  /** Poisoned (0xA5), 64-byte aligned memory. @throws `ERR_DEVICE_MEMORY` with `needed` and `available` bytes. */
  allocate(bytes: number): DeviceBuffer {
    return bufferOf(guarded(() => this.#native.allocate(bytes)));
  }

  /** A new in-order queue of work. @throws `ERR_DISPOSED`. */
  createStream(): DeviceStream {
    return streamOf(
      guarded(() => this.#native.createStream()),
      this.#waits,
    );
  }

  /** A new event; it counts as reached until a stream records it. @throws `ERR_DISPOSED`. */
  createEvent(): DeviceEvent {
    return eventOf(
      guarded(() => this.#native.createEvent()),
      this.#waits,
    );
  }

  /** Scratch memory for graphs to share; empty until something is taken. */
  createPool(): DevicePool {
    return poolOf(guarded(() => this.#native.createPool()));
  }

  /**
   * Joins the ranks of this process that name the same `group`; each joins once. @throws `ERR_INPUT_INVALID` for a second time, or
   * another size; `ERR_DEVICE_MISMATCH` for another kind of device than the first rank's, or another card.
   */
  joinLocal(group: string, rank: number, size: number): Communicator {
    return communicatorOf(guarded(() => this.#native.joinLocal(group, rank, size)));
  }

  /**
   * Joins the processes of the MPI job that this thread has joined; all make their groups in one order. `group` is their exchange of rows, `spins`
   * how often a wait looks before other threads run. @throws `ERR_INPUT_INVALID` on a GPU; `ERR_DISPOSED` where MPI does not run.
   */
  joinMpi(group: RankGroup, spins: number): Communicator {
    return communicatorOf(
      guarded(() => this.#native.joinMpi(spins)),
      group,
    );
  }

  /**
   * Joins a group of NCCL or RCCL whose ranks have a GPU each. `ids`: 128 bytes for each stream that will enqueue collectives, equal on
   * all ranks. `timeoutMs`: the longest that a collective takes from when it is enqueued. @throws `ERR_DEVICE_UNAVAILABLE` without
   * the library; `ERR_INPUT_INVALID` on a host device.
   */
  joinNccl(ids: Uint8Array, rank: number, size: number, timeoutMs: number): NcclCommunicator {
    const native = guarded(() => this.#native.joinNccl(ids, rank, size, Math.ceil(timeoutMs)));
    return ncclCommunicatorOf(native, timeoutMs, this.#waits);
  }

  /**
   * Calls `look` about every 50 ms while something waits for this device; what it throws ends the wait. There is one. Returns what
   * takes it back. @throws `ERR_INPUT_INVALID` for what is no function.
   */
  lookInWaits(look: () => void): () => void {
    if (typeof look !== 'function') throw inputInvalid('look', look, 'a function');
    this.#waits.look = look;
    return () => {
      if (this.#waits.look === look) this.#waits.look = null;
    };
  }

  /** Where the card is: `0000:1b:00.0`. Empty for the host. */
  get pciBusId(): string {
    return guarded(() => this.#native.facts()).pci;
  }

  /**
   * The built-in kernels, or those of a source: on `host` a shared library (`native/include/lockstep-kernels.h`), on a GPU an image
   * (cubin, fatbin, PTX, HIP code object), Triton's pair of files or a manifest.
   *
   * @throws `ERR_LAUNCH_INVALID` for kernels that this device does not run, `ERR_INPUT_INVALID` for a file that is not as it should be.
   */
  loadModule(source?: ModuleSource): DeviceModule {
    if (source === undefined) return moduleOf(guarded(() => this.#native.loadModule()));
    return loadSource(this.#native, source);
  }

  /**
   * Lets streams read and write this memory directly, by offset: the planner's WebAssembly memory. Once a device; held until
   * the device is disposed. A WebAssembly memory must not grow meanwhile. @throws `ERR_INPUT_INVALID` for a plain ArrayBuffer, which could
   * be detached, and its memory freed, under a stream.
   */
  bindArena(view: Uint8Array): void {
    checkArena(view);
    guarded(() => this.#native.bindArena(view));
  }

  /**
   * Bytes of memory that nothing holds, whoever may take them, and of a card all that it has; null where the device does not say. Of the
   * host: what the machine can give without swapping (`MemAvailable`), and no more than this process's cgroup leaves.
   */
  capacity(): DeviceCapacity {
    const { freeBytes, totalBytes } = guarded(() => this.#native.facts());
    const known = (bytes: number): number | null => (Number.isSafeInteger(bytes) ? bytes : null);
    // A process of a container may not use all that its machine has.
    return { freeBytes: known(freeBytes), totalBytes: this.kind === 'host' ? null : known(totalBytes) };
  }

  /** Names the memory of this device: equal on ranks that share it, and on no others of a job. */
  get placement(): string {
    return `${machineName()} ${this.kind} ${this.pciBusId}`;
  }

  /**
   * Bytes of buffers and graphs, their peak, the limit, and how many objects are alive. Also frees what was disposed of and is no
   * longer used.
   */
  memory(): NativeMemoryUse {
    return guarded(() => this.#native.memory());
  }

  /**
   * Why a GPU takes no more work and is to be disposed of, or null. Also what went wrong while it was disposed of, which `dispose()`
   * does not throw.
   */
  get failure(): LockstepError | null {
    return lockstepError(this.#native.failure()) as LockstepError | null;
  }

  /**
   * What `dispose()` could not let go of and stays with the driver until the process ends, counted by kind: nothing, unless a driver's
   * call failed; all, where the device was lost.
   */
  get givenUp(): GivenUp {
    return this.#native.givenUp();
  }

  /**
   * Ends the streams and frees everything made from the device. Waits at most 10 s for a GPU's work, and throws nothing: see `failure`
   * and `givenUp`.
   */
  dispose(): void {
    this.#native.dispose();
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
