export type { TextSource as EngineLogSource } from '../input/index.js';
export { ENGINE_NAMES, type EngineName, LADDER_NAMES, type LadderName, type PolicyName } from '../names.js';
export {
  AtomAdapter,
  type AtomForwardMode,
  type AtomOptions,
  type AtomStep,
  createAtomAdapter,
} from './atom/adapter.js';
export { type AtomAgreement, type AtomAgreementOptions, type AtomVote, agreeAtom } from './atom/agreement.js';
export { type AtomCaptureSizesOptions, atomCaptureSizes } from './atom/ladder.js';
export { type AtomSplitOptions, type AtomUbatchSlice, atomUbatchSlices } from './atom/split.js';
export { type EngineLadder, engineLadder } from './engine-ladder.js';
export type { EngineLimits } from './engine-limits.js';
export {
  ENGINE_LOG_KINDS,
  type EngineLog,
  type EngineLogOptions,
  type EngineRunLog,
  readEngineLog,
  readEngineRun,
} from './engine-log.js';
export {
  capturedBy,
  type EmitOptions,
  type EmittedFlags,
  emitCaptured,
  emitFlags,
  type ParseOptions,
  parseFlags,
} from './flags.js';
export { type LadderOptions, namedLadder, parseLadder } from './ladder.js';
export {
  decodeGraphs,
  type GraphKinds,
  graphKinds,
  type LadderPlan,
  type LadderPlanOptions,
  ladderCapture,
  ladderPlan,
  profilePlan,
} from './ladder-plan.js';
export type { LogBatch, LogCapture, LogTime } from './log-batch.js';
export {
  type MegatronConfig,
  type MegatronDistribution,
  type MegatronShape,
  megatronGraphTokens,
  megatronShapes,
} from './megatron/ladder.js';
export { type MegatronBatch, matchMegatronShapes } from './megatron/match.js';
export { isPolicyName, namedPolicy, policyNames } from './policies.js';
export { type EngineCapture, engineCapture, engineOfPolicy, profiledPolicy } from './profile/engine-capture.js';
export {
  type AttentionSupport,
  type DraftTier,
  type EngineProfile,
  GPU_MEMORY_GB,
  type GraphModeName,
  type MoeDispatcher,
  profileLimits,
} from './profile/engine-profile.js';
export { type ReadProfile, type ReadProfileOptions, readProfile, serverLimits } from './profile/read-profile.js';
export { ENGINE_RULES, type EngineRule, type RuleVersion, ruleVersions } from './rule-versions.js';
export {
  type SglangAlignOptions,
  type SglangDecodeSizesOptions,
  type SglangMaxBatchOptions,
  type SglangPrefillSizesOptions,
  sglangAlignSizes,
  sglangDecodeSizes,
  sglangMaxBatch,
  sglangPrefillSizes,
} from './sglang/ladder.js';
export { type SglangPadMode, type SglangPadOptions, sglangPadMode } from './sglang/pad-mode.js';
export { SGLANG_SPLIT_THRESHOLD, type SglangSplit, sglangDecodeSplit, sglangExtendSplit } from './sglang/split.js';
export {
  TRTLLM_DEFAULT_MAX_BATCH,
  TRTLLM_PIECEWISE_SIZES,
  type TrtllmDecodeSizesOptions,
  type TrtllmEngineFilterOptions,
  type TrtllmPiecewiseFilterOptions,
  type TrtllmPiecewiseSizes,
  trtllmDecodeSizes,
  trtllmEngineFilter,
  trtllmPiecewiseFilter,
} from './trtllm/ladder.js';
export {
  agreeVllm,
  type VllmAgreement,
  type VllmAgreementOptions,
  type VllmGraphMode,
  type VllmVote,
} from './vllm/agreement.js';
export {
  createVllmDispatcher,
  type VllmBatch,
  type VllmDispatch,
  VllmDispatcher,
  type VllmDispatchOptions,
  vllmKeys,
} from './vllm/dispatch.js';
export {
  type VllmCaptureSizesOptions,
  type VllmLadder,
  type VllmSpecAlignOptions,
  vllmCaptureSizes,
  vllmDecodeSizes,
  vllmLadder,
  vllmSpecAlign,
} from './vllm/ladder.js';
export { type SliceRange, type VllmSplitOptions, type VllmUbatchSlice, vllmUbatchSlices } from './vllm/split.js';
