import type { NativeCapturedOrder, NativeRecording } from '../native/index.js';
import { guarded } from './addon-errors.js';
import { type DeviceGraph, graphOf } from './graph.js';

export type { NativeCapturedOrder as CapturedOrder } from '../native/index.js';

/** Makes the recording of a handle of the addon. */
export let recordingOf: (native: NativeRecording) => DeviceRecording;

/**
 * Work that `endCapture()` has recorded and that is not yet a graph: `instantiate()` allocates the graph's memory. Memory reserved for
 * the graph is freed in between: it cannot be freed in the capture, and after instantiation it would be too late.
 */
export class DeviceRecording implements Disposable {
  /** Nodes that were recorded. */
  readonly nodes: number;
  readonly #native: NativeRecording;

  static {
    recordingOf = (native) => new DeviceRecording(native);
  }

  private constructor(native: NativeRecording) {
    this.#native = native;
    this.nodes = native.nodes;
  }

  /** The recorded work, and which of it waits for which, by the order of each stream and by events. */
  order(): NativeCapturedOrder {
    return guarded(() => this.#native.order());
  }

  /**
   * Makes the graph, once.
   *
   * @throws `ERR_DEVICE_MEMORY`, after which it may be tried again; `ERR_DEVICE_CAPTURE` while a stream of the device captures;
   *   `ERR_DISPOSED` the second time.
   */
  instantiate(): DeviceGraph {
    return graphOf(guarded(() => this.#native.instantiate()));
  }

  /** Drops what was recorded. After `instantiate()` there is nothing to drop. */
  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
