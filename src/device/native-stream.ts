import type { NativeArgument, NativeStream } from '../native/index.js';
import type {
  DeviceBuffer,
  DeviceEvent,
  DeviceGraph,
  DeviceStream,
  Kernel,
  KernelArgument,
  WaitOptions,
} from './device.js';
import { NativeBackedBuffer } from './native-buffer.js';
import { guarded, inputInvalid, lockstepError } from './native-error.js';
import { NativeBackedEvent } from './native-event.js';
import { NativeBackedGraph } from './native-graph.js';
import { NativeBackedKernel } from './native-module.js';
import { type DevicePool, poolHandle } from './pool.js';
import { type DeviceRecording, recordingOf } from './recording.js';
import { waitFor, waitForSync } from './wait.js';

export class NativeBackedStream implements DeviceStream {
  readonly id: number;
  readonly #native: NativeStream;

  constructor(native: NativeStream) {
    this.#native = native;
    this.id = native.id;
  }

  get capturing(): boolean {
    return guarded(() => this.#native.capturing());
  }

  launch(kernel: Kernel, args: readonly KernelArgument[]): void {
    const { module, index } = NativeBackedKernel.nativeOf(kernel);
    if (!Array.isArray(args)) throw inputInvalid('args', args, 'an array of buffers and scalars');
    const values: NativeArgument[] = [];
    const offsets: number[] = [];
    for (const arg of args as readonly KernelArgument[]) {
      const placed = typeof arg === 'object' && arg !== null && !NativeBackedBuffer.isBuffer(arg) && 'buffer' in arg;
      const value = placed ? arg.buffer : arg;
      values.push(NativeBackedBuffer.isBuffer(value) ? NativeBackedBuffer.nativeOf(value) : (value as number));
      offsets.push(placed ? arg.offset : 0);
    }
    guarded(() => this.#native.launch(module, index, values, offsets));
  }

  upload(buffer: DeviceBuffer, byteOffset: number, source: ArrayBufferView): void {
    const target = NativeBackedBuffer.nativeOf(buffer);
    guarded(() => this.#native.upload(target, byteOffset, source));
  }

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

  downloadSync(buffer: DeviceBuffer, byteOffset: number, into: ArrayBufferView, options?: WaitOptions): void {
    const staged = this.#readback(buffer, byteOffset, into);
    this.synchronizeSync(options);
    guarded(() => staged.copyTo(into));
  }

  record(event: DeviceEvent): void {
    const target = NativeBackedEvent.nativeOf(event);
    guarded(() => this.#native.record(target));
  }

  wait(event: DeviceEvent): void {
    const target = NativeBackedEvent.nativeOf(event);
    guarded(() => this.#native.wait(target));
  }

  launchGraph(graph: DeviceGraph): void {
    const target = NativeBackedGraph.nativeOf(graph);
    guarded(() => this.#native.launchGraph(target));
  }

  beginCapture(pool?: DevicePool): void {
    const native = pool === undefined ? undefined : poolHandle(pool);
    guarded(() => this.#native.beginCapture(native));
  }

  endCapture(): DeviceRecording {
    return recordingOf(guarded(() => this.#native.endCapture()));
  }

  abandonCapture(): void {
    guarded(() => this.#native.abandonCapture());
  }

  setCommandBlock(byteOffset: number, maxCommands: number): void {
    guarded(() => this.#native.setCommandBlock(byteOffset, maxCommands));
  }

  submit(byteOffset?: number): void {
    try {
      if (byteOffset === undefined) this.#native.submit();
      else this.#native.submit(byteOffset);
    } catch (error) {
      throw lockstepError(error);
    }
  }

  query(): boolean {
    return guarded(() => this.#native.waitSlice(0));
  }

  async synchronize(options?: WaitOptions): Promise<void> {
    const mark = guarded(() => this.#native.mark());
    try {
      await waitFor(mark, `stream ${this.id}`, options);
    } finally {
      mark.dispose();
    }
  }

  synchronizeSync(options?: WaitOptions): void {
    waitForSync(this.#native, `stream ${this.id}`, options);
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #readback(buffer: DeviceBuffer, byteOffset: number, into: ArrayBufferView): ReturnType<NativeStream['readback']> {
    if (!ArrayBuffer.isView(into)) throw inputInvalid('into', into, 'a typed array');
    const source = NativeBackedBuffer.nativeOf(buffer);
    return guarded(() => this.#native.readback(source, byteOffset, into.byteLength));
  }
}
