import type { NativeBuffer, NativePool, NativeReadback } from './addon-memory.js';

/** A kernel of a module, and what it takes. */
export interface NativeKernelInfo {
  /** Name of the kernel. */
  readonly name: string;
  /** What it takes, in the order of a launch. */
  readonly arguments: readonly NativeKernelParameter[];
}

/** One argument that a kernel takes, in the order of its launch. */
export interface NativeKernelParameter {
  /** Name of the argument. */
  readonly name: string;
  /** `in`, `out` and `inout` take a buffer; `i32` and `i64` a scalar, baked in when captured. */
  readonly kind: 'in' | 'out' | 'inout' | 'i32' | 'i64';
}

/** Loaded kernels: the handle behind a `DeviceModule`. */
export interface NativeModule {
  /** Empty for an image. */
  readonly kernels: readonly NativeKernelInfo[];
  /** Finds an entry point of an image, for `launchRaw`. */
  entry(name: string): void;
  /** Unloads the kernels. */
  dispose(): void;
}

/** An argument of a launch: a buffer, whose byte offset is passed beside it, or a scalar. */
export type NativeArgument = NativeBuffer | number | bigint;

/** An in-order queue of work: the handle behind a `DeviceStream`. */
export interface NativeStream {
  /** Number of the stream; never used again on its device. */
  readonly id: number;
  /** `kernel` is an index into `module.kernels`; `offsets[i]` is the byte offset into a buffer argument. */
  launch(module: NativeModule, kernel: number, args: readonly NativeArgument[], offsets: readonly number[]): void;
  /**
   * Launches an entry point of an image. Beside a buffer stands its offset, beside a word its bytes, 4 or 8. `sizes` are grid, block and
   * cluster as x, y, z, bytes of shared memory, 1 for a cooperative launch, and how many of the last parameters the kernel may lack.
   */
  launchRaw(
    module: NativeModule,
    entry: string,
    args: readonly (NativeBuffer | bigint)[],
    beside: readonly number[],
    sizes: readonly number[],
  ): void;
  /** Copies `source` now, and enqueues its copy into the buffer. In a capture it is baked. */
  upload(buffer: NativeBuffer, byteOffset: number, source: ArrayBufferView): void;
  /** Enqueues a copy within the device's memory; `name` is what `order` calls it. The two ranges may not overlap. */
  copy(from: NativeBuffer, fromOffset: number, to: NativeBuffer, toOffset: number, bytes: number, name: string): void;
  /** Enqueues the copy of so many bytes to the host. */
  readback(buffer: NativeBuffer, byteOffset: number, bytes: number): NativeReadback;
  /** Moves the event to this place in the queue. */
  record(event: NativeEvent): void;
  /** Later work waits for the last `record` of the event. */
  wait(event: NativeEvent): void;
  /** Enqueues a replay. Errors: ERR_DEVICE_BUSY, ERR_DEVICE_MISMATCH. */
  launchGraph(graph: NativeGraph): void;
  /** Records from here on what is enqueued, instead of running it. What is taken from the pool counts as the graph's. */
  beginCapture(pool?: NativePool): void;
  /** Ends the capture. Errors: ERR_DEVICE_CAPTURE. */
  endCapture(): NativeRecording;
  /** Ends the capture and drops what was recorded. Errors: ERR_DEVICE_CAPTURE. */
  abandonCapture(): void;
  /** Whether what is enqueued is recorded. */
  capturing(): boolean;
  /** Sets where in the arena `submit` reads its commands, and how many at most. */
  setCommandBlock(byteOffset: number, maxCommands: number): void;
  /** Enqueues the command block of the arena: all of it, or nothing where a command is invalid. Default the place that was set. */
  submit(byteOffset?: number): void;
  /** Waits at most `min(ms, 50)` milliseconds (0 only looks); whether all work enqueued so far is done. */
  waitSlice(ms: number): boolean;
  /** An event recorded here, to wait for off the JS thread while later work is enqueued. */
  mark(): NativeEvent;
  /** Ends the stream. */
  dispose(): void;
}

/** A point in a stream's queue: the handle behind a `DeviceEvent`. */
export interface NativeEvent {
  /** Number of the event; never used again on its device. */
  readonly id: number;
  /** Whether it is reached. */
  query(): boolean;
  /** A separate event at the point where this one was recorded last: it stays there when this one is recorded again. */
  last(): NativeEvent;
  /** Waits at most `min(ms, 50)` milliseconds (0 only looks); whether it is reached. */
  waitSlice(ms: number): boolean;
  /** The same on Node's thread pool. */
  waitSliceAsync(ms: number): Promise<boolean>;
  /** Frees the event. */
  dispose(): void;
}

/** What was recorded, and what waits for what. */
export interface NativeCapturedOrder {
  /** Kernels by name, `upload`, and copies by the name they were given; the stream's id. */
  readonly nodes: readonly { readonly name: string; readonly stream: number }[];
  /** Pairs of nodes, by index: the second waits for the first. */
  readonly edges: readonly (readonly [number, number])[];
}

/** Recorded work that is no graph yet. */
export interface NativeRecording {
  /** Nodes that were recorded. */
  readonly nodes: number;
  /** What was recorded, and what waits for what. */
  order(): NativeCapturedOrder;
  /** Makes the graph, once. Errors: ERR_DEVICE_MEMORY, ERR_DEVICE_CAPTURE, ERR_DISPOSED. */
  instantiate(): NativeGraph;
  /** Drops what was recorded. */
  dispose(): void;
}

/** Instantiated work: the handle behind a `DeviceGraph`. */
export interface NativeGraph {
  /** Number of the graph. */
  readonly id: number;
  /** Recorded launches and uploads. */
  readonly nodes: number;
  /** Bytes that the graph itself holds, baked uploads included. */
  readonly bytes: number;
  /** The part of `bytes` that a driver took: an estimate, by what was free before and after. */
  readonly driverBytes: number;
  /** By how much the pool's peak use grew for it, in bytes; 0 without a pool. */
  readonly reservedBytes: number;
  /** Bytes of its pool that it uses. */
  readonly allocatedBytes: number;
  /** Frees the graph once queued launches of it are done. */
  dispose(): void;
}
