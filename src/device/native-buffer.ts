import type { NativeBuffer } from '../native/index.js';
import type { DeviceBuffer } from './device.js';
import { guarded, inputInvalid } from './native-error.js';

export class NativeBackedBuffer implements DeviceBuffer {
  readonly id: number;
  readonly bytes: number;
  readonly #native: NativeBuffer;

  constructor(native: NativeBuffer) {
    this.#native = native;
    this.id = native.id;
    this.bytes = native.bytes;
  }

  /** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a device buffer. */
  static nativeOf(value: unknown): NativeBuffer {
    if (typeof value === 'object' && value !== null && #native in value) return value.#native;
    throw inputInvalid('buffer', value, 'a DeviceBuffer of this device');
  }

  static isBuffer(value: unknown): value is NativeBackedBuffer {
    return typeof value === 'object' && value !== null && #native in value;
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
