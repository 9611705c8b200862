export { AtomAdapter, type AtomForwardMode, type AtomOptions, type AtomStep, createAtomAdapter } from './atom.js';
export { type AtomSplitOptions, type AtomUbatchSlice, atomUbatchSlices } from './atom-split.js';
export { LADDER_NAMES, type LadderName, type LadderOptions, namedLadder, parseLadder } from './ladder.js';
export {
  SGLANG_SPLIT_THRESHOLD,
  type SglangSplit,
  sglangDecodeSplit,
  sglangExtendSplit,
} from './sglang-split.js';
export { type VllmCaptureSizesOptions, type VllmSpecAlignOptions, vllmCaptureSizes, vllmSpecAlign } from './vllm.js';
export { type SliceRange, type VllmSplitOptions, type VllmUbatchSlice, vllmUbatchSlices } from './vllm-split.js';
