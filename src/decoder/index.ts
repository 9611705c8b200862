export { Decoder } from './decoder.js';
export type { DecoderOptions } from './decoder-options.js';
export { cacheSlotBytes, modelLimits } from './model-limits.js';
export type { SamplingControls, SamplingForward, SamplingRow } from './sampling-forward.js';
