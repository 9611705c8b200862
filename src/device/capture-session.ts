import { LockstepError } from '../errors.js';
import type { CaptureKey } from '../planner/capture-key.js';
import type { StepPlanner } from '../planner/step-planner.js';
import type { CaptureLack } from '../ranks/index.js';
import type { Device, DeviceGraph, WaitOptions } from './device.js';
import type { Executor } from './executor.js';

/** Whether this rank can capture a key now: everything the capture needs is reserved, or how much is lacking and why. */
export interface Readiness {
  readonly ready: boolean;
  readonly lackingBytes: number;
  readonly reason: CaptureLack;
}

/** Makes the ranks agree about one key before any of them enters its forward: `run` on all, or `skip` on all. */
export type CaptureGuard = (key: CaptureKey, index: number, readiness: Readiness) => 'run' | 'skip';

/** One captured graph, for the capture log. */
export interface CaptureRecord {
  readonly key: CaptureKey;
  readonly nodes: number;
  /** Bytes the graph itself holds on the device. */
  readonly bytes: number;
  readonly seconds: number;
}

export interface CaptureReport {
  readonly captured: readonly CaptureRecord[];
  /** Keys that no rank captured, because some or all lacked what they need. */
  readonly skipped: readonly CaptureKey[];
}

/** Least bytes that are reserved for a graph. The next one is reserved twice what the largest so far took, if that is more. */
const LEAST_RESERVE = 1 << 16;

/**
 * Captures the planner's keys, largest first: guard, warm-up, capture, one key after the other on every rank. Keys that are
 * skipped leave the plan on all ranks alike. What a graph needs is reserved, really allocated, before the guard is asked.
 * Errors: the guard's ERR_CAPTURE_ASYMMETRIC, before any forward is entered; any other is fatal for all ranks, who have
 * agreed to capture: the caller aborts the group.
 */
export function captureKeys(
  executor: Executor,
  planner: StepPlanner,
  guard: CaptureGuard,
  options?: WaitOptions,
): CaptureReport {
  const captured: CaptureRecord[] = [];
  const skipped: CaptureKey[] = [];
  const graphs = new Map<number, DeviceGraph>();
  let largest = 0;
  const order = planner.plan.keys.map((key, index) => ({ key, index })).sort((a, b) => b.key.tokens - a.key.tokens);
  try {
    for (const { key, index } of order) {
      const reserve = reserveBytes(executor.device, Math.max(LEAST_RESERVE, 2 * largest));
      try {
        if (guard(key, index, reserve.readiness) === 'skip') {
          skipped.push(key);
          continue;
        }
        const start = performance.now();
        executor.warmUp(key, options);
        const graph = executor.capture(key, reserve.free);
        largest = Math.max(largest, graph.bytes);
        graphs.set(index, graph);
        captured.push({
          key,
          nodes: graph.nodes,
          bytes: graph.bytes,
          seconds: (performance.now() - start) / 1000,
        });
      } finally {
        reserve.free();
      }
    }
  } catch (error) {
    for (const graph of graphs.values()) graph.dispose();
    throw error;
  }
  const kept = [...graphs.keys()].sort((a, b) => a - b);
  planner.keepKeys(kept);
  executor.useGraphs(kept.map((index) => graphs.get(index) as DeviceGraph));
  return { captured, skipped };
}

/** Allocates `bytes` to hold a graph's place, or says how many are lacking. `free` may be called again. */
function reserveBytes(device: Device, bytes: number): { readonly readiness: Readiness; readonly free: () => void } {
  try {
    const buffer = device.allocate(bytes);
    return { readiness: { ready: true, lackingBytes: 0, reason: 'nothing' }, free: () => buffer.dispose() };
  } catch (error) {
    if (!(error instanceof LockstepError && error.code === 'ERR_DEVICE_MEMORY')) throw error;
    const { limitBytes, allocatedBytes } = device.memory();
    const free = limitBytes === null ? 0 : limitBytes - allocatedBytes;
    return { readiness: { ready: false, lackingBytes: bytes - free, reason: 'memory' }, free: () => {} };
  }
}
