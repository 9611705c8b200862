import { LockstepError } from '../errors.js';
import type { CapturePlan } from '../keys/index.js';
import type { RunOptions } from '../run/index.js';
import { generateWorkload, type RequestTable, readRequests } from '../workload/index.js';
import { GENERATED_REQUESTS } from './options.js';
import { limitsOf, type PlannerFlags } from './planner-options.js';

/** What the options of `addWorkloadOptions` hold. */
export interface WorkloadFlags {
  readonly trace?: string;
  readonly requests?: number;
  readonly ranks: number;
  readonly speed: number;
  readonly acceptRate: number;
  readonly stepTime: readonly [number, number, number];
  readonly seed: number;
}

/**
 * What these flags and those of the planner say about the steps of a workload, policy and graphs apart; `plan` is that of
 * `--plan`. Errors: ERR_CONFIG_INVALID.
 */
export function workloadOptionsOf(flags: WorkloadFlags & PlannerFlags, plan?: CapturePlan): RunOptions {
  const { ranks, twins, acceptRate, seed, speed, stepTime } = flags;
  const own = { ranks, limits: limitsOf(flags, plan), acceptRate, seed, speed, stepTime };
  return twins === undefined ? own : { ...own, twins };
}

/** The requests the flags say. Errors: ERR_CONFIG_INVALID, ERR_TRACE_INVALID, ERR_INPUT_INVALID, ERR_ABORTED. */
export async function workloadOf(flags: WorkloadFlags, signal: AbortSignal): Promise<RequestTable> {
  const { trace, requests, seed } = flags;
  if (requests !== undefined && requests < 1) {
    throw new LockstepError('ERR_CONFIG_INVALID', `--requests is ${requests}; it must be at least 1`, { requests });
  }
  if (trace === undefined) return generateWorkload({ requests: requests ?? GENERATED_REQUESTS, seed });
  return readRequests(trace, { signal, ...(requests === undefined ? {} : { limit: requests }) });
}
