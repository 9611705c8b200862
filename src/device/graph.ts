import type { NativeGraph } from '../native/index.js';
import { guarded, inputInvalid } from './addon-errors.js';

/** Makes the graph of a handle of the addon. */
export let graphOf: (native: NativeGraph) => DeviceGraph;
/** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a captured graph. */
export let graphHandle: (value: unknown) => NativeGraph;

/**
 * Recorded work with every address and scalar fixed, made by `stream.endCapture().instantiate()`; replays read what the buffers hold when
 * they run.
 */
export class DeviceGraph implements Disposable {
  /** Names the graph in command blocks; never used again on its device. */
  readonly id: number;
  /** Recorded launches and uploads. */
  readonly nodes: number;
  /** Bytes the graph itself holds, baked uploads included. */
  readonly bytes: number;
  /** By how much the pool's peak use grew for it, in bytes; 0 without a pool, and for a graph that fitted. */
  readonly reservedBytes: number;
  /** Bytes of its pool that it uses. */
  readonly allocatedBytes: number;
  readonly #native: NativeGraph;

  static {
    graphOf = (native) => new DeviceGraph(native);
    graphHandle = (value) => {
      if (typeof value === 'object' && value !== null && #native in value) return value.#native;
      throw inputInvalid('graph', value, 'a DeviceGraph of this device');
    };
  }

  private constructor(native: NativeGraph) {
    this.#native = native;
    this.id = native.id;
    this.nodes = native.nodes;
    this.bytes = native.bytes;
    this.reservedBytes = native.reservedBytes;
    this.allocatedBytes = native.allocatedBytes;
  }

  /** The same as `stream.launchGraph(graph)`. `stream` is a `DeviceStream`. @throws `ERR_INPUT_INVALID` for anything else. */
  launch(stream: { launchGraph(graph: DeviceGraph): void }): void {
    if (typeof stream?.launchGraph !== 'function')
      throw inputInvalid('stream', stream, 'a DeviceStream of this device');
    stream.launchGraph(this);
  }

  /** Frees the graph once queued launches of it are done. */
  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
