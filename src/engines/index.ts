export type { TextSource as EngineLogSource } from '../input/index.js';
export { ENGINE_NAMES, type EngineName, LADDER_NAMES, type LadderName, type PolicyName } from '../names.js';
export {
  AtomAdapter,
  type AtomForwardMode,
  type AtomOptions,
  type AtomStep,
  createAtomAdapter,
} from './atom/adapter.js';
export { type AtomAgreement, type AtomVote, agreeAtom } from './atom/agreement.js';
export { type AtomCaptureSizesOptions, atomCaptureSizes } from './atom/ladder.js';
export { type AtomSplitOptions, type AtomUbatchSlice, atomUbatchSlices } from './atom/split.js';
export { type EngineLadder, type EngineLimits, engineLadder } from './engine-ladder.js';
export {
  ENGINE_LOG_KINDS,
  type EngineLog,
  type EngineLogOptions,
  type EngineRunLog,
  readEngineLog,
  readEngineRun,
} from './engine-log.js';
export { type EmittedFlags, emitFlags, parseFlags } from './flags.js';
export { type LadderOptions, namedLadder, parseLadder } from './ladder.js';
export type { LogBatch, LogCapture, LogTime } from './log-batch.js';
export {
  type MegatronConfig,
  type MegatronDistribution,
  type MegatronShape,
  megatronShapes,
} from './megatron/ladder.js';
export { type MegatronBatch, matchMegatronShapes } from './megatron/match.js';
export { isPolicyName, namedPolicy, policyNames } from './policies.js';
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
