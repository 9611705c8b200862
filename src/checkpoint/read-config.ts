import { Fields } from './config-fields.js';
import { jsonObject } from './files.js';
import { layerWindowsOf } from './layer-windows.js';
import type { ModelConfig } from './model-config.js';
import { ropeOf } from './rope-fields.js';

/** What a model type means where config.json leaves a field out. Source: the defaults of transformers' configuration classes. */
interface Family {
  readonly architecture: string;
  /** Key and value heads; undefined: as many as query heads. */
  readonly kvHeads?: number;
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly window: number | null;
  /** Experts, and those of a token; undefined for dense models. */
  readonly experts?: readonly [number, number];
}

const FAMILIES: ReadonlyMap<unknown, Family> = new Map<unknown, Family>([
  [
    'llama',
    { architecture: 'LlamaForCausalLM', maxPositions: 2048, rmsNormEps: 1e-6, ropeTheta: 10_000, window: null },
  ],
  [
    'mistral',
    {
      architecture: 'MistralForCausalLM',
      kvHeads: 8,
      maxPositions: 131_072,
      rmsNormEps: 1e-6,
      ropeTheta: 10_000,
      window: 4096,
    },
  ],
  [
    'mixtral',
    {
      architecture: 'MixtralForCausalLM',
      kvHeads: 8,
      maxPositions: 131_072,
      rmsNormEps: 1e-5,
      ropeTheta: 1e6,
      window: null,
      experts: [8, 2],
    },
  ],
]);

/** Class of a model type in config.json's `architectures`. */
export function architectureOf(modelType: string): string {
  return FAMILIES.get(modelType)?.architecture ?? '';
}

const MAX_WIDTH = 1 << 20;
const MAX_TOKENS = 1 << 28;

/** The model that the text of a config.json describes. Errors: those of `modelConfigOf`, and ERR_MODEL_INVALID for what is no JSON object. */
export function readModelConfig(file: string, text: string): ModelConfig {
  return modelConfigOf(file, jsonObject(file, 'the file', text));
}

/** The model that the fields of a config.json describe. Errors: ERR_MODEL_INVALID, with file, field, what is supported and what was found. */
export function modelConfigOf(file: string, values: ReadonlyMap<string, unknown>): ModelConfig {
  const fields = new Fields(file, values);
  const modelType = fields.value('model_type');
  const family = FAMILIES.get(modelType);
  if (family === undefined) return fields.refuse('model_type', `one of ${[...FAMILIES.keys()].join(', ')}`);
  refuseUnsupported(fields, family);
  const hiddenSize = fields.integer('hidden_size', 1, MAX_WIDTH);
  const layers = fields.integer('num_hidden_layers', 1, 1 << 12);
  const heads = fields.integer('num_attention_heads', 1, 1 << 12);
  const vocabSize = fields.integer('vocab_size', 1, MAX_TOKENS);
  const maxPositions = fields.integer('max_position_embeddings', 1, MAX_TOKENS, family.maxPositions);
  const { theta, scaling } = ropeOf(fields, family.ropeTheta);
  const layerWindows = layerWindowsOf(fields, layers, family.window);
  return Object.freeze({
    modelType: modelType as string,
    hiddenSize,
    intermediateSize: fields.integer('intermediate_size', 1, MAX_WIDTH),
    layers,
    heads,
    kvHeads: kvHeadsOf(fields, heads, family),
    headDim: headDimOf(fields, hiddenSize, heads),
    vocabSize,
    maxPositions,
    rmsNormEps: fields.positive('rms_norm_eps', family.rmsNormEps),
    ropeTheta: theta,
    ropeScaling: scaling,
    tiedEmbeddings: fields.boolean('tie_word_embeddings', false),
    bosTokenIds: fields.tokenIds('bos_token_id', vocabSize, [1]),
    eosTokenIds: fields.tokenIds('eos_token_id', vocabSize, [2]),
    ...expertsOf(fields, family),
    slidingWindow: layerWindows.find((window) => window > 0) ?? null,
    layerWindows,
  });
}

/** Refuses what would change the model's values if it were not heeded. */
function refuseUnsupported(fields: Fields, family: Family): void {
  const architectures = fields.value('architectures') ?? [family.architecture];
  if (!Array.isArray(architectures) || !architectures.includes(family.architecture)) {
    fields.refuse('architectures', `["${family.architecture}"], as model_type says`);
  }
  fields.only('hidden_act', ['silu', 'swish'], '"silu"');
  for (const name of ['attention_bias', 'mlp_bias']) fields.only(name, [false], 'false: no bias is read');
  fields.only('partial_rotary_factor', [1], '1: the whole head is rotated');
  fields.only('quantization_config', [], 'null: give a checkpoint whose weights are F32, F16 or BF16');
}

function headDimOf(fields: Fields, hiddenSize: number, heads: number): number {
  const own = fields.value('head_dim') ?? null;
  if (own === null && hiddenSize % heads !== 0) {
    fields.refuse('head_dim', `given, as num_attention_heads (${heads}) does not divide hidden_size (${hiddenSize})`);
  }
  const headDim = own === null ? hiddenSize / heads : fields.integer('head_dim', 2, 1 << 12);
  if (headDim % 2 !== 0) fields.refuse('head_dim', `even, as rotary halves it (it is ${headDim})`);
  return headDim;
}

function kvHeadsOf(fields: Fields, heads: number, family: Family): number {
  // Null and missing differ: null means as many as query heads in each of the classes.
  const missing = fields.value('num_key_value_heads') === undefined ? (family.kvHeads ?? heads) : heads;
  const kvHeads = fields.integer('num_key_value_heads', 1, heads, missing);
  if (heads % kvHeads !== 0) fields.refuse('num_key_value_heads', `a divisor of num_attention_heads (${heads})`);
  return kvHeads;
}

function expertsOf(fields: Fields, { experts }: Family): Pick<ModelConfig, 'experts' | 'expertsPerToken'> {
  if (experts === undefined) {
    fields.only('num_local_experts', [0], 'left out: only mixtral has experts');
    return { experts: 0, expertsPerToken: 0 };
  }
  const count = fields.integer('num_local_experts', 1, 1 << 12, experts[0]);
  return { experts: count, expertsPerToken: fields.integer('num_experts_per_tok', 1, count, experts[1]) };
}
