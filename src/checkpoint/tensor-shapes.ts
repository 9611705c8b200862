import { checkArguments } from '../checks.js';
import type { ModelConfig } from './model-config.js';

/** Each tensor of a model by its name in Hugging Face's layout, and its shape, in the order of the forward. Source: transformers' `modeling_llama`, `modeling_mixtral`. */
export function tensorShapes(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  checkArguments('tensorShapes', { config: [config, 'object', 'hiddenSize', 'vocabSize', 'layers'] });
  const { hiddenSize, vocabSize, layers, tiedEmbeddings } = config;
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [vocabSize, hiddenSize]]]);
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, shape] of layerShapes(config)) shapes.set(`model.layers.${layer}.${name}.weight`, shape);
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (!tiedEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize]);
  return shapes;
}

function layerShapes({
  hiddenSize,
  intermediateSize,
  heads,
  kvHeads,
  headDim,
  experts,
}: ModelConfig): [string, number[]][] {
  const up = [intermediateSize, hiddenSize];
  const down = [hiddenSize, intermediateSize];
  const attention: [string, number[]][] = [
    ['input_layernorm', [hiddenSize]],
    ['self_attn.q_proj', [heads * headDim, hiddenSize]],
    ['self_attn.k_proj', [kvHeads * headDim, hiddenSize]],
    ['self_attn.v_proj', [kvHeads * headDim, hiddenSize]],
    ['self_attn.o_proj', [hiddenSize, heads * headDim]],
    ['post_attention_layernorm', [hiddenSize]],
  ];
  if (experts === 0) return [...attention, ['mlp.gate_proj', up], ['mlp.up_proj', up], ['mlp.down_proj', down]];
  const each = Array.from({ length: experts }, (_, expert): [string, number[]][] => [
    [`block_sparse_moe.experts.${expert}.w1`, up],
    [`block_sparse_moe.experts.${expert}.w2`, down],
    [`block_sparse_moe.experts.${expert}.w3`, up],
  ]);
  return [...attention, ['block_sparse_moe.gate', [experts, hiddenSize]], ...each.flat()];
}
