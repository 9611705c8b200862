import type { NativePool } from '../native/index.js';
import type { DeviceBuffer, DevicePool } from './device.js';
import { NativeBackedBuffer } from './native-buffer.js';
import { guarded, inputInvalid } from './native-error.js';

export class NativeBackedPool implements DevicePool {
  readonly id: number;
  readonly #native: NativePool;
  #nativeBuffer: NativePool['buffer'];
  #buffer: DeviceBuffer | undefined;

  constructor(native: NativePool) {
    this.#native = native;
    this.id = native.id;
  }

  /** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a pool. */
  static nativeOf(value: unknown): NativePool {
    if (typeof value === 'object' && value !== null && #native in value) return value.#native;
    throw inputInvalid('pool', value, 'a DevicePool of this device');
  }

  take(bytes: number): { readonly buffer: DeviceBuffer; readonly offset: number } {
    const offset = guarded(() => this.#native.take(bytes));
    const { buffer } = this.#native;
    if (this.#buffer === undefined || buffer !== this.#nativeBuffer) {
      this.#nativeBuffer = buffer;
      this.#buffer = new NativeBackedBuffer(buffer as NonNullable<typeof buffer>);
    }
    return { buffer: this.#buffer, offset };
  }

  reset(): void {
    guarded(() => this.#native.reset());
  }

  get reservedBytes(): number {
    return this.#native.sizes().reservedBytes;
  }

  get allocatedBytes(): number {
    return this.#native.sizes().allocatedBytes;
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
