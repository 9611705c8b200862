import type { CaptureKey } from '../planner/capture-plan.js';
import type { StepPlanner } from '../planner/step-planner.js';
import type { CaptureLack } from '../ranks/index.js';
import type { DeviceGraph, WaitOptions } from './device.js';
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
  /** Growth of the device's allocated bytes by this capture. */
  readonly allocatedBytes: number;
  readonly seconds: number;
}

export interface CaptureReport {
  readonly captured: readonly CaptureRecord[];
  /** Keys that no rank captured, because some or all lacked what they need. */
  readonly skipped: readonly CaptureKey[];
}

/** Bytes one graph of the host device is reserved for: its nodes with their arguments. */
const GRAPH_BYTES = 4096;

/**
 * Captures the planner's keys, largest first: guard, warm-up, capture, one key after the other on every rank. Keys that are
 * skipped leave the plan on all ranks alike. Errors: the guard's ERR_CAPTURE_ASYMMETRIC, before any forward is entered.
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
  const order = planner.plan.keys.map((key, index) => ({ key, index })).sort((a, b) => b.key.tokens - a.key.tokens);
  try {
    for (const { key, index } of order) {
      if (guard(key, index, readiness(executor)) === 'skip') {
        skipped.push(key);
        continue;
      }
      const start = performance.now();
      const before = executor.device.memory().allocatedBytes;
      executor.warmUp(key, options);
      const graph = executor.capture(key);
      graphs.set(index, graph);
      captured.push({
        key,
        nodes: graph.nodes,
        allocatedBytes: executor.device.memory().allocatedBytes - before,
        seconds: (performance.now() - start) / 1000,
      });
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

function readiness(executor: Executor): Readiness {
  const { limitBytes, allocatedBytes } = executor.device.memory();
  const free = limitBytes === null ? Number.POSITIVE_INFINITY : limitBytes - allocatedBytes;
  const lackingBytes = Math.max(0, GRAPH_BYTES - free);
  return { ready: lackingBytes === 0, lackingBytes, reason: lackingBytes === 0 ? 'nothing' : 'memory' };
}
