import type { Device, MemoryUse } from '../device/index.js';
import { LockstepError } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { CaptureLack } from '../ranks/index.js';
import type { WaitOptions } from '../wait.js';
import { hashCollectives } from './collective-hash.js';
import type { Executor } from './executor.js';
import type { KeyGraphs } from './key-graphs.js';

/** Whether this rank can capture a key now: either everything the capture needs is reserved, or this says how much is lacking and why. */
export interface Readiness {
  readonly ready: boolean;
  readonly lackingBytes: number;
  readonly reason: CaptureLack;
}

/** Makes the ranks agree about one key before any of them enters its forward: `run` on all, or `skip` on all. */
export type CaptureGuard = (key: CaptureKey, index: number, readiness: Readiness) => 'run' | 'skip';

/** Makes the ranks agree, after the capture of a key, that all captured the same collectives. */
export type CaptureAgreement = (index: number, captured: { readonly count: number; readonly hash: number }) => void;

/** One captured key, for the capture log. Source of the two growths: Megatron's capture log. */
export interface CaptureRecord {
  readonly key: CaptureKey;
  /** Graphs of the key: 1, or one a piece; more where collectives cut them. */
  readonly graphs: number;
  readonly nodes: number;
  /** Bytes the graphs themselves hold on the device. */
  readonly bytes: number;
  /** Growth of the device's peak memory, in bytes: 0 for a key that fitted into memory freed by others. */
  readonly reservedBytes: number;
  /** Growth of the memory that the device holds, in bytes: the graphs, and what the forward allocated in its warm-up. */
  readonly allocatedBytes: number;
  /** Growth of the graph pool's peak use, in bytes: 0 for a key that fitted. */
  readonly poolReservedBytes: number;
  /** Bytes of the pool that the key's graphs use. */
  readonly poolAllocatedBytes: number;
  /** Warm-up and capture. */
  readonly seconds: number;
}

/** The outcome for every key of a plan. */
export interface CaptureReport {
  readonly captured: readonly CaptureRecord[];
  /** Keys that no rank captured, because some or all lacked what they need. */
  readonly skipped: readonly CaptureKey[];
}

/** Least bytes that are reserved for a key's graphs. A later key reserves twice what the largest so far took, if that is more. */
const LEAST_RESERVE = 1 << 16;

/**
 * Captures the planner's keys, largest first: guard, warm-up, capture, one key after the other on every rank. Keys that are
 * skipped are removed from the plan on all ranks alike. The memory of a graph is reserved by a real allocation before the guard, and
 * freed after the graph is recorded and before it is instantiated, since nothing can be freed in a capture. What an earlier capture made is
 * freed first, so that both need not fit; if this one fails, no key is captured.
 * After the capture the ranks agree that all captured the same collectives.
 * Errors: the guard's ERR_CAPTURE_ASYMMETRIC, before any forward is entered; any other is fatal for all ranks, since they have
 * agreed to capture: the caller aborts the group.
 */
export function captureKeys(
  executor: Executor,
  planner: StepPlanner,
  guard: CaptureGuard,
  agree: CaptureAgreement,
  options?: WaitOptions,
): CaptureReport {
  const captured: CaptureRecord[] = [];
  const skipped: CaptureKey[] = [];
  const graphs = new Map<number, KeyGraphs>();
  let largest = 0;
  const order = planner.plan.keys.map((key, index) => ({ key, index })).sort((a, b) => b.key.tokens - a.key.tokens);
  executor.dropGraphs(options);
  try {
    for (const { key, index } of order) {
      const before = executor.device.memory();
      const reserve = reserveFor(executor, key, Math.max(LEAST_RESERVE, 2 * largest));
      try {
        if (guard(key, index, reserve.readiness) === 'skip') {
          skipped.push(key);
          continue;
        }
        const start = performance.now();
        executor.warmUp(key, options);
        const made = executor.capture(key, reserve.free);
        largest = Math.max(largest, made.bytes);
        graphs.set(index, made);
        agree(index, hashCollectives(made.collectives));
        const seconds = (performance.now() - start) / 1000;
        captured.push({ key, ...grown(executor.device, before), ...sizesOf(made), seconds });
      } finally {
        reserve.free();
      }
    }
  } catch (error) {
    for (const made of graphs.values()) made[Symbol.dispose]();
    throw error;
  }
  const kept = [...graphs.keys()].sort((a, b) => a - b);
  planner.keepKeys(kept);
  executor.useGraphs(kept.map((index) => graphs.get(index) as KeyGraphs));
  return { captured, skipped };
}

function sizesOf(
  made: KeyGraphs,
): Pick<CaptureRecord, 'graphs' | 'nodes' | 'bytes' | 'poolReservedBytes' | 'poolAllocatedBytes'> {
  return {
    graphs: made.graphs.length,
    nodes: made.nodes,
    bytes: made.bytes,
    poolReservedBytes: made.reservedBytes,
    poolAllocatedBytes: made.allocatedBytes,
  };
}

function grown(device: Device, before: MemoryUse): Pick<CaptureRecord, 'reservedBytes' | 'allocatedBytes'> {
  const { peakBytes, allocatedBytes } = device.memory();
  return {
    reservedBytes: peakBytes - before.peakBytes,
    allocatedBytes: allocatedBytes - before.allocatedBytes,
  };
}

interface Reserve {
  readonly readiness: Readiness;
  /** May be called again. */
  readonly free: () => void;
}

const NOTHING_RESERVED = (): void => {};

/** Allocates `bytes` to hold the place of the key's graphs, or says what is lacking. */
function reserveFor(executor: Executor, key: CaptureKey, bytes: number): Reserve {
  const { device } = executor;
  const lack = executor.lack(key);
  if (lack !== 'nothing') {
    return { readiness: { ready: false, lackingBytes: 0, reason: lack }, free: NOTHING_RESERVED };
  }
  try {
    const buffer = device.allocate(bytes);
    return { readiness: { ready: true, lackingBytes: 0, reason: 'nothing' }, free: () => buffer.dispose() };
  } catch (error) {
    if (!(error instanceof LockstepError && error.code === 'ERR_DEVICE_MEMORY')) throw error;
    const { limitBytes, allocatedBytes } = device.memory();
    const free = limitBytes === null ? 0 : limitBytes - allocatedBytes;
    return { readiness: { ready: false, lackingBytes: bytes - free, reason: 'memory' }, free: NOTHING_RESERVED };
  }
}
