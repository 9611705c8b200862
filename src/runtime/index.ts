export { measureBlocksSync, type PoolMeasure } from './measure-pool.js';
export { createRank, Rank } from './rank.js';
export {
  type CaptureEvent,
  type FaultEvent,
  type ParkEvent,
  type PlanEvent,
  RANK_CHANNELS,
  type StepEvent,
} from './rank-events.js';
export type { RankOptions, StepOptions, StepResult } from './rank-options.js';
export type { StepTimings } from './step-clock.js';
export type { StepStats } from './step-stats.js';
