export { AtomAdapter, type AtomForwardMode, type AtomOptions, type AtomStep, createAtomAdapter } from './atom.js';
export { LADDER_NAMES, type LadderName, type LadderOptions, namedLadder, parseLadder } from './ladder.js';
export { type VllmCaptureSizesOptions, type VllmSpecAlignOptions, vllmCaptureSizes, vllmSpecAlign } from './vllm.js';
export { type SliceRange, type VllmSplitOptions, type VllmUbatchSlice, vllmUbatchSlices } from './vllm-split.js';
