export { Decoder } from './decoder.js';
export type { DecoderOptions } from './decoder-options.js';
export type { SamplingControls, SamplingForward, SamplingRow } from './sampling-forward.js';
