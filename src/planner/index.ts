export { DEFAULT_LIMITS, type Limits } from '../config.js';
export { type ErrorCode, type ErrorDetails, LockstepError } from '../errors.js';
export {
  type CaptureKey,
  type CapturePlan,
  type DecodePlanOptions,
  decodeKey,
  decodePlan,
  mixedKey,
  piecewiseKey,
} from './capture-plan.js';
export {
  type DecisionPart,
  type DecisionValue,
  DecisionView,
  EAGER_REASONS,
  type GatherKind,
  type Phase,
  type ReasonCode,
  type RunKind,
} from './decision.js';
export { LAYOUT_VERSION, VOTE_WORDS } from './layout.js';
export { type LocalPart, LocalPlan, type LocalPlanValue } from './local-plan.js';
export type { MetadataView, StagingSet } from './metadata.js';
export type { PlannerModules, WasmSource } from './modules.js';
export { LOCKSTEP_POLICY, type Policy } from './policy.js';
export { createRawBatch, RawBatch, type RawBatchOptions } from './raw-batch.js';
export type { NewRequest, Requests, Row, ScheduledChunk } from './requests.js';
export { assertShapeContract } from './shape-contract.js';
export { createPlanner, type PlannerOptions, StepPlanner } from './step-planner.js';
export type { VoteIntent } from './vote-intent.js';
