export { SAMPLED_SHARE, type VerifyMode } from './kv-verifier.js';
export { type PlanFile, readPlanFile, readPolicy, writePlanFile } from './plan-file.js';
export { createRank, type Rank, type RankOptions, type StepOptions, type StepResult } from './rank.js';
export { DecisionCounters, type DecisionCounts, paddingRatio, RunCounters, type TokenCounts } from './run-counters.js';
export { type CompleteRunOptions, completeRunOptions, type RunOptions } from './run-options.js';
export type { RunProgress } from './run-rank.js';
export { type RunControl, type RunSummary, runWorkload } from './run-workload.js';
export { type SimulateControl, type SimulatedSpan, type SimulateSummary, simulate } from './simulate.js';
export type { SimulateOptions } from './simulate-options.js';
