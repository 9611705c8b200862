// `lockstep/checkpoint`: models: their numbers, weights, tokenizers and chat templates; models made of a seed.

export {
  type ChatMessage,
  type Checkpoint,
  type Llama3Scaling,
  type ModelConfig,
  openCheckpoint,
  openModel,
  openTokenizer,
  type RandomModelOptions,
  randomCheckpoint,
  type TextStream,
  type TextTokenizer,
  tensorShapes,
  type WeightDtype,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from '../checkpoint/index.js';
