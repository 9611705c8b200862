export { Decoder } from './decoder.js';
export type { DecoderOptions } from './decoder-options.js';
export { cacheSlotBytes, checkModelLimits, modelLimits } from './model-limits.js';
export type { SamplingControls, SamplingForward, SamplingRow } from './sampling-forward.js';
