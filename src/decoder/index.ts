export type { SamplingControls, SamplingForward, SamplingRow } from './sampling-forward.js';
