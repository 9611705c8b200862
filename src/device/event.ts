import type { NativeEvent } from '../native/index.js';
import type { WaitOptions } from '../wait.js';
import { guarded, inputInvalid } from './addon-errors.js';
import { type WaitLook, waitFor, waitForSync } from './wait.js';

/** Makes the event of a handle of the addon. */
export let eventOf: (native: NativeEvent, waits: WaitLook) => DeviceEvent;
/** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a device event. */
export let eventHandle: (value: unknown) => NativeEvent;

/** A point in a stream's queue, made by `device.createEvent()`. */
export class DeviceEvent implements Disposable {
  /** Names the event in command blocks; never used again on its device. */
  readonly id: number;
  readonly #native: NativeEvent;
  readonly #waits: WaitLook;

  static {
    eventOf = (native, waits) => new DeviceEvent(native, waits);
    eventHandle = (value) => {
      if (typeof value === 'object' && value !== null && #native in value) return value.#native;
      throw inputInvalid('event', value, 'a DeviceEvent of this device');
    };
  }

  private constructor(native: NativeEvent, waits: WaitLook) {
    this.#native = native;
    this.#waits = waits;
    this.id = native.id;
  }

  /** Whether the last `record` was reached; true when there was none. */
  query(): boolean {
    return guarded(() => this.#native.query());
  }

  /**
   * Waits for the last `record` without blocking the event loop; by default at most 60 s. @throws `ERR_DEVICE_TIMEOUT`, `ERR_ABORTED`,
   * `ERR_DEVICE_KERNEL`.
   */
  async synchronize(options?: WaitOptions): Promise<void> {
    // Waits for the current record, even if the event is recorded again meanwhile.
    const last = guarded(() => this.#native.last());
    await waitFor(last, `event ${this.id}`, this.#waits, options);
  }

  /** The same, blocking this thread. */
  synchronizeSync(options?: WaitOptions): void {
    waitForSync(this.#native, `event ${this.id}`, this.#waits, options);
  }

  /** Gives the event up. */
  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
