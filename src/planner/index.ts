export { DEFAULT_LIMITS, type KvGroup, kvGroupsOf, type Limits, MAX_KV_GROUPS } from '../config.js';
export { type ErrorCode, type ErrorDetails, LockstepError } from '../errors.js';
export { type CaptureKey, decodeKey, type KeyKind, keyKind, mixedKey, piecewiseKey } from './capture-key.js';
export { type CapturePlan, type DecodePlanOptions, decodePlan } from './capture-plan.js';
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
export type { KeyCandidate, Verdict } from './key-candidates.js';
export { KvGroupPlan, type KvGroupPlanValue } from './kv-group-plan.js';
export type { KvGroupSizes } from './kv-group-regions.js';
export { type SharedBudget, shareGraphs } from './ladder-budget.js';
export { LadderCurve, type OptimalLadder } from './ladder-curve.js';
export { type OptimiseLadderOptions, optimiseLadder } from './ladder-optimiser.js';
export { type LadderScore, scoreLadder } from './ladder-score.js';
export { type DeviceSupplied, LAYOUT_VERSION, type PaddingName, VOTE_WORDS } from './layout.js';
export { type LocalPart, LocalPartView, LocalPlan, type LocalPlanValue } from './local-plan.js';
export type { KvGroupStaging, KvGroupTensors, MetadataCounts, MetadataView, StagingSet } from './metadata.js';
export type { MetadataBuild, PlannerModules, SimdChoice, WasmSource, WasmSources } from './modules.js';
export type { PlannerOptions } from './planner-options.js';
export { LOCKSTEP_POLICY, type Policy } from './policy.js';
export { createRawBatch, RawBatch, type RawBatchOptions } from './raw-batch.js';
export type { NewRequest, Requests, Row, ScheduledChunk } from './requests.js';
export { assertShapeContract } from './shape-contract.js';
export type { TensorChoices } from './sizes.js';
export { createPlanner, StepPlanner } from './step-planner.js';
export type { VoteIntent } from './vote-intent.js';
