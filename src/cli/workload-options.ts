import { LockstepError } from '../errors.js';
import type { CapturePlan } from '../keys/index.js';
import type { RunOptions } from '../run/index.js';
import {
  ADMITTING_OPTIONS,
  type AdmissionLimits,
  admissionAdvice,
  generateWorkload,
  type RequestTable,
  readRequests,
  type TraceSource,
} from '../workload/index.js';
import { GENERATED_REQUESTS } from './options.js';
import { limitsOf, type PlannerFlags } from './planner-options.js';
import { inputName, inputOf } from './stdin.js';
import { count, reportLine } from './step-report.js';

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
  const own = {
    ...(ranks === undefined ? {} : { ranks }),
    limits: limitsOf(flags, plan),
    acceptRate,
    seed,
    speed,
    stepTime,
  };
  return twins === undefined ? own : { ...own, twins };
}

/**
 * The requests the flags say, or those of `source` in place of `--trace`. Errors: ERR_CONFIG_INVALID, ERR_TRACE_INVALID,
 * ERR_INPUT_INVALID, ERR_ABORTED.
 */
export async function workloadOf(
  flags: WorkloadFlags,
  signal: AbortSignal,
  source: TraceSource | undefined = flags.trace === undefined ? undefined : inputOf(flags.trace),
): Promise<RequestTable> {
  const { requests, seed } = flags;
  if (requests !== undefined && requests < 1) {
    throw new LockstepError('ERR_CONFIG_INVALID', `--requests is ${requests}; it must be at least 1`, { requests });
  }
  if (source === undefined) return generateWorkload({ requests: requests ?? GENERATED_REQUESTS, seed });
  return readRequests(source, { signal, ...(requests === undefined ? {} : { limit: requests }) });
}

/** What a workload was generated from, as a report prints it. */
export function generatedBy({ requests = GENERATED_REQUESTS, seed }: WorkloadFlags): string {
  return `(${count(requests)} requests, seed ${seed})`;
}

/** The line of a report that names its workload. */
export function workloadLine(flags: WorkloadFlags): string {
  return reportLine('workload', flags.trace === undefined ? `generated ${generatedBy(flags)}` : inputName(flags.trace));
}

/** Whether any request was served. Errors: ERR_INPUT_INVALID where none was, saying which option would admit one. */
export function checkServed(
  { finished, interrupted }: { readonly finished: number; readonly interrupted: boolean },
  requests: RequestTable,
  limits: AdmissionLimits,
): void {
  if (finished > 0 || interrupted) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `None of the ${count(requests.length)} requests was served, since none fits the limits; ${admissionAdvice(requests, limits)}`,
    { requests: requests.length, options: ADMITTING_OPTIONS },
  );
}
