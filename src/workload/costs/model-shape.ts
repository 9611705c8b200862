import { checkArguments } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import { readWhole } from '../../input/index.js';
import type { ModelShape } from './hardware.js';

type Fields = Readonly<Record<string, unknown>>;

/** Where models with several parts keep the numbers of their decoder. */
const INNER = ['text_config', 'llm_config', 'language_config', 'thinker_config', 'text_model_config'];

/** Kinds of models whose MLP has one projection up. */
const UNGATED = /^(gpt2|gpt_neox|gptj|gpt_bigcode|phi|opt|falcon|bloom|mpt|starcoder2|persimmon|nemotron|codegen)$/;

/**
 * The shape of a published model from its config.json: dense ones, those of experts (shared ones and dense layers among them), and attention
 * over latent keys and values. `place` names the file in errors. Errors: ERR_INPUT_INVALID with every number that is missing.
 * Sources: `transformers` configurations of Llama, Mistral, Mixtral, Qwen2/3 (MoE), DeepSeek V2/V3, GLM-4.5, gpt-oss, Llama 4, Gemma, Phi, GPT-2.
 */
export function modelShape(config: unknown, place = 'config.json'): ModelShape {
  checkArguments('modelShape', { place: [place, 'text'] });
  const fields = decoderOf(config, place);
  const missing: string[] = [];
  const of = (...names: string[]): number | undefined => numberOf(fields, names, place);
  const need = (...names: string[]): number => {
    const value = of(...names);
    if (value === undefined) missing.push(names[0]);
    return value ?? 1;
  };
  const hiddenSize = need('hidden_size', 'n_embd', 'd_model');
  const attentionHeads = need('num_attention_heads', 'n_head', 'n_heads');
  const layers = need('num_hidden_layers', 'n_layer', 'n_layers');
  const experts = expertsOf(fields, of);
  const inner = of('intermediate_size', 'n_inner', 'ffn_dim', 'ffn_hidden_size') ?? 4 * hiddenSize;
  const wide = of('intermediate_size_mlp') ?? inner;
  const headDim = of('head_dim') ?? hiddenSize / attentionHeads;
  if (missing.length > 0 || !Number.isInteger(headDim)) {
    const fault = missing.length > 0 ? `has no ${missing.join(', ')}` : `has a head_dim of ${headDim}`;
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${place} ${fault}, and no time of a step follows from it; give the config.json that a decoder is published with`,
      { file: place, missing },
    );
  }
  const keyValueHeads =
    of('num_key_value_heads', 'num_kv_heads', 'n_head_kv', 'multi_query_group_num') ??
    (fields.multi_query === true ? 1 : attentionHeads);
  const latent = latentOf(of, headDim);
  const bytes = weightBytes(fields);
  return {
    layers,
    hiddenSize,
    intermediateSize: wide,
    attentionHeads,
    keyValueHeads,
    headDim,
    gated: !UNGATED.test(String(fields.model_type ?? '')),
    ...(experts !== undefined && {
      experts: { ...experts, denseLayers: Math.min(layers, denseLayers(fields, of, layers)) },
    }),
    ...(latent !== undefined && { latent }),
    ...(bytes !== undefined && { weightBytes: bytes }),
  };
}

/** The same of a file, or of a folder that holds a config.json. Errors: those of `modelShape`; ERR_INPUT_INVALID for a file that is no JSON; ERR_ABORTED. */
export async function readModelShape(file: string, signal?: AbortSignal): Promise<ModelShape> {
  if (typeof file !== 'string' || file === '') {
    throw new LockstepError('ERR_INPUT_INVALID', `a model's file is ${shown(file)}; give the path of its config.json`, {
      file,
    });
  }
  const path = /\.json$/i.test(file) ? file : `${file.replace(/\/+$/, '')}/config.json`;
  const text = await readWhole(path, { signal });
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${path}: not JSON; give a model's config.json`,
      { file: path },
      { cause },
    );
  }
  return modelShape(config, path);
}

