// `lockstep/decoder`: the reference decoder, and what a forward is whose tokens are sampled.

export {
  cacheSlotBytes,
  checkModelLimits,
  Decoder,
  type DecoderOptions,
  modelLimits,
  type SamplingControls,
  type SamplingForward,
  type SamplingRow,
} from '../decoder/index.js';
