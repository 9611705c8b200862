import type { Device, NcclCommunicator } from '../../device/index.js';
import type { Collective } from '../../ranks/index.js';
import {
  COLLECTIVE_KINDS,
  type CollectiveCall,
  checkCounts,
  type DeviceCollectives,
  offsetsOf,
  type PreparedCollective,
} from './device-collectives.js';

/** Bytes of an element. */
const ELEMENT = 4;

/** What the collectives are made with. */
export interface NcclParts {
  readonly implementation: 'nccl' | 'rccl';
  readonly reason: string;
  readonly capturable: boolean;
  /** One of each stream. */
  readonly ids: Uint8Array;
  readonly timeoutMs: number;
}

/**
 * Collectives of the vendor's library between ranks with a card each. Graphs hold them where each rank is a process. Waits for the device
 * end where the group of ranks does, since a peer that has failed comes to no collective.
 */
export class NcclCollectives implements DeviceCollectives {
  readonly implementation: 'nccl' | 'rccl';
  readonly reason: string;
  readonly capturable: boolean;
  readonly rank: number;
  readonly size: number;
  readonly #communicator: NcclCommunicator;
  readonly #unwatch: () => void;

  constructor(
    device: Device,
    collective: Collective,
    { implementation, reason, capturable, ids, timeoutMs }: NcclParts,
  ) {
    this.implementation = implementation;
    this.reason = reason;
    this.capturable = capturable;
    this.rank = collective.rank;
    this.size = collective.size;
    this.#communicator = device.joinNccl(ids, this.rank, this.size, timeoutMs);
    this.#unwatch = device.lookInWaits(() => {
      this.#communicator.throwIfEnded();
      try {
        collective.throwIfEnded();
      } catch (error) {
        this.abort(error);
        collective.abort(error);
        throw error;
      }
    });
  }

  prepare(call: CollectiveCall): PreparedCollective {
    checkCounts(call, this.size);
    const { kind, send, recv, counts } = call;
    const [sent, received] = this.#elements(call);
    const prepared = {
      kind: COLLECTIVE_KINDS.indexOf(kind),
      send,
      sendBytes: sent * ELEMENT,
      recv,
      recvBytes: received * ELEMENT,
      counts: Float64Array.from(counts),
    };
    return (stream) => this.#communicator.enqueue(stream, prepared);
  }

  abort(reason?: unknown): void {
    this.#communicator.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    this.#communicator.dispose();
  }

  /** Elements that this rank sends and takes. */
  #elements({ kind, counts }: CollectiveCall): readonly [number, number] {
    const { total } = offsetsOf(counts);
    switch (kind) {
      case 'all-gather':
        return [counts[this.rank], total];
      case 'reduce-scatter':
        return [total, counts[this.rank]];
      case 'all-reduce':
        return [total, total];
      case 'all-to-all':
        return [total * this.size, total * this.size];
    }
  }
}
