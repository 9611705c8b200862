export { completeRunOptions } from './complete-options.js';
export { SAMPLED_SHARE, type VerifyMode } from './kv-verifier.js';
export {
  costTableText,
  type MeasureCostsOptions,
  type MeasuredCost,
  type MeasuredTime,
  measureCosts,
} from './measure-costs.js';
export { RunCounters } from './run-counters.js';
export { type CompleteRunOptions, DEFAULT_RUN_OPTIONS, type RunOptions } from './run-options.js';
export type { RankReport, RunSeconds } from './run-rank.js';
export type { RunSampling } from './run-sampling.js';
export type { Mismatch } from './run-work.js';
export {
  type MpiRankOutcome,
  mpiRunOptions,
  type RunControl,
  type RunSummary,
  runMpiRank,
  runWorkload,
} from './run-workload.js';
