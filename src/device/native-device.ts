import { markAsUntransferable } from 'node:worker_threads';
import type { NativeAddon, NativeDevice } from '../native/index.js';
import type { Device, DeviceBuffer, DeviceEvent, DeviceKind, DeviceModule, DeviceStream, MemoryUse } from './device.js';
import { NativeBackedBuffer } from './native-buffer.js';
import { guarded, inputInvalid } from './native-error.js';
import { NativeBackedEvent } from './native-event.js';
import { NativeBackedModule } from './native-module.js';
import { NativeBackedStream } from './native-stream.js';
import { type DevicePool, poolOf } from './pool.js';

/** A device of the addon, of any backend: the addon checks every handle, this class gives its errors their type. */
export class NativeBackedDevice implements Device {
  readonly kind: DeviceKind;
  readonly choice: string;
  readonly #native: NativeDevice;

  constructor(addon: NativeAddon, kind: 'host', memoryLimit: number | null, choice: string) {
    this.#native = guarded(() => addon.openDevice(kind, memoryLimit));
    this.kind = kind;
    this.choice = choice;
  }

  allocate(bytes: number): DeviceBuffer {
    return new NativeBackedBuffer(guarded(() => this.#native.allocate(bytes)));
  }

  createStream(): DeviceStream {
    return new NativeBackedStream(guarded(() => this.#native.createStream()));
  }

  createEvent(): DeviceEvent {
    return new NativeBackedEvent(guarded(() => this.#native.createEvent()));
  }

  createPool(): DevicePool {
    return poolOf(guarded(() => this.#native.createPool()));
  }

  loadModule(source?: { readonly path: string }): DeviceModule {
    if (source === undefined) return new NativeBackedModule(guarded(() => this.#native.loadModule()));
    const path: unknown = source?.path;
    if (typeof path !== 'string' || path === '') throw inputInvalid('path', path, 'the path of a shared library');
    return new NativeBackedModule(guarded(() => this.#native.loadModule(path)));
  }

  bindArena(view: Uint8Array): void {
    if (!(view instanceof Uint8Array)) throw inputInvalid('view', view, 'a Uint8Array over the arena');
    const memory = view.buffer as ArrayBufferLike & { resizable?: boolean };
    if (memory.resizable === true) throw inputInvalid('view', 'resizable', 'a view of memory of fixed size');
    guarded(() => this.#native.bindArena(view));
    if (memory instanceof ArrayBuffer) markAsUntransferable(memory);
  }

  memory(): MemoryUse {
    return guarded(() => this.#native.memory());
  }

  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
