export { SAMPLED_SHARE, type VerifyMode } from './kv-verifier.js';
export { type PlanFile, readPlanFile, readPolicy, writePlanFile } from './plan-file.js';
export { createRank, type Rank } from './rank.js';
export type { RankOptions, StepOptions, StepResult } from './rank-options.js';
export { type DecisionCounts, paddingRatio, RunCounters, type TokenCounts } from './run-counters.js';
export { type CompleteRunOptions, completeRunOptions, type RunOptions } from './run-options.js';
export type { RunProgress } from './run-rank.js';
export { type RunControl, type RunSummary, runWorkload } from './run-workload.js';
export { type StepRecord, stepRecord, type VoteWordName } from './step-log.js';
