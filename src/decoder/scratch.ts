import type { DevicePlace, DevicePool } from '../device/index.js';

/** Alignment of a pool, in bytes. */
const ALIGNMENT = 256;

/**
 * Scratch memory of one part of a forward, by name: what one layer is done with, the next takes again, since a part's kernels run in order.
 * It is valid until the pool is reset.
 */
export class Scratch {
  readonly #pool: DevicePool;
  readonly #places = new Map<string, DevicePlace>();

  constructor(pool: DevicePool) {
    this.#pool = pool;
  }

  /** Memory for so many float32 or int32. A name always has the same number of them in a part. */
  take(name: string, elements: number): DevicePlace {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const place = this.#pool.take(Math.max(1, elements) * 4);
    this.#places.set(name, place);
    return place;
  }
}

/** Bytes that a pool uses for so many float32. */
export function scratchBytes(elements: number): number {
  return Math.ceil((Math.max(1, elements) * 4) / ALIGNMENT) * ALIGNMENT;
}
