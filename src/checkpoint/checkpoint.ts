import path from 'node:path';
import { checkArguments } from '../checks.js';
import { LockstepError } from '../errors.js';
import { Fields } from './config-fields.js';
import { isFile, isFolder, jsonObject, missing, readDocument } from './files.js';
import type { WeightDtype } from './float-formats.js';
import type { ModelConfig } from './model-config.js';
import { readModelConfig } from './read-config.js';
import { readTensor } from './read-tensor.js';
import { modelRefusal } from './refusal.js';
import { readWeightFiles } from './weight-files.js';

/** A model's numbers and its weights, by their names in Hugging Face's layout. */
export interface Checkpoint {
  /** The model's numbers. */
  readonly config: ModelConfig;
  /** The folder it was read from; null for one made in memory. */
  readonly path: string | null;
  /** Names of its tensors. A tied head has none: `lm_head.weight` is absent then. */
  readonly names: readonly string[];
  /** The format of a tensor in its file; read, every tensor is float32. Errors: ERR_MODEL_INVALID for an unknown name. */
  dtypeOf(name: string): WeightDtype;
  /**
   * A tensor's values, converted to float32, row after row; each call reads them again. Errors: ERR_MODEL_INVALID for a tensor that is
   * absent, has another shape, or cannot be read: names tensor, file, expected and found.
   */
  tensor(name: string, shape: readonly number[]): Float32Array;
  /** Whether there is a tensor of that name and shape, without reading it. Errors: ERR_MODEL_INVALID, as of `tensor`. */
  check(name: string, shape: readonly number[]): void;
}

/**
 * Opens a model in Hugging Face's layout: a folder with config.json and *.safetensors. Reads config.json and the headers of the weights;
 * the weights themselves when they are asked for. Errors: ERR_MODEL_INVALID.
 */
export function openCheckpoint(directory: string): Checkpoint {
  checkArguments('openCheckpoint', { directory: [directory, 'text'] });
  if (!isFolder(directory)) {
    const cause = missing(directory, 'folder');
    const message = `${directory}: ${cause.message}; give the folder of a model in Hugging Face's layout: config.json and *.safetensors`;
    throw new LockstepError('ERR_MODEL_INVALID', message, { file: directory }, { cause });
  }
  const file = path.join(directory, 'config.json');
  const config = withGeneration(directory, readModelConfig(file, readDocument(file)));
  const entries = readWeightFiles(directory);
  const entryOf = (name: string) => entries.get(name) ?? absent(directory, name);
  const checked = (name: string, shape: readonly number[]) => {
    const entry = entryOf(name);
    checkShape(entry.file, name, shape, entry.shape);
    return entry;
  };
  return Object.freeze({
    config,
    path: directory,
    names: Object.freeze([...entries.keys()]),
    dtypeOf: (name: string) => entryOf(name).dtype,
    tensor: (name: string, shape: readonly number[]) => readTensor(checked(name, shape)),
    check: (name: string, shape: readonly number[]) => void checked(name, shape),
  });
}

/** The config with the ends of generation_config.json, where there is one: it lists those of chats too. */
function withGeneration(directory: string, config: ModelConfig): ModelConfig {
  const file = path.join(directory, 'generation_config.json');
  if (!isFile(file)) return config;
  const fields = new Fields(file, jsonObject(file, 'the file', readDocument(file)));
  const more = fields.tokenIds('eos_token_id', config.vocabSize, []);
  return Object.freeze({ ...config, eosTokenIds: [...new Set([...config.eosTokenIds, ...more])] });
}

/** Refuses a tensor that the checkpoint does not have. */
export function absent(file: string, name: string): never {
  const expected =
    name === 'lm_head.weight'
      ? 'there, unless config.json has tie_word_embeddings: true'
      : "there, as in Hugging Face's layout";
  throw modelRefusal({ file, field: `tensor "${name}"`, expected, found: undefined, details: { tensor: name } });
}

/** Refuses a tensor of another shape. */
export function checkShape(file: string, name: string, shape: readonly number[], found: readonly number[]): void {
  if (shape.length === found.length && shape.every((size, axis) => size === found[axis])) return;
  const expected = `[${shape.join(', ')}]`;
  throw modelRefusal({ file, field: `the shape of tensor "${name}"`, expected, found, details: { tensor: name } });
}
