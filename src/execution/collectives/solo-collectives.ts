import type { DeviceStream } from '../../device/index.js';
import {
  type CollectiveCall,
  checkCounts,
  type DeviceCollectives,
  type PreparedCollective,
} from './device-collectives.js';

/** The collectives of a single rank: each is a copy, which graphs hold under the collective's name. */
export class SoloCollectives implements DeviceCollectives {
  readonly implementation = 'solo';
  readonly reason = 'a single rank';
  readonly rank = 0;
  readonly size = 1;
  readonly capturable = true;

  prepare(call: CollectiveCall): PreparedCollective {
    checkCounts(call, 1);
    const { kind, send, recv, counts } = call;
    return (stream: DeviceStream) => stream.copy(send, recv, counts[0] * 4, kind);
  }

  abort(): void {}

  [Symbol.dispose](): void {}
}
