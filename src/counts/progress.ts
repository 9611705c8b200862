import type { SchedulerStats } from '../workload/index.js';
import type { DecisionCounters } from './decision-counters.js';

/** The progress of a run, as rank 0 reports it, or of a simulation. */
export interface RunProgress {
  /** Steps so far. */
  readonly steps: number;
  /** Steps of them on a graph. */
  readonly graphSteps: number;
  /** Real tokens in those: of the rank that reports, in a simulation of all ranks. */
  readonly graphTokens: number;
  /** Tokens computed in them, padding included. */
  readonly graphPaddedTokens: number;
  /** Requests whose tokens are all generated. */
  readonly finished: number;
  /** Requests that exceed the limits and are not served. */
  readonly rejected: number;
  /** Requests of the workload. */
  readonly requests: number;
}

/** Milliseconds from one report to the next, at least. */
export const PROGRESS_MS = 100;

/** The progress by what was counted, and what the scheduler did. */
export function progressOf(
  { decisions, tokens }: DecisionCounters,
  { finished, rejected }: Pick<SchedulerStats, 'finished' | 'rejected'>,
  requests: number,
): RunProgress {
  return {
    steps: decisions.steps,
    graphSteps: decisions.graphSteps,
    graphTokens: tokens.graphTokens,
    graphPaddedTokens: tokens.graphPaddedTokens,
    finished,
    rejected,
    requests,
  };
}
