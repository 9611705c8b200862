import type { Device, DeviceBuffer, DeviceEvent, DeviceModule, LocalCommunicator } from '../../device/index.js';
import type { LockstepError } from '../../errors.js';
import {
  COLLECTIVE_KINDS,
  type CollectiveCall,
  type CollectiveKind,
  checkCounts,
  type DeviceCollectives,
  offsetsOf,
  type PreparedCollective,
} from './device-collectives.js';

/** Bytes of an element. */
const ELEMENT = 4;

/** What an exchange moves: bytes sent, and the copies that this rank makes, in elements. */
interface Moves {
  readonly sent: number;
  /** From which rank, its first element there and here, and how many. */
  readonly copies: readonly (readonly [number, number, number, number])[];
  /** Elements of each rank's share that are summed up, where the kind does that. */
  readonly summed: number | null;
}

/**
 * Collectives among threads of this process, which share a device or its memory. Ranks meet on their threads and copy from each
 * other; sums are made by each rank, of shares that it copied. A graph cannot hold a meeting, so graphs are cut.
 */
export class LocalCollectives implements DeviceCollectives {
  readonly implementation = 'local';
  readonly reason = 'the ranks are threads of one process';
  readonly capturable = false;
  readonly rank: number;
  readonly size: number;
  readonly #device: Device;
  readonly #kernels: DeviceModule;
  readonly #communicator: LocalCommunicator;
  readonly #timeoutMs: number;
  /** Shares that are summed up. */
  #shares: DeviceBuffer | null = null;
  readonly #summed: DeviceEvent;

  /** Joins `group`, which no other group of this process may be called. */
  constructor(device: Device, group: string, rank: number, size: number, timeoutMs: number) {
    this.#device = device;
    this.rank = rank;
    this.size = size;
    this.#timeoutMs = timeoutMs;
    this.#kernels = device.loadModule();
    this.#summed = device.createEvent();
    this.#communicator = device.joinLocal(group, rank, size);
  }

  prepare(call: CollectiveCall): PreparedCollective {
    checkCounts(call, this.size);
    const { kind, send, recv, counts } = call;
    const { sent, copies, summed } = this.#moves(kind, counts);
    const parts = {
      send,
      bytes: sent * ELEMENT,
      signature: Int32Array.of(COLLECTIVE_KINDS.indexOf(kind), ELEMENT, ...counts),
      copies: Float64Array.from(
        copies.flatMap(([peer, from, to, count]) => [peer, from * ELEMENT, to * ELEMENT, count * ELEMENT]),
      ),
    };
    const wait = { timeoutMs: this.#timeoutMs };
    if (summed === null) {
      const exchange = { ...parts, into: recv };
      return (stream) => this.#communicator.exchange(stream, exchange, wait);
    }
    const sum = this.#kernels.kernel('sum_shares');
    return (stream) => {
      const shares = this.#sharesOf(Math.max(1, summed * this.size) * ELEMENT);
      // The last shares may still be summed up on another stream.
      stream.wait(this.#summed);
      this.#communicator.exchange(stream, { ...parts, into: shares }, wait);
      if (summed > 0) stream.launch(sum, [shares, recv, summed, this.size]);
      stream.record(this.#summed);
    };
  }

  abort(reason: LockstepError): void {
    this.#communicator.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#communicator.dispose();
    this.#shares?.dispose();
    this.#summed.dispose();
    this.#kernels.dispose();
  }

  #moves(kind: CollectiveKind, counts: readonly number[]): Moves {
    const { rank, size } = this;
    const peers = Array.from({ length: size }, (_, peer) => peer);
    const { before, total } = offsetsOf(counts);
    switch (kind) {
      case 'all-gather':
        return {
          sent: counts[rank],
          copies: peers.map((peer) => [peer, 0, before[peer], counts[peer]] as const),
          summed: null,
        };
      case 'reduce-scatter': {
        const own = counts[rank];
        return {
          sent: total,
          copies: peers.map((peer) => [peer, before[rank], peer * own, own] as const),
          summed: own,
        };
      }
      case 'all-reduce':
        return { sent: total, copies: peers.map((peer) => [peer, 0, peer * total, total] as const), summed: total };
      case 'all-to-all':
        return {
          sent: size * total,
          copies: peers.map((peer) => [peer, rank * total, peer * total, total] as const),
          summed: null,
        };
    }
  }

  /** A buffer for at least `bytes`; it grows. */
  #sharesOf(bytes: number): DeviceBuffer {
    if (this.#shares !== null && this.#shares.bytes >= bytes) return this.#shares;
    const larger = this.#device.allocate(2 ** Math.ceil(Math.log2(bytes)));
    this.#shares?.dispose();
    this.#shares = larger;
    return larger;
  }
}
