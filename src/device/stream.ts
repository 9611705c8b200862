import { LockstepError } from '../errors.js';
import type { NativeArgument, NativeModule, NativeReadback, NativeStream } from '../native/index.js';
import type { WaitOptions } from '../wait.js';
import { guarded, inputInvalid, lockstepError } from './addon-errors.js';
import { bufferHandle, type DeviceBuffer, isBuffer } from './buffer.js';
import { type DeviceEvent, eventHandle } from './event.js';
import { type DeviceGraph, graphHandle } from './graph.js';
import { type ImageKernel, type Kernel, kernelHandle } from './module.js';
import { type DevicePool, poolHandle } from './pool.js';
import { encodeLaunch, type LaunchOptions, type TypedScalar } from './raw-launch.js';
import { type DeviceRecording, recordingOf } from './recording.js';
import { scratchNeedsPool } from './scratch.js';
import { type WaitLook, waitFor, waitForSync } from './wait.js';

/** A buffer (from a byte offset on) or a scalar; of a kernel whose arguments are not listed, a scalar with its type. */
export type KernelArgument =
  | DeviceBuffer
  | { readonly buffer: DeviceBuffer; readonly offset: number }
  | number
  | bigint
  | TypedScalar;

/** Where device memory begins. */
export type DevicePlace = DeviceBuffer | { readonly buffer: DeviceBuffer; readonly offset: number };

/** Makes the stream of a handle of the addon. */
export let streamOf: (native: NativeStream, waits: WaitLook) => DeviceStream;
/** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a device stream. */
export let streamHandle: (value: unknown) => NativeStream;

/** The buffer of a place, and the byte in it. @throws `ERR_INPUT_INVALID` for what is neither a buffer nor an object. */
export function placeOf(place: DevicePlace): { readonly buffer: DeviceBuffer; readonly offset: number } {
  if (isBuffer(place)) return { buffer: place, offset: 0 };
  if (typeof place === 'object' && place !== null) return place;
  throw inputInvalid('place', place, 'a DeviceBuffer, or { buffer, offset }');
}

/**
 * An in-order queue of work, made by `device.createStream()`. A kernel that fails makes the stream fail: later work on it is
 * skipped, and every later call throws `ERR_DEVICE_KERNEL`, here and on streams that wait for its events. A failed stream is
 * disposed, not repaired.
 */
export class DeviceStream implements Disposable {
  /** Names the stream in errors; never used again on its device. */
  readonly id: number;
  readonly #native: NativeStream;
  readonly #waits: WaitLook;

