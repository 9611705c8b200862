import { LockstepError } from '../../errors.js';
import type { DeviceCollectives, PreparedCollective } from './device-collectives.js';

/** Stands where ranks have no way to exchange device memory. */
export class NoCollectives implements DeviceCollectives {
  readonly implementation = 'none';
  readonly capturable = false;
  readonly reason: string;
  readonly rank: number;
  readonly size: number;

  constructor(rank: number, size: number, reason: string) {
    this.rank = rank;
    this.size = size;
    this.reason = reason;
  }

  prepare(): PreparedCollective {
    throw new LockstepError('ERR_INPUT_INVALID', `There are no collectives between these devices: ${this.reason}`, {
      reason: this.reason,
    });
  }

  abort(): void {}

  [Symbol.dispose](): void {}
}
