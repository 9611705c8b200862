export { Decoder } from './decoder.js';
export type { DecoderOptions } from './decoder-options.js';
export { cacheSlotBytes, checkModelLimits, modelLimits } from './model-limits.js';
export { checkedControls } from './sampling-controls.js';
export type {
  AheadSampling,
  ContinuedRow,
  DrawnStep,
  SampledStep,
  SampledWindow,
  SamplingControls,
  SamplingForward,
  SamplingRow,
} from './sampling-forward.js';
