import { setImmediate } from 'node:timers/promises';
import type { PlannerModules } from '../memory/index.js';
import type { NumpyPeer, PeerBatch } from './numpy-peer.js';

/** One piece of work: ours, the physical limit of the same bytes, and what a peer does. */
export interface BenchCase {
  /** The work, once a call. */
  readonly ours: () => unknown;
  /** Whether it gives a promise, which is waited for before the next call. Default false. */
  readonly awaited?: boolean;
  /** The physical limit: a copy or fill of the same output bytes. */
  readonly limit: () => void;
  readonly peer: PeerBatch | null;
  /** Pieces of work in one call of `ours` and of `limit`; times are per piece. Default 1. */
  readonly pieces?: number;
  /** Called, untimed, before `calls` calls of `ours`: restores what they use up. */
  readonly ready?: (calls: number) => void;
  /** Nanoseconds so far of what is measured, where that is a part of `ours`. Default: all of it. */
  readonly spent?: () => number;
  /** Ends what the case holds, once it was measured or interrupted. */
  readonly end?: () => void;
  /** Most calls of `ours` that one `ready` can provide for. Default: any number. */
  readonly most?: number;
}

/** One row of the table; its case is built only when it is measured. */
export interface BenchRow {
  readonly name: string;
  readonly make: (modules: PlannerModules) => BenchCase | Promise<BenchCase>;
}

/** Nanoseconds of one piece of work, as medians over rounds, each of which measures ours, limit and peer. */
export interface BenchResult {
  readonly name: string;
  readonly ns: number;
  readonly limitNs: number;
  /** ns / limitNs, the median of the rounds' own ratios. */
  readonly ratio: number;
  /** Null where the row has no peer, or numpy is not installed. */
  readonly peerNs: number | null;
  /** peerNs / ns, the median of the rounds' own ratios. */
  readonly peerRatio: number | null;
  /** `ns` of each round, in the order that they were measured in. */
  readonly roundsNs: readonly number[];
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Milliseconds for which each of the three is timed in a round. */
  readonly milliseconds: number;
  readonly signal?: AbortSignal;
}

/** Milliseconds for which code runs before it is timed, so that the engine has optimised it. */
const WARM_MS = 80;

/**
 * Times a row. Each round measures ours, limit and peer, so that a change of the machine's speed affects all three alike, and yields to
 * the event loop. Throws the signal's reason once it is aborted.
 */
export async function measure(
  row: BenchRow,
  modules: PlannerModules,
  peer: NumpyPeer | null,
  { rounds, milliseconds, signal }: MeasureOptions,
): Promise<BenchResult> {
  const made = await row.make(modules);
  try {
    return await measureCase(row.name, made, peer, { rounds, milliseconds, signal });
  } finally {
    made.end?.();
  }
}

async function measureCase(
  name: string,
  made: BenchCase,
  peer: NumpyPeer | null,
  { rounds, milliseconds, signal }: MeasureOptions,
): Promise<BenchResult> {
  const { ours, limit, peer: batch, ready = () => {}, awaited = false, spent, most = 1 << 26, pieces = 1 } = made;
  const asked = batch === null || peer === null ? null : { peer, batch };
  const timeOurs = async (calls: number): Promise<number> => {
    ready(calls);
    const before = spent?.() ?? 0;
    const ns = awaited ? await timeAwaited(ours, calls) : time(ours, calls);
    return spent === undefined ? ns : (spent() - before) / calls;
  };
  const timeLimit = (calls: number): number => time(limit, calls);
  const ourRun = await warm(timeOurs, milliseconds, most);
  const limitRun = await warm(timeLimit, milliseconds, 1 << 26);
  const samples: { ns: number; limitNs: number; peerNs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    await setImmediate();
    signal?.throwIfAborted();
    const ns = await repeat(timeOurs, ourRun);
    const limitNs = await repeat(timeLimit, limitRun);
    const peerNs = asked === null ? 0 : await asked.peer.measure(name, asked.batch, milliseconds);
    samples.push({ ns: ns / pieces, limitNs: limitNs / pieces, peerNs });
  }
  return {
    name,
    ns: median(samples.map(({ ns }) => ns)),
    limitNs: median(samples.map(({ limitNs }) => limitNs)),
    ratio: median(samples.map(({ ns, limitNs }) => ns / limitNs)),
    peerNs: asked === null ? null : median(samples.map(({ peerNs }) => peerNs)),
    peerRatio: asked === null ? null : median(samples.map(({ ns, peerNs }) => peerNs / ns)),
    roundsNs: samples.map(({ ns }) => ns),
  };
}

/** Mean nanoseconds of so many calls. */
type Timed = (calls: number) => number | Promise<number>;

/** Calls of one run, and the runs that take about the milliseconds of a round together. */
interface Runs {
  readonly calls: number;
  readonly runs: number;
}

/** Runs until the code is compiled and the caches are filled. Returns runs of at most `most` calls that take about `milliseconds`. */
async function warm(run: Timed, milliseconds: number, most: number): Promise<Runs> {
  let calls = 1;
  let warmed = 0;
  for (;;) {
    const ns = await run(calls);
    warmed += ns * calls;
    const wanted = Math.max(1, Math.round((milliseconds * 1e6) / Math.max(ns, 1e-3)));
    if (warmed >= WARM_MS * 1e6) return { calls: Math.min(most, wanted), runs: Math.ceil(wanted / most) };
    calls = Math.min(wanted, most, 4 * calls);
  }
}

/** Mean nanoseconds of a call over some runs. The first finds the caches as the peer left them, so short runs need many. */
async function repeat(run: Timed, { calls, runs }: Runs): Promise<number> {
  let ns = 0;
  for (let i = 0; i < runs; i++) ns += await run(calls);
  return ns / runs;
}

/** Mean nanoseconds of a call that may give a promise. */
async function timeAwaited(run: BenchCase['ours'], calls: number): Promise<number> {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) await run();
  return Number(process.hrtime.bigint() - start) / calls;
}

/** Mean nanoseconds of a call. */
function time(run: () => unknown, calls: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) run();
  return Number(process.hrtime.bigint() - start) / calls;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
