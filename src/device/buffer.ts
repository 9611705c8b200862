import type { NativeBuffer } from '../native/index.js';
import { guarded, inputInvalid } from './addon-errors.js';

/** Makes the buffer of a handle of the addon. */
export let bufferOf: (native: NativeBuffer) => DeviceBuffer;
/** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a device buffer. */
export let bufferHandle: (value: unknown) => NativeBuffer;
export let isBuffer: (value: unknown) => value is DeviceBuffer;

/**
 * Device memory at a fixed address, made by `device.allocate()`. `dispose()` is refused with `ERR_DEVICE_BUSY` while a live
 * graph has it baked in, or one of its ranges is not disposed of.
 */
export class DeviceBuffer implements Disposable {
  /** Names the buffer in command blocks; never used again on its device. */
  readonly id: number;
  /** Its size in bytes. */
  readonly bytes: number;
  readonly #native: NativeBuffer;

  static {
    bufferOf = (native) => new DeviceBuffer(native);
    isBuffer = (value): value is DeviceBuffer => typeof value === 'object' && value !== null && #native in value;
    bufferHandle = (value) => {
      if (isBuffer(value)) return value.#native;
      throw inputInvalid('buffer', value, 'a DeviceBuffer of this device');
    };
  }

  private constructor(native: NativeBuffer) {
    this.#native = native;
    this.id = native.id;
    this.bytes = native.bytes;
  }

  /**
   * `bytes` bytes of it, from a multiple of 16 on, as a buffer of its own: kernels that are given it see no more. This buffer is not
   * freed before its ranges are.
   *
   * @throws `ERR_LAUNCH_BOUNDS` for a range outside it, `ERR_INPUT_INVALID`, `ERR_DISPOSED`.
   */
  range(byteOffset: number, bytes: number): DeviceBuffer {
    return new DeviceBuffer(guarded(() => this.#native.range(byteOffset, bytes)));
  }

  /** Frees the memory once queued work that uses it is done. @throws `ERR_DEVICE_BUSY` while a graph or a range holds it. */
  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
