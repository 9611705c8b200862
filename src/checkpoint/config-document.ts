import type { WeightDtype } from './float-formats.js';
import type { ModelConfig } from './model-config.js';
import { architectureOf } from './read-config.js';

const DTYPE_NAMES: Readonly<Record<WeightDtype, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** The fields of config.json for a model, as `modelConfigOf` reads them. Each window that is not 0 is `slidingWindow`. */
export function configDocument(config: ModelConfig, dtype: WeightDtype): Record<string, unknown> {
  const { experts, expertsPerToken, layerWindows } = config;
  const alike = layerWindows.every((window) => window === (config.slidingWindow ?? 0));
  return {
    architectures: [architectureOf(config.modelType)],
    model_type: config.modelType,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositions,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling: scalingDocument(config.ropeScaling),
    sliding_window: config.slidingWindow,
    ...(alike
      ? {}
      : { layer_types: layerWindows.map((window) => (window > 0 ? 'sliding_attention' : 'full_attention')) }),
    ...(experts === 0 ? {} : { num_local_experts: experts, num_experts_per_tok: expertsPerToken }),
    tie_word_embeddings: config.tiedEmbeddings,
    bos_token_id: oneOrMore(config.bosTokenIds),
    eos_token_id: oneOrMore(config.eosTokenIds),
    hidden_act: 'silu',
    attention_bias: false,
    torch_dtype: DTYPE_NAMES[dtype],
  };
}

function scalingDocument(scaling: ModelConfig['ropeScaling']): unknown {
  if (scaling === null) return null;
  return {
    rope_type: scaling.kind,
    factor: scaling.factor,
    low_freq_factor: scaling.lowFreqFactor,
    high_freq_factor: scaling.highFreqFactor,
    original_max_position_embeddings: scaling.originalMaxPositions,
  };
}

function oneOrMore(ids: readonly number[]): unknown {
  if (ids.length === 0) return null;
  return ids.length === 1 ? ids[0] : ids;
}
