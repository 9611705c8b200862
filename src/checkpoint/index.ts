export { type Checkpoint, openCheckpoint } from './checkpoint.js';
export type { WeightDtype } from './float-formats.js';
export type { Llama3Scaling, ModelConfig } from './model-config.js';
export { openModel } from './open-model.js';
