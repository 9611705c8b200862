import { LockstepError } from '../errors.js';
import { GENERATED_REQUESTS } from '../names.js';
import type { RunOptions } from '../run/index.js';
import { countOf, grouped } from '../text.js';
import {
  ADMITTING_OPTIONS,
  type AdmissionLimits,
  admissionAdvice,
  generateWorkload,
  type LengthFacts,
  type RequestTable,
  readRequests,
  type TimeUnit,
  type TraceFacts,
  type TraceReading,
  type TraceSource,
} from '../workload/index.js';
import { limitsOf, type PlannedLengths, type PlannerFlags, pooledLimitsOf } from './planner-options.js';
import { inputName, inputOf } from './stdin.js';
import { reportLine } from './step-report.js';

/** What the options of `addWorkloadOptions` hold. */
export interface WorkloadFlags {
  readonly trace?: string;
  readonly timeUnit?: TimeUnit;
  readonly hashBlockSize?: number;
  readonly columns?: TraceReading['columns'];
  readonly requests?: number;
  readonly ranks: number;
  readonly speed: number;
  readonly acceptRate: number;
  readonly stepTime: readonly [number, number, number];
  readonly seed: number;
}

/**
 * What these flags and those of the planner say about the steps of a workload, policy and graphs apart; `file` is that of
 * `--plan`. `pooled`: blocks may be `auto`. Errors: ERR_CONFIG_INVALID.
 */
export function workloadOptionsOf(
  flags: WorkloadFlags & PlannerFlags,
  file?: PlannedLengths,
  { pooled = false }: { readonly pooled?: boolean } = {},
): RunOptions {
  const { ranks, twins, acceptRate, seed, speed, stepTime } = flags;
  const own = {
    ...(ranks === undefined ? {} : { ranks }),
    limits: pooled ? pooledLimitsOf(flags, file) : limitsOf(flags, file),
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
  const reading = readingOf(flags);
  if (source === undefined) {
    const given = Object.entries(reading).flatMap(([name, value]) => (value === undefined ? [] : [name]));
    if (given.length === 0) return generateWorkload({ requests: requests ?? GENERATED_REQUESTS, seed });
    const options = { timeUnit: '--time-unit', hashBlockTokens: '--hash-block-size', columns: '--columns' };
    const names = given.map((name) => options[name as keyof typeof options]);
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `${names.join(' and ')} say how a trace is read, and no trace is given; give one, or leave them out`,
      { options: names },
    );
  }
  return readRequests(source, { signal, ...reading, ...(requests === undefined ? {} : { limit: requests }) });
}

/** How the flags say that a trace is read. */
export function readingOf({ timeUnit, hashBlockSize, columns }: WorkloadFlags): TraceReading {
  return { timeUnit, hashBlockTokens: hashBlockSize, columns };
}

/** The lines of a report that say what was read of a trace, and what of it is absurd. */
export function traceLines(facts: TraceFacts): string[] {
  const { requests, spanMs, requestsPerSecond, input, output, followers, hashBlockTokens, warnings } = facts;
  const rate =
    requestsPerSecond === null ? 'at once' : `in ${(spanMs / 1000).toFixed(1)} s, ${round(requestsPerSecond)} a second`;
  const lengths = ({ least, median, most }: LengthFacts): string =>
    `${grouped(least)} to ${grouped(most)} (median ${grouped(median)})`;
  const more = [
    ...(followers > 0 ? [`${grouped(followers)} after the end of another`] : []),
    ...(hashBlockTokens === null ? [] : [`hash blocks of ${hashBlockTokens}`]),
  ];
  return [
    reportLine('arrivals', [`${countOf(requests, 'request')} ${rate}`, ...more].join(', ')),
    reportLine('', `tokens: prompts ${lengths(input)}, outputs ${lengths(output)}`),
    ...warnings.map((warning) => reportLine('warning', warning)),
  ];
}

/** A number with three significant digits, or all of a larger one's. */
function round(value: number): string {
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))}`;
}

/** What a workload was generated from, as a report prints it. */
export function generatedBy({ requests = GENERATED_REQUESTS, seed }: WorkloadFlags): string {
  return `(${countOf(requests, 'request')}, seed ${seed})`;
}

/** A workload by its name. */
export function workloadName(flags: WorkloadFlags): string {
  return flags.trace === undefined ? `a generated workload ${generatedBy(flags)}` : inputName(flags.trace);
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
    `None of the ${countOf(requests.length, 'request')} was served, since none fits the limits; ${admissionAdvice(requests, limits)}`,
    { requests: requests.length, options: ADMITTING_OPTIONS },
  );
}