/** The part of a configuration that describes the decoder. */
function decoderOf(config: unknown, place: string): Fields {
  if (!isFields(config)) {
    throw new LockstepError('ERR_INPUT_INVALID', `${place} is ${shown(config)}; a model's config.json is an object`, {
      file: place,
    });
  }
  for (const name of INNER) {
    const inner = config[name];
    if (isFields(inner))
      return {
        ...(config.quantization_config !== undefined && { quantization_config: config.quantization_config }),
        ...decoderOf(inner, place),
      };
  }
  return config;
}

/** Experts of the layers that have any; undefined for a dense model. */
function expertsOf(
  fields: Fields,
  of: (...names: string[]) => number | undefined,
): { count: number; perToken: number; intermediateSize: number; sharedSize: number } | undefined {
  const count = of('n_routed_experts', 'num_local_experts', 'num_experts', 'moe_num_experts');
  const perToken = of(
    'num_experts_per_tok',
    'num_experts_per_token',
    'experts_per_token',
    'moe_top_k',
    'moe_topk',
    'moe_k',
  );
  if (count === undefined || count < 2 || perToken === undefined) return undefined;
  const intermediateSize =
    of('moe_intermediate_size', 'expert_ffn_hidden_size', 'intermediate_size', 'ffn_hidden_size') ?? 1;
  // Llama 4 runs one more expert for every token.
  const shared =
    of('n_shared_experts', 'num_shared_experts', 'moe_num_shared_experts') ??
    (/^llama4/.test(String(fields.model_type)) ? 1 : 0);
  const sharedSize = of('shared_expert_intermediate_size', 'shared_intermediate_size') ?? shared * intermediateSize;
  return { count, perToken: Math.min(perToken, count), intermediateSize, sharedSize };
}

/** Layers without experts in a model of experts. */
function denseLayers(fields: Fields, of: (...names: string[]) => number | undefined, layers: number): number {
  const { mlp_only_layers: only, moe_layer_freq: frequency, moe_layers: moe } = fields;
  if (Array.isArray(frequency)) return frequency.filter((one) => one === 0).length;
  if (Array.isArray(moe)) return layers - moe.length;
  const step = of('decoder_sparse_step', 'interleave_moe_layer_step', 'moe_layer_freq') ?? 1;
  const first = of('first_k_dense_replace') ?? 0;
  const listed = Array.isArray(only) ? only.length : 0;
  return first + listed + (step > 1 ? layers - first - Math.floor((layers - first) / step) : 0);
}

/** Attention over latent keys and values; undefined for any other. */
function latentOf(of: (...names: string[]) => number | undefined, headDim: number): ModelShape['latent'] {
  const keyValueRank = of('kv_lora_rank');
  if (keyValueRank === undefined) return undefined;
  return {
    keyValueRank,
    queryRank: of('q_lora_rank') ?? 0,
    nopeHeadDim: of('qk_nope_head_dim') ?? headDim,
    ropeHeadDim: of('qk_rope_head_dim') ?? 0,
    valueHeadDim: of('v_head_dim') ?? headDim,
  };
}

/** Bytes of a weight that is not bf16; undefined for one that is, and for what is not known. */
function weightBytes({ quantization_config: config, torch_dtype: torchType, dtype }: Fields): number | undefined {
  if (!isFields(config)) return (torchType ?? dtype) === 'float32' ? 4 : undefined;
  const { quant_method: method, bits, w_bit: wide } = config;
  const given = typeof bits === 'number' ? bits : typeof wide === 'number' ? wide : undefined;
  if (given !== undefined && given > 0 && given <= 16) return given / 8;
  const name = String(method ?? '').toLowerCase();
  if (/mxfp4|nvfp4|fp4|int4/.test(name)) return 0.5;
  return /fp8|int8/.test(name) ? 1 : undefined;
}

/** The first of these numbers that is given. Errors: ERR_INPUT_INVALID for one that is no positive integer. */
function numberOf(fields: Fields, names: readonly string[], place: string): number | undefined {
  for (const name of names) {
    const value = fields[name];
    if (value === undefined || value === null) continue;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 1 << 24) return value;
    // A value for each layer: the most of any.
    if (
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((one) => Number.isInteger(one) && one >= 0 && one < 1 << 24)
    ) {
      return Math.max(...(value as number[]));
    }
    throw new LockstepError('ERR_INPUT_INVALID', `${place}: ${name} is ${shown(value)}; it must be a whole number`, {
      file: place,
      field: name,
    });
  }
  return undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
