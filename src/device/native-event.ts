import type { NativeEvent } from '../native/index.js';
import type { DeviceEvent, WaitOptions } from './device.js';
import { guarded, inputInvalid } from './native-error.js';
import { waitFor, waitForSync } from './wait.js';

export class NativeBackedEvent implements DeviceEvent {
  readonly id: number;
  readonly #native: NativeEvent;

  constructor(native: NativeEvent) {
    this.#native = native;
    this.id = native.id;
  }

  /** The addon's handle. @throws `ERR_INPUT_INVALID` for anything that is not a device event. */
  static nativeOf(value: unknown): NativeEvent {
    if (typeof value === 'object' && value !== null && #native in value) return value.#native;
    throw inputInvalid('event', value, 'a DeviceEvent of this device');
  }

  query(): boolean {
    return guarded(() => this.#native.query());
  }

  synchronize(options?: WaitOptions): Promise<void> {
    // For the record of now, though the event be recorded again meanwhile.
    return waitFor(this.#native.last(), `event ${this.id}`, options);
  }

  synchronizeSync(options?: WaitOptions): void {
    waitForSync(this.#native, `event ${this.id}`, options);
  }

  dispose(): void {
    guarded(() => this.#native.dispose());
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
