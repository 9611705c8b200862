import { type Command, Option } from 'commander';
import { LockstepError } from '../errors.js';
import type { CapturePlan } from '../keys/index.js';
import { DEFAULT_RUN_OPTIONS, type RunOptions } from '../run/index.js';
import { generateWorkload, type RequestTable, readRequests } from '../workload/index.js';
import { decimal, integer, limitsOf, type PlannerFlags } from './options.js';

/** Requests of a generated workload when nothing else is said. */
const GENERATED_REQUESTS = 200;

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

/** Options that say which requests come when, and how they are scheduled. `run` and `simulate` share them. */
export function addWorkloadOptions(command: Command): Command {
  const { ranks, speed, acceptRate, stepTime: ms, seed } = DEFAULT_RUN_OPTIONS;
  return command
    .option(
      '--trace <file>',
      'requests to serve: Azure CSV, BurstGPT CSV, Mooncake JSONL or our own (default: a generated workload)',
    )
    .addOption(
      new Option(
        '--requests <n>',
        `stop after this many requests (default: all of a trace, ${GENERATED_REQUESTS} generated)`,
      ).argParser(integer),
    )
    .addOption(new Option('--ranks <n>', 'data-parallel ranks').argParser(integer).default(ranks))
    .addOption(new Option('--speed <x>', 'divide arrival times by this').argParser(decimal).default(speed))
    .addOption(
      new Option('--accept-rate <p>', 'chance that a draft is accepted when all before it were')
        .argParser(decimal)
        .default(acceptRate),
    )
    .addOption(
      new Option('--step-time <a,b,c>', 'simulated step time a + b*tokens + c*kvTokens, in ms')
        .argParser(stepTime)
        .default(ms, ms.join()),
    )
    .addOption(
      new Option('--seed <n>', 'seed of the workload, of accepted drafts and of samples')
        .argParser(integer)
        .default(seed),
    );
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

function stepTime(text: string): [number, number, number] {
  const parts = text.split(',').map(decimal);
  return parts as [number, number, number];
}
