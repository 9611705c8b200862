import { LockstepError } from '../errors.js';
import type { NativeDevice } from '../native/index.js';
import { guarded } from './addon-errors.js';
import { bufferOf, type DeviceBuffer } from './buffer.js';

/**
 * Memory that kernels of a module ask for beside their arguments. A stream runs one kernel after another, so one buffer a stream
 * serves them all; it grows.
 */
export class Scratch {
  readonly #device: NativeDevice;
  readonly #buffers = new Map<string, DeviceBuffer>();

  constructor(device: NativeDevice) {
    this.#device = device;
  }

  /** At least `bytes` bytes for the pointer `slot`, outside captures. @throws `ERR_DEVICE_MEMORY` */
  take(stream: number, slot: number, bytes: number): DeviceBuffer {
    const key = `${stream}/${slot}`;
    const held = this.#buffers.get(key);
    if (held !== undefined && held.bytes >= bytes) return held;
    const grown = bufferOf(guarded(() => this.#device.allocate(bytes)));
    this.#buffers.set(key, grown);
    held?.dispose();
    return grown;
  }

  dispose(): void {
    for (const buffer of this.#buffers.values()) buffer.dispose();
    this.#buffers.clear();
  }
}

/** Nothing can be allocated in a capture, and graphs that share memory must not overlap, which a pool sees to. */
export function scratchNeedsPool(kernel: string, bytes: number): LockstepError {
  return new LockstepError(
    'ERR_DEVICE_CAPTURE',
    `${kernel} needs ${bytes} bytes of scratch memory, which a capture takes of a pool: begin it with beginCapture(pool), and launch ` +
      'with { pool } there and once before, in a warm-up.',
    { kernel, needed: bytes },
  );
}
