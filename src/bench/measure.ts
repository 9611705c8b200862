import type { NumpyPeer, PeerCase } from './numpy-peer.js';

/** One row of the table: our work, the physical limit of the same bytes, and what a peer does. */
export interface BenchCase {
  readonly name: string;
  /** The work, once a call. */
  readonly ours: () => void;
  /** What cannot be beaten: a copy or fill of the same output bytes. */
  readonly limit: () => void;
  readonly peer: PeerCase | null;
}

/** Nanoseconds of one call, as medians over rounds in which ours, limit and peer took turns. */
export interface BenchResult {
  readonly name: string;
  readonly ns: number;
  readonly limitNs: number;
  /** ns / limitNs, the median of the rounds' own ratios. */
  readonly ratio: number;
  readonly peerNs: number | null;
  /** peerNs / ns. */
  readonly peerRatio: number | null;
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Milliseconds that each of the three is timed in a round. */
  readonly milliseconds: number;
  readonly signal?: AbortSignal;
}

/** Times a case: ours, limit and peer in turns, so that a change of the machine's speed meets all three alike. */
export async function measure(
  given: BenchCase,
  peer: NumpyPeer | null,
  { rounds, milliseconds, signal }: MeasureOptions,
): Promise<BenchResult> {
  const ours = calls(given.ours, milliseconds);
  const limit = calls(given.limit, milliseconds);
  const samples: { ns: number; limitNs: number; peerNs: number | null }[] = [];
  for (let round = 0; round < rounds; round++) {
    signal?.throwIfAborted();
    const ns = time(given.ours, ours);
    const limitNs = time(given.limit, limit);
    const peerNs = given.peer && peer ? await peer.measure(given.peer, milliseconds) : null;
    samples.push({ ns, limitNs, peerNs });
  }
  const ns = median(samples.map((sample) => sample.ns));
  const peerNs = given.peer && peer ? median(samples.map((sample) => sample.peerNs ?? 0)) : null;
  return {
    name: given.name,
    ns,
    limitNs: median(samples.map((sample) => sample.limitNs)),
    ratio: median(samples.map((sample) => sample.ns / sample.limitNs)),
    peerNs,
    peerRatio: peerNs === null ? null : median(samples.map((sample) => (sample.peerNs ?? 0) / sample.ns)),
  };
}

/** Calls that take about `milliseconds`, found by doubling; on the way the code is compiled and the caches are filled. */
function calls(run: () => void, milliseconds: number): number {
  for (let count = 16; ; count *= 2) {
    const elapsed = time(run, count) * count;
    if (elapsed >= milliseconds * 1e6 || count >= 1 << 26)
      return Math.max(1, Math.round((count * milliseconds * 1e6) / elapsed));
  }
}

/** Mean nanoseconds of a call. */
function time(run: () => void, count: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) run();
  return Number(process.hrtime.bigint() - start) / count;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
