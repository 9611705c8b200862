export { type AtomAgreement, type AtomVote, agreeAtom } from './agree-atom.js';
export {
  agreeVllm,
  type VllmAgreement,
  type VllmAgreementOptions,
  type VllmGraphMode,
  type VllmVote,
} from './agree-vllm.js';
export { AtomAdapter, type AtomForwardMode, type AtomOptions, type AtomStep, createAtomAdapter } from './atom.js';
export { type AtomCaptureSizesOptions, atomCaptureSizes } from './atom-ladder.js';
export { type AtomSplitOptions, type AtomUbatchSlice, atomUbatchSlices } from './atom-split.js';
export {
  createVllmDispatcher,
  type VllmBatch,
  type VllmDispatch,
  VllmDispatcher,
  type VllmDispatchOptions,
  vllmKeys,
} from './dispatch-vllm.js';
export {
  ENGINE_NAMES,
  type EngineLadder,
  type EngineLimits,
  type EngineName,
  engineLadder,
} from './engine-ladder.js';
export {
  type EngineLog,
  type EngineLogOptions,
  type EngineLogSource,
  type LogBatch,
  readEngineLog,
} from './engine-log.js';
export { type EmittedFlags, emitFlags, parseFlags } from './flags.js';
export { LADDER_NAMES, type LadderName, type LadderOptions, namedLadder, parseLadder } from './ladder.js';
export { type MegatronConfig, type MegatronDistribution, type MegatronShape, megatronShapes } from './megatron.js';
export { type MegatronBatch, matchMegatronShapes } from './megatron-match.js';
export { type SglangPadMode, type SglangPadOptions, sglangPadMode } from './pad-mode-sglang.js';
export { namedPolicy, type PolicyName, policyNames } from './policies.js';
export {
  type SglangAlignOptions,
  type SglangDecodeSizesOptions,
  type SglangMaxBatchOptions,
  type SglangPrefillSizesOptions,
  sglangAlignSizes,
  sglangDecodeSizes,
  sglangMaxBatch,
  sglangPrefillSizes,
} from './sglang.js';
export {
  SGLANG_SPLIT_THRESHOLD,
  type SglangSplit,
  sglangDecodeSplit,
  sglangExtendSplit,
} from './sglang-split.js';
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
} from './trtllm.js';
export {
  type VllmCaptureSizesOptions,
  type VllmLadder,
  type VllmSpecAlignOptions,
  vllmCaptureSizes,
  vllmDecodeSizes,
  vllmLadder,
  vllmSpecAlign,
} from './vllm.js';
export { type SliceRange, type VllmSplitOptions, type VllmUbatchSlice, vllmUbatchSlices } from './vllm-split.js';
