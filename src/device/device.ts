import type { DevicePool } from './pool.js';
import type { DeviceRecording } from './recording.js';

/** `host` runs kernels in C++ on CPU threads; `cuda` and `hip` are GPU drivers reached by `dlopen`. */
export type DeviceKind = 'host' | 'cuda' | 'hip';

/** What a device holds now, in bytes and objects. */
export interface MemoryUse {
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

/** How long to wait, and what may end the wait early. */
export interface WaitOptions {
  /** Milliseconds until `ERR_DEVICE_TIMEOUT`; default 60000. `Infinity` waits until done or aborted. */
  readonly timeoutMs?: number;
  /** Ends the wait with `ERR_ABORTED`. The device's work goes on. */
  readonly signal?: AbortSignal;
}

/**
 * A device opened by one JS thread, and everything made from it. Objects of one device never meet another's
 * (`ERR_DEVICE_MISMATCH`), and none outlives it: `dispose()` stops its streams, drops work that has not begun and frees all.
 */
export interface Device extends Disposable {
  readonly kind: DeviceKind;
  /** What was chosen and why: of use when `auto` chose. */
  readonly choice: string;
  /** Poisoned (0xA5), 64-byte aligned memory. @throws `ERR_DEVICE_MEMORY` with `needed` and `available` bytes. */
  allocate(bytes: number): DeviceBuffer;
  createStream(): DeviceStream;
  createEvent(): DeviceEvent;
  /** Scratch memory for graphs to share; empty until something is taken. */
  createPool(): DevicePool;
  /** The built-in kernels, or those of a shared library (`native/include/lockstep-kernels.h`). @throws `ERR_LAUNCH_INVALID`. */
  loadModule(source?: { readonly path: string }): DeviceModule;
  /**
   * Lets streams read and write this memory directly, by offset: the planner's WebAssembly memory. Once a device; held until
   * the device is disposed. A plain ArrayBuffer becomes untransferable.
   */
  bindArena(view: Uint8Array): void;
  memory(): MemoryUse;
  dispose(): void;
}

/**
 * Device memory at a fixed address. `dispose()` is refused with `ERR_DEVICE_BUSY` while a live graph has it baked in, and with
 * `ERR_DEVICE_CAPTURE` while a stream of the device captures.
 */
export interface DeviceBuffer extends Disposable {
  /** Names the buffer in command blocks; never used again on its device. */
  readonly id: number;
  readonly bytes: number;
  dispose(): void;
}

/** One kernel of a loaded module. */
export interface Kernel {
  readonly name: string;
  readonly arguments: readonly KernelParameter[];
}

/** One argument that a kernel takes, in the order of its launch. */
export interface KernelParameter {
  readonly name: string;
  /** `in`, `out` and `inout` take a buffer; `i32` and `i64` a scalar, baked in when captured. */
  readonly kind: 'in' | 'out' | 'inout' | 'i32' | 'i64';
}

/** A buffer (from a byte offset on) or a scalar. */
export type KernelArgument =
  | DeviceBuffer
  | { readonly buffer: DeviceBuffer; readonly offset: number }
  | number
  | bigint;

/** Loaded kernels, by name. */
export interface DeviceModule extends Disposable {
  readonly kernels: readonly Kernel[];
  /** @throws `ERR_LAUNCH_INVALID` naming the kernels there are. */
  kernel(name: string): Kernel;
  dispose(): void;
}

/**
 * An in-order queue of work. A kernel that fails makes the stream fail: what follows on it is skipped, and every later call
 * throws `ERR_DEVICE_KERNEL`, here and on streams that wait for its events. A failed stream is disposed, not repaired.
 */
export interface DeviceStream extends Disposable {
  readonly id: number;
  /** Between `beginCapture` (its own, or of a stream whose event it waits for) and `endCapture`. */
  readonly capturing: boolean;
  /** @throws `ERR_LAUNCH_INVALID`, `ERR_LAUNCH_BOUNDS` (a buffer shorter than the kernel needs), `ERR_DEVICE_MISMATCH`. */
  launch(kernel: Kernel, args: readonly KernelArgument[]): void;
  /** Copies `source` now, enqueues the copy to the device; the caller may reuse `source` at once. In a capture it is baked. */
  upload(buffer: DeviceBuffer, byteOffset: number, source: ArrayBufferView): void;
  /** Fills `into` once all work before it is done, without blocking the event loop. */
  download(buffer: DeviceBuffer, byteOffset: number, into: ArrayBufferView, options?: WaitOptions): Promise<void>;
  downloadSync(buffer: DeviceBuffer, byteOffset: number, into: ArrayBufferView, options?: WaitOptions): void;
  record(event: DeviceEvent): void;
  /** Later work on this stream waits for the last `record` of `event` (none: for nothing). */
  wait(event: DeviceEvent): void;
  launchGraph(graph: DeviceGraph): void;
  /**
   * From here on, launches and uploads are recorded, not run. What is taken of `pool` until the end is counted as the graph's.
   * While any stream of a device captures, the device refuses what a GPU driver refuses (`ERR_DEVICE_CAPTURE`): to allocate,
   * to free, to load and unload modules, to copy to the host, and to make graphs of recordings.
   *
   * @throws `ERR_DEVICE_CAPTURE` when already capturing.
   */
  beginCapture(pool?: DevicePool): void;
  /**
   * Ends the capture; its graph is `endCapture().instantiate()`.
   *
   * @throws `ERR_DEVICE_CAPTURE` without a begin, or when a stream that joined was not waited for: the capture is lost then.
   */
  endCapture(): DeviceRecording;
  /** Ends the capture and drops what was recorded. @throws `ERR_DEVICE_CAPTURE` without a begin. */
  abandonCapture(): void;
  /** Says where in the arena `submit()` finds its commands: once, at set-up. */
  setCommandBlock(byteOffset: number, maxCommands: number): void;
  /**
   * Enqueues the command block of the arena (see docs/device.md): all of it or, when any command is invalid, nothing.
   * The hot call of a step; it takes no argument when `setCommandBlock` said where.
   */
  submit(byteOffset?: number): void;
  /** Whether all work enqueued so far is done. */
  query(): boolean;
  synchronize(options?: WaitOptions): Promise<void>;
  /** Blocks this thread, at most 50 ms at a time inside native code. */
  synchronizeSync(options?: WaitOptions): void;
  dispose(): void;
}

/** A point in a stream's queue. */
export interface DeviceEvent extends Disposable {
  readonly id: number;
  /** Whether the last `record` was reached; true when there was none. */
  query(): boolean;
  synchronize(options?: WaitOptions): Promise<void>;
  synchronizeSync(options?: WaitOptions): void;
  dispose(): void;
}

/** Recorded work with every address and scalar fixed; replays read what the buffers hold then. */
export interface DeviceGraph extends Disposable {
  readonly id: number;
  readonly nodes: number;
  /** Bytes the graph itself holds, baked uploads included. */
  readonly bytes: number;
  /** By how much the most that its pool ever had in use grew for it; 0 without a pool, and where it fitted. */
  readonly reservedBytes: number;
  /** Bytes of its pool that it uses. */
  readonly allocatedBytes: number;
  launch(stream: DeviceStream): void;
  dispose(): void;
}
