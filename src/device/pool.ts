import type { NativePool } from '../native/index.js';
import { guarded, inputInvalid } from './addon-errors.js';
import { bufferOf, type DeviceBuffer } from './buffer.js';

/** Makes the pool of a handle of the addon. */
export let poolOf: (native: NativePool) => DevicePool;
/** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a pool. */
export let poolHandle: (value: unknown) => NativePool;

/**
 * Scratch memory that graphs share, made by `device.createPool()`: a bump allocator over one buffer. Nothing can be allocated
 * in a capture, so a warm-up takes what a key needs and grows the pool, and the capture, after `reset()`, takes the same
 * again. Keys are captured largest first, so the first one reserves memory for all. Each key overwrites what the one before it left.
 */
export class DevicePool implements Disposable {
  /** Number of the pool, as messages name it. */
  readonly id: number;
  readonly #native: NativePool;
  #nativeBuffer: NativePool['buffer'];
  #buffer: DeviceBuffer | undefined;

  static {
    poolOf = (native) => new DevicePool(native);
    poolHandle = (value) => {
      if (typeof value === 'object' && value !== null && #native in value) return value.#native;
      throw inputInvalid('pool', value, 'a DevicePool of this device');
    };
  }

  private constructor(native: NativePool) {
    this.#native = native;
    this.id = native.id;
  }

  /**
   * The next `bytes` bytes, 256-byte aligned: an argument of a launch. Valid until `reset()` and whatever is taken after it.
   *
   * @throws `ERR_DEVICE_CAPTURE` in a capture that takes more than any warm-up did; `ERR_DEVICE_MEMORY`.
   */
  take(bytes: number): { readonly buffer: DeviceBuffer; readonly offset: number } {
    const offset = guarded(() => this.#native.take(bytes));
    const { buffer } = this.#native;
    if (this.#buffer === undefined || buffer !== this.#nativeBuffer) {
      this.#nativeBuffer = buffer;
      this.#buffer = bufferOf(buffer as NonNullable<typeof buffer>);
    }
    return { buffer: this.#buffer, offset };
  }

  /** Before each warm-up and each capture of a key, and before work outside graphs: everything may be taken again. */
  reset(): void {
    guarded(() => this.#native.reset());
  }

  /** The most bytes ever taken between two resets: the memory that the pool keeps. */
  get reservedBytes(): number {
    return this.#native.sizes().reservedBytes;
  }

  /** Bytes taken since the last `reset()`. */
  get allocatedBytes(): number {
    return this.#native.sizes().allocatedBytes;
  }

  /** Frees the buffer. @throws `ERR_DEVICE_BUSY` while a live graph has it baked in. */
  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
