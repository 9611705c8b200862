import type { NativeRecording } from '../native/index.js';
import type { DeviceGraph, DeviceRecording } from './device.js';
import { guarded } from './native-error.js';
import { NativeBackedGraph } from './native-graph.js';

export class NativeBackedRecording implements DeviceRecording {
  readonly nodes: number;
  readonly #native: NativeRecording;

  constructor(native: NativeRecording) {
    this.#native = native;
    this.nodes = native.nodes;
  }

  instantiate(): DeviceGraph {
    return new NativeBackedGraph(guarded(() => this.#native.instantiate()));
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
