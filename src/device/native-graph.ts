import type { NativeGraph } from '../native/index.js';
import type { DeviceGraph, DeviceStream } from './device.js';
import { guarded, inputInvalid } from './native-error.js';

export class NativeBackedGraph implements DeviceGraph {
  readonly id: number;
  readonly nodes: number;
  readonly bytes: number;
  readonly reservedBytes: number;
  readonly allocatedBytes: number;
  readonly #native: NativeGraph;

  constructor(native: NativeGraph) {
    this.#native = native;
    this.id = native.id;
    this.nodes = native.nodes;
    this.bytes = native.bytes;
    this.reservedBytes = native.reservedBytes;
    this.allocatedBytes = native.allocatedBytes;
  }

  /** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a captured graph. */
  static nativeOf(value: unknown): NativeGraph {
    if (typeof value === 'object' && value !== null && #native in value) return value.#native;
    throw inputInvalid('graph', value, 'a DeviceGraph of this device');
  }

  launch(stream: DeviceStream): void {
    stream.launchGraph(this);
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
