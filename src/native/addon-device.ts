import type { NativeCommunicator, NativeNccl } from './addon-collectives.js';
import type { NativeBuffer, NativePool } from './addon-memory.js';
import type { NativeEvent, NativeModule, NativeStream } from './addon-streams.js';

/** A device of the addon: the handle behind a `Device`. */
export interface NativeDevice {
  /** The backend: 'host', 'cuda' or 'hip'. */
  readonly kind: string;
  /** Which device it is, and why this one. */
  readonly choice: string;
  /** Memory of so many bytes. Errors: ERR_DEVICE_MEMORY, ERR_DEVICE_CAPTURE. */
  allocate(bytes: number): NativeBuffer;
  /** `priority`: 0, the least, or more; a device has as many as it has. */
  createStream(priority?: number): NativeStream;
  /** A point in a queue, which is not recorded yet. */
  createEvent(): NativeEvent;
  /** Scratch memory for graphs, empty. */
  createPool(): NativePool;
  /** Joins the ranks of this process that name the same group. */
  joinLocal(group: string, rank: number, size: number): NativeCommunicator;
  /** Joins the processes of the MPI job, with a host device each; `spins`: looks for a message before the thread yields. */
  joinMpi(spins: number): NativeCommunicator;
  /** Joins ranks with a GPU each: `ids` has 128 bytes for each stream; `ms` is the longest that a collective takes. */
  joinNccl(ids: Uint8Array, rank: number, size: number, ms: number): NativeNccl;
  /** Built-in kernels without a path, else the table a shared library exports. */
  loadModule(path?: string): NativeModule;
  /** Kernels compiled for a GPU, which have no table; `name` is what messages call the image. */
  loadImage(image: Uint8Array, name: string): NativeModule;
  /** Null where the device reads and writes the view's memory itself, else why its copies take a way round. */
  bindArena(view: Uint8Array): string | null;
  /** Which device it is, and its memory as a whole. */
  facts(): NativeDeviceFacts;
  /** What it holds now. */
  memory(): NativeMemoryUse;
  /** Why it takes no more work, or null; also when it is disposed. */
  failure(): Error | null;
  /** What stays with the driver, since it could not be let go of: counts by kind. */
  givenUp(): NativeGivenUp;
  /** Ends the device. */
  dispose(): void;
}

/** Things that stay with a driver until the process ends, by kind; a kind without any is left out. */
export interface NativeGivenUp {
  /** Allocations of device memory. */
  readonly memory?: number;
  /** Allocations of pinned host memory. */
  readonly pinned?: number;
  /** Arenas that stay registered. */
  readonly arenas?: number;
  /** Streams that could not be ended. */
  readonly streams?: number;
  /** Events that could not be freed. */
  readonly events?: number;
  /** Captured graphs. */
  readonly recordings?: number;
  /** Executable graphs that could not be freed. */
  readonly graphs?: number;
  /** Modules that could not be unloaded. */
  readonly modules?: number;
  /** Communicators of NCCL or RCCL. */
  readonly communicators?: number;
}

/** Which device it is, and its memory as a whole, whoever holds it. */
export interface NativeDeviceFacts {
  /** The backend: 'host', 'cuda' or 'hip'. */
  readonly kind: string;
  /** The driver's name of the card, or the processor's. */
  readonly name: string;
  /** What kernels are compiled for: `x86_64`, `sm_90`. */
  readonly arch: string;
  /** Threads that run in step. */
  readonly warp: number;
  /** As the vendor counts; 0 without a driver. */
  readonly driverVersion: number;
  /** Empty without one. */
  readonly pci: string;
  /** Bytes that are free now. */
  readonly freeBytes: number;
  /** Bytes of the device in all. */
  readonly totalBytes: number;
}

/** What a device holds now, in bytes and objects. */
export interface NativeMemoryUse {
  /** Bytes held by buffers and graphs together. */
  readonly allocatedBytes: number;
  /** The largest `allocatedBytes` so far. */
  readonly peakBytes: number;
  /** The `memoryLimit` the device was opened with; null without one. */
  readonly limitBytes: number | null;
  /** Buffers not disposed. */
  readonly buffers: number;
  /** Graphs not disposed. */
  readonly graphs: number;
  /** The part of `allocatedBytes` that graphs hold. */
  readonly graphBytes: number;
}