  static {
    streamOf = (native, waits) => new DeviceStream(native, waits);
    streamHandle = (value) => {
      if (typeof value === 'object' && value !== null && #native in value) return value.#native;
      throw inputInvalid('stream', value, 'a DeviceStream of this device');
    };
  }

  private constructor(native: NativeStream, waits: WaitLook) {
    this.#native = native;
    this.#waits = waits;
    this.id = native.id;
  }

  /** Between `beginCapture` (its own, or of a stream whose event it waits for) and `endCapture`. */
  get capturing(): boolean {
    return guarded(() => this.#native.capturing());
  }

  /**
   * `options` are for kernels of an image. @throws `ERR_LAUNCH_INVALID`, `ERR_LAUNCH_BOUNDS` (a buffer shorter than the kernel needs),
   * `ERR_DEVICE_MISMATCH`.
   */
  launch(kernel: Kernel, args: readonly KernelArgument[], options: LaunchOptions = {}): void {
    const handle = kernelHandle(kernel);
    if (!Array.isArray(args)) throw inputInvalid('args', args, 'an array of buffers and scalars');
    if (typeof handle.kernel !== 'number') {
      this.#launchImage(handle.module, handle.kernel, args, options);
      return;
    }
    const index = handle.kernel;
    const [stray] = Object.keys(options);
    if (stray !== undefined) {
      throw new LockstepError('ERR_LAUNCH_INVALID', `${kernel.name} finds its ${stray} itself; leave it out.`, {
        kernel: kernel.name,
        field: stray,
      });
    }
    const values: NativeArgument[] = [];
    const offsets: number[] = [];
    for (const arg of args as readonly KernelArgument[]) {
      const placed = typeof arg === 'object' && arg !== null && !isBuffer(arg) && 'buffer' in arg;
      const value = placed ? arg.buffer : arg;
      values.push(isBuffer(value) ? bufferHandle(value) : (value as number));
      offsets.push(placed ? arg.offset : 0);
    }
    guarded(() => this.#native.launch(handle.module, index, values, offsets));
  }

  /** Copies `source` now, enqueues the copy to the device; the caller may reuse `source` at once. In a capture it is baked. */
  upload(buffer: DeviceBuffer, byteOffset: number, source: ArrayBufferView): void {
    const target = bufferHandle(buffer);
    guarded(() => this.#native.upload(target, byteOffset, source));
  }

  /**
   * Copies `bytes` within the device's memory; the two may not overlap. In a capture the addresses are baked, and `name` is what
   * `recording.order()` calls it.
   */
  copy(from: DevicePlace, to: DevicePlace, bytes: number, name = 'copy'): void {
    const [source, target] = [placeOf(from), placeOf(to)];
    const handles = [bufferHandle(source.buffer), bufferHandle(target.buffer)] as const;
    guarded(() => this.#native.copy(handles[0], source.offset, handles[1], target.offset, bytes, name));
  }

  /** Fills `into` once all work before it is done, without blocking the event loop. */
  async download(
    buffer: DeviceBuffer,
    byteOffset: number,
    into: ArrayBufferView,
    options?: WaitOptions,
  ): Promise<void> {
    const staged = this.#readback(buffer, byteOffset, into);
    await this.synchronize(options);
    guarded(() => staged.copyTo(into));
  }

  /** The same as `download`, blocking this thread. */
  downloadSync(buffer: DeviceBuffer, byteOffset: number, into: ArrayBufferView, options?: WaitOptions): void {
    const staged = this.#readback(buffer, byteOffset, into);
    this.synchronizeSync(options);
    guarded(() => staged.copyTo(into));
  }

  /** Moves `event` to this place in the queue: it is reached when all earlier work is done. */
  record(event: DeviceEvent): void {
    const target = eventHandle(event);
    guarded(() => this.#native.record(target));
  }

  /** Later work on this stream waits for the last `record` of `event`; it does not wait if there was none. */
  wait(event: DeviceEvent): void {
    const target = eventHandle(event);
    guarded(() => this.#native.wait(target));
  }

  /** Enqueues a replay of `graph`. @throws `ERR_DEVICE_BUSY` while its pool is in use on another stream, `ERR_DEVICE_MISMATCH`. */
  launchGraph(graph: DeviceGraph): void {
    const target = graphHandle(graph);
    guarded(() => this.#native.launchGraph(target));
  }

  /**
   * From here on, launches and uploads are recorded, not run. What is taken from `pool` until the end counts as the graph's.
   * While any stream of a device captures, the device refuses what a GPU driver refuses (`ERR_DEVICE_CAPTURE`): to allocate,
   * to free, to load and unload modules, to copy to the host, and to make graphs of recordings.
   *
   * @throws `ERR_DEVICE_CAPTURE` when already capturing.
   */
  beginCapture(pool?: DevicePool): void {
    const native = pool === undefined ? undefined : poolHandle(pool);
    guarded(() => this.#native.beginCapture(native));
  }

  /**
   * Ends the capture; its graph is `endCapture().instantiate()`.
   *
   * @throws `ERR_DEVICE_CAPTURE` without a begin, or when a stream that joined was not waited for: the capture is lost then.
   */
  endCapture(): DeviceRecording {
    return recordingOf(guarded(() => this.#native.endCapture()));
  }

  /** Ends the capture and drops what was recorded. @throws `ERR_DEVICE_CAPTURE` without a begin. */
  abandonCapture(): void {
    guarded(() => this.#native.abandonCapture());
  }

  /** Sets where in the arena `submit()` reads its commands: called once, at set-up. */
  setCommandBlock(byteOffset: number, maxCommands: number): void {
    guarded(() => this.#native.setCommandBlock(byteOffset, maxCommands));
  }

  /**
   * Enqueues the command block of the arena (see docs/device.md): all of it or, when any command is invalid, nothing.
   * The hot call of a step; it takes no argument after `setCommandBlock`.
   */
  submit(byteOffset?: number): void {
    try {
      if (byteOffset === undefined) this.#native.submit();
      else this.#native.submit(byteOffset);
    } catch (error) {
      throw lockstepError(error);
    }
  }

  /** Whether all work enqueued so far is done. */
  query(): boolean {
    return guarded(() => this.#native.waitSlice(0));
  }

  /** Waits, without blocking the event loop, for what was enqueued so far; by default at most 60 s. */
  async synchronize(options?: WaitOptions): Promise<void> {
    const mark = guarded(() => this.#native.mark());
    try {
      await waitFor(mark, `stream ${this.id}`, this.#waits, options);
    } finally {
      mark.dispose();
    }
  }

  /** Blocks this thread, at most 50 ms at a time inside native code. */
  synchronizeSync(options?: WaitOptions): void {
    waitForSync(this.#native, `stream ${this.id}`, this.#waits, options);
  }

  /** Ends the stream. */
  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #launchImage(module: NativeModule, kernel: ImageKernel, args: readonly unknown[], options: LaunchOptions): void {
    const launch = encodeLaunch(kernel, args, options);
    if (launch === null) return;
    const { values, beside, grid, block, cluster, sharedBytes, cooperative, scratch } = launch;
    for (const [slot, bytes] of scratch.entries()) {
      if (bytes === 0) {
        values.push(0n);
        beside.push(8);
        continue;
      }
      const place = this.#scratch(kernel, slot, bytes, options.pool);
      values.push(bufferHandle(place.buffer));
      beside.push(place.offset);
    }
    const sizes = [...grid, ...block, ...cluster, sharedBytes, cooperative ? 1 : 0, scratch.length];
    guarded(() => this.#native.launchRaw(module, kernel.symbol, values, beside, sizes));
  }

  #scratch(kernel: ImageKernel, slot: number, bytes: number, pool: DevicePool | undefined) {
    if (pool !== undefined) {
      poolHandle(pool);
      return pool.take(bytes);
    }
    if (this.capturing) throw scratchNeedsPool(kernel.name, bytes);
    return { buffer: kernel.scratch.take(this.id, slot, bytes), offset: 0 };
  }

  #readback(buffer: DeviceBuffer, byteOffset: number, into: ArrayBufferView): NativeReadback {
    if (!ArrayBuffer.isView(into)) throw inputInvalid('into', into, 'a typed array');
    const source = bufferHandle(buffer);
    return guarded(() => this.#native.readback(source, byteOffset, into.byteLength));
  }
}
