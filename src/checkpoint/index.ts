export { type Checkpoint, openCheckpoint } from './checkpoint.js';
export type { WeightDtype } from './float-formats.js';
export type { Llama3Scaling, ModelConfig } from './model-config.js';
export { openModel } from './open-model.js';
export { type RandomModelOptions, randomCheckpoint } from './random-checkpoint.js';
export { tensorShapes } from './tensor-shapes.js';
export { type WriteCheckpointOptions, writeCheckpoint } from './write-checkpoint.js';
