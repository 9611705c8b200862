// `lockstep/decoder`: the reference decoder, and what a forward is whose tokens are sampled.

export {
  type AheadSampling,
  type ContinuedRow,
  cacheSlotBytes,
  checkModelLimits,
  Decoder,
  type DecoderOptions,
  type DrawnStep,
  modelLimits,
  type SampledStep,
  type SampledWindow,
  type SamplingControls,
  type SamplingForward,
  type SamplingRow,
} from '../decoder/index.js';
