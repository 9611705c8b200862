import type { Communicator, Device, DeviceBuffer, DeviceEvent, DeviceModule } from '../../device/index.js';
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

/** What an exchange moves, in elements: how many are sent, what each rank takes of them, and the copies that this rank makes. */
interface Moves {
  readonly sent: number;
  /** Of each rank, the first element and how many. */
  readonly taken: readonly (readonly [number, number])[];
  /** From which rank, its first element there and here, and how many. */
  readonly copies: readonly (readonly [number, number, number, number])[];
  /** Elements of each rank's share that are summed up, where the kind does that. */
  readonly summed: number | null;
}

/** What the collectives are made with. */
export interface ExchangeParts {
  readonly implementation: 'local' | 'mpi';
  readonly reason: string;
  readonly communicator: Communicator;
  readonly rank: number;
  readonly size: number;
  readonly timeoutMs: number;
}

/**
 * Collectives by exchanges of a communicator: ranks meet on their threads, and each takes what it needs of the others; sums are made by each
 * rank, of shares that it took. A graph cannot hold a meeting, so graphs are cut.
 */
export class ExchangedCollectives implements DeviceCollectives {
  readonly implementation: 'local' | 'mpi';
  readonly reason: string;
  readonly capturable = false;
  readonly rank: number;
  readonly size: number;
  readonly #device: Device;
  readonly #kernels: DeviceModule;
  readonly #communicator: Communicator;
  readonly #timeoutMs: number;
  /** Shares that are summed up. */
  #shares: DeviceBuffer | null = null;
  readonly #summed: DeviceEvent;

  /** Disposes of the communicator with itself. */
  constructor(device: Device, { implementation, reason, communicator, rank, size, timeoutMs }: ExchangeParts) {
    this.#device = device;
    this.implementation = implementation;
    this.reason = reason;
    this.rank = rank;
    this.size = size;
    this.#timeoutMs = timeoutMs;
    this.#kernels = device.loadModule();
    this.#summed = device.createEvent();
    this.#communicator = communicator;
  }

  prepare(call: CollectiveCall): PreparedCollective {
    checkCounts(call, this.size);
    const { kind, send, recv, counts } = call;
    const { rank, size } = this;
    const { sent, taken, copies, summed } = movesOf(kind, counts, rank, size);
    const parts = {
      send,
      bytes: sent * ELEMENT,
      signature: Int32Array.of(COLLECTIVE_KINDS.indexOf(kind), ELEMENT, ...counts),
      copies: Float64Array.from(
        copies.flatMap(([peer, from, to, count]) => [peer, from * ELEMENT, to * ELEMENT, count * ELEMENT]),
      ),
      shares: Float64Array.from(taken.flatMap(([from, count]) => [from * ELEMENT, count * ELEMENT])),
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

  abort(reason?: unknown): void {
    this.#communicator.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#communicator.dispose();
    this.#shares?.dispose();
    this.#summed.dispose();
    this.#kernels.dispose();
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

/** What a rank moves; its copies are in the order of ranks. */
function movesOf(kind: CollectiveKind, counts: readonly number[], rank: number, size: number): Moves {
  const peers = Array.from({ length: size }, (_, peer) => peer);
  const { before, total } = offsetsOf(counts);
  switch (kind) {
    case 'all-gather':
      return {
        sent: counts[rank],
        taken: peers.map(() => [0, counts[rank]] as const),
        copies: peers.map((peer) => [peer, 0, before[peer], counts[peer]] as const),
        summed: null,
      };
    case 'reduce-scatter': {
      const own = counts[rank];
      return {
        sent: total,
        taken: peers.map((peer) => [before[peer], counts[peer]] as const),
        copies: peers.map((peer) => [peer, before[rank], peer * own, own] as const),
        summed: own,
      };
    }
    case 'all-reduce':
      return {
        sent: total,
        taken: peers.map(() => [0, total] as const),
        copies: peers.map((peer) => [peer, 0, peer * total, total] as const),
        summed: total,
      };
    case 'all-to-all':
      return {
        sent: size * total,
        taken: peers.map((peer) => [peer * total, total] as const),
        copies: peers.map((peer) => [peer, rank * total, peer * total, total] as const),
        summed: null,
      };
  }
}
