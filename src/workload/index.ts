export {
  generateWorkload,
  type LengthDistribution,
  type SharedPrefixes,
  type WorkloadOptions,
} from './generator.js';
export { HASH_BLOCK_TOKENS, type Request, RequestTable, type SharedRequests } from './request.js';
export { DEFAULT_SCHEDULER_LIMITS, type SchedulerLimits, schedulerLimits } from './scheduler-limits.js';
export { SchedulerModel } from './scheduler-model.js';
export type { SchedulerStats } from './scheduler-stats.js';
export type { AddedRequest, AppendedBlocks, Chunk, RankSchedule, StepSchedule } from './step-schedule.js';
export { rejectedDraftId, tokenId } from './token-id.js';
export { type ReadTraceOptions, readRequests, readTrace } from './traces/read-trace.js';
export type { TraceSource } from './traces/text.js';
