// `lockstep/planner`: plan a step, without a device, the addon or another rank; in browsers too.

export {
  type DecisionPart,
  type DecisionValue,
  DecisionView,
  EAGER_REASONS,
  type GatherKind,
  type KeyCandidate,
  type Phase,
  type ReasonCode,
  type RunKind,
  type Verdict,
  type VoteIntent,
} from '../agreement/index.js';
export {
  ForwardBatch,
  type ForwardBatchValue,
  KvGroupMetadata,
  type KvGroupMetadataValue,
  type KvGroupStaging,
  type KvGroupTensors,
  type LocalPart,
  LocalPartView,
  type MetadataCounts,
  type MetadataView,
  type NewRequest,
  Requests,
  type Row,
  type ScheduledChunk,
  type StagingSet,
} from '../batch/index.js';
export { DEFAULT_LIMITS, type KvGroup, kvGroupsOf, type Limits, MAX_KV_GROUPS } from '../config.js';
export { type ErrorCode, type ErrorDetails, LockstepError } from '../errors.js';
export {
  type CaptureKey,
  type CapturePlan,
  type DecodePlanOptions,
  decodeKey,
  decodePlan,
  type KeyKind,
  keyKind,
  mixedKey,
  piecewiseKey,
} from '../keys/index.js';
export { type DeviceSupplied, LAYOUT_VERSION, type PaddingName, VOTE_WORDS } from '../layout/index.js';
export type {
  KvGroupSizes,
  MetadataBuild,
  PlannerModules,
  SimdChoice,
  TensorChoices,
  WasmSource,
  WasmSources,
} from '../memory/index.js';
export { assertShapeContract, createPlanner, type PlannerOptions, StepPlanner } from '../planner/index.js';
export { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
