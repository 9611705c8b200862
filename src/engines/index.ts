export { type AtomAgreement, type AtomVote, agreeAtom } from './agree-atom.js';
export {
  agreeVllm,
  type VllmAgreement,
  type VllmAgreementOptions,
  type VllmGraphMode,
  type VllmVote,
} from './agree-vllm.js';
export { AtomAdapter, type AtomForwardMode, type AtomOptions, type AtomStep, createAtomAdapter } from './atom.js';
export {
  createVllmDispatcher,
  type VllmBatch,
  type VllmDispatch,
  VllmDispatcher,
  type VllmDispatchOptions,
  vllmKeys,
} from './dispatch-vllm.js';
export { LADDER_NAMES, type LadderName, type LadderOptions, namedLadder, parseLadder } from './ladder.js';
export { type MegatronBatch, type MegatronShapeTuple, matchMegatronShapes } from './megatron-match.js';
export { type SglangPadMode, type SglangPadOptions, sglangPadMode } from './pad-mode-sglang.js';
export { namedPolicy, type PolicyName, policyNames } from './policies.js';
export { type VllmCaptureSizesOptions, type VllmSpecAlignOptions, vllmCaptureSizes, vllmSpecAlign } from './vllm.js';
export { type SliceRange, type VllmSplitOptions, type VllmUbatchSlice, vllmUbatchSlices } from './vllm-split.js';
