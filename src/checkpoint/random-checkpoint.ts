import { checkArguments, withoutUndefined } from '../checks.js';
import { fnv1a, hashOnto, mix32 } from '../numbers.js';
import { absent, type Checkpoint, checkShape } from './checkpoint.js';
import { configDocument } from './config-document.js';
import type { ModelConfig } from './model-config.js';
import { modelConfigOf } from './read-config.js';
import { modelRefusal } from './refusal.js';
import { tensorShapes } from './tensor-shapes.js';

/** A model made of a seed. Every number of its config may be given; `layerWindows` follow `slidingWindow` where they are not. */
export interface RandomModelOptions extends Partial<ModelConfig> {
  /** Dense layers, or layers with experts. */
  readonly kind: 'dense' | 'moe';
  /** Default 0. */
  readonly seed?: number;
}

const MAX_SEED = 2 ** 32 - 1;

/**
 * A model whose weights are drawn from a seed: the same bits for a seed on every machine. Small where nothing else is asked for: 64 wide, 2
 * layers, 4 heads over 2, 512 tokens, 512 positions; `moe`: 4 experts, 2 for each token. Nothing is kept in memory: a tensor is made when
 * it is asked for. Errors: ERR_MODEL_INVALID.
 */
export function randomCheckpoint(options: RandomModelOptions): Checkpoint {
  checkArguments('randomCheckpoint', { options: [options, 'object', 'kind'] });
  const config = randomConfig(options);
  const source = `random:${options.kind}`;
  const seed = options.seed ?? 0;
  if (!Number.isInteger(seed) || seed < 0 || seed > MAX_SEED) {
    throw modelRefusal({ file: source, field: 'seed', expected: `an integer from 0 to ${MAX_SEED}`, found: seed });
  }
  const shapes = tensorShapes(config);
  const shapeOf = (name: string) => shapes.get(name) ?? absent(source, name);
  return Object.freeze({
    config,
    path: null,
    names: Object.freeze([...shapes.keys()]),
    dtypeOf: (name: string) => shapeOf(name) && 'F32',
    check: (name: string, shape: readonly number[]) => checkShape(source, name, shape, shapeOf(name)),
    tensor: (name: string, shape: readonly number[]) => {
      checkShape(source, name, shape, shapeOf(name));
      return drawn(seed, name, shape, config.tiedEmbeddings);
    },
  });
}

/** Names of the numbers of a config. */
export const CONFIG_FIELDS: readonly (keyof ModelConfig)[] = [
  'modelType',
  'hiddenSize',
  'intermediateSize',
  'layers',
  'heads',
  'kvHeads',
  'headDim',
  'vocabSize',
  'maxPositions',
  'rmsNormEps',
  'ropeTheta',
  'ropeScaling',
  'tiedEmbeddings',
  'bosTokenIds',
  'eosTokenIds',
  'experts',
  'expertsPerToken',
  'slidingWindow',
  'layerWindows',
];

function randomConfig({ kind, seed: _seed, ...options }: RandomModelOptions): ModelConfig {
  const file = `random:${kind}`;
  if (kind !== 'dense' && kind !== 'moe')
    throw modelRefusal({ file, field: 'kind', expected: '"dense" or "moe"', found: kind });
  const unknown = Object.keys(options).find((name) => !(CONFIG_FIELDS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw modelRefusal({
      file,
      field: 'an option',
      expected: `one of seed, ${CONFIG_FIELDS.join(', ')}`,
      found: unknown,
    });
  }
  const given = withoutUndefined(options);
  const layers = given.layers ?? 2;
  const slidingWindow = given.slidingWindow ?? given.layerWindows?.find((window) => window > 0) ?? null;
  const heads = given.heads ?? 4;
  const hiddenSize = given.hiddenSize ?? 64;
  const moe = kind === 'moe';
  const config: ModelConfig = {
    modelType: moe ? 'mixtral' : slidingWindow === null ? 'llama' : 'mistral',
    hiddenSize,
    intermediateSize: moe ? hiddenSize : 2 * hiddenSize,
    layers,
    heads,
    kvHeads: heads % 2 === 0 ? heads / 2 : heads,
    headDim: hiddenSize / heads,
    vocabSize: 512,
    maxPositions: 512,
    rmsNormEps: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: null,
    tiedEmbeddings: false,
    bosTokenIds: [1],
    eosTokenIds: [2],
    experts: moe ? 4 : 0,
    expertsPerToken: moe ? 2 : 0,
    layerWindows: Array.from(
      { length: Number.isInteger(layers) && layers > 0 && layers <= 4096 ? layers : 0 },
      () => slidingWindow ?? 0,
    ),
    ...given,
    slidingWindow,
  };
  // The rules of config.json hold for these numbers too, so they are read as one.
  const read = modelConfigOf(file, new Map(Object.entries(configDocument(config, 'F32'))));
  if (
    read.experts !== config.experts ||
    read.experts > 0 !== moe ||
    !sameList(read.layerWindows, config.layerWindows)
  ) {
    const expected = `of ${kind} layers, and of windows that are 0 or slidingWindow, one for each layer`;
    throw modelRefusal({ file, field: 'the options', expected, found: options });
  }
  return read;
}

const sameList = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);

/**
 * Values of a tensor: weights of norms about 1, all others evenly spread about 0, so that what a layer puts out is about as large as what it
 * takes in. Integers of a hash, an exact square root, one product rounded to double and then to float: no engine rounds these otherwise.
 */
function drawn(seed: number, name: string, shape: readonly number[], tied: boolean): Float32Array {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const base = hashOnto(mix32(seed), fnv1a(new TextEncoder().encode(name)) >>> 0);
  const norm = shape.length === 1;
  // A row of the table is a token's whole input, 1 large in each place; tied, it is a row of the head too, or a token would call for itself.
  const fanIn = name === 'model.embed_tokens.weight' && !tied ? 1 : shape[1];
  // An even spread over -s..s has the variance s * s / 3.
  const spread = norm ? 0.25 : Math.sqrt(3 / fanIn);
  for (let i = 0; i < values.length; i++) {
    const unit = ((hashOnto(base, i) >>> 8) - 2 ** 23) / 2 ** 23;
    values[i] = norm ? 1 + spread * unit : spread * unit;
  }
  return values;
}
