import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  MODELS,
  type ModelShape,
  modelShape,
  parseCostModel,
  readCosts,
  readModelShape,
  rooflineCosts,
} from '../../../dist/entry/workload.js';
import { cli } from '../../support/cli.js';
import { runs } from '../../support/property-runs.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-model-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the config.json of published models says, without what has no bearing. */
const LLAMA = {
  ...{ model_type: 'llama', hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32 },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, torch_dtype: 'bfloat16' },
};
const MIXTRAL = { ...LLAMA, model_type: 'mixtral', num_local_experts: 8, num_experts_per_tok: 2 };
const QWEN = {
  ...{ model_type: 'qwen3_moe', hidden_size: 2048, intermediate_size: 6144, num_hidden_layers: 48, head_dim: 128 },
  ...{ num_attention_heads: 32, num_key_value_heads: 4, num_experts: 128, num_experts_per_tok: 8 },
  ...{ moe_intermediate_size: 768, decoder_sparse_step: 1, mlp_only_layers: [] },
};
const DEEPSEEK = {
  ...{ model_type: 'deepseek_v3', hidden_size: 7168, intermediate_size: 18432, num_hidden_layers: 61 },
  ...{ num_attention_heads: 128, num_key_value_heads: 128, n_routed_experts: 256, n_shared_experts: 1 },
  ...{ num_experts_per_tok: 8, moe_intermediate_size: 2048, first_k_dense_replace: 3, moe_layer_freq: 1 },
  ...{ q_lora_rank: 1536, kv_lora_rank: 512, qk_nope_head_dim: 128, qk_rope_head_dim: 64, v_head_dim: 128 },
  quantization_config: { quant_method: 'fp8', weight_block_size: [128, 128] },
};
const GPT_OSS = {
  ...{ model_type: 'gpt_oss', hidden_size: 2880, intermediate_size: 2880, num_hidden_layers: 24, head_dim: 64 },
  ...{ num_attention_heads: 64, num_key_value_heads: 8, num_local_experts: 32, experts_per_token: 4 },
  quantization_config: { quant_method: 'mxfp4' },
};
const LLAMA_4 = {
  model_type: 'llama4',
  text_config: {
    ...{ model_type: 'llama4_text', hidden_size: 5120, intermediate_size: 8192, intermediate_size_mlp: 16384 },
    ...{ num_hidden_layers: 48, num_attention_heads: 40, num_key_value_heads: 8, head_dim: 128 },
    ...{ num_local_experts: 128, num_experts_per_tok: 1, interleave_moe_layer_step: 2 },
  },
};

describe("a model's own config.json", () => {
  test('a dense one is the built-in model of its name', () => {
    expect(modelShape(LLAMA)).toEqual(MODELS['llama-3-8b']);
    expect(modelShape({ model_type: 'gpt2', n_embd: 768, n_head: 12, n_layer: 12 })).toMatchObject({
      ...{ layers: 12, hiddenSize: 768, intermediateSize: 3072, keyValueHeads: 12, headDim: 64, gated: false },
    });
  });

  test('experts, shared ones, dense layers, latent attention and small weights are read', () => {
    expect(modelShape(MIXTRAL).experts).toEqual({
      ...{ count: 8, perToken: 2, intermediateSize: 14336, sharedSize: 0, denseLayers: 0 },
    });
    expect(modelShape(QWEN)).toMatchObject({
      headDim: 128,
      experts: { count: 128, perToken: 8, intermediateSize: 768 },
    });
    expect(modelShape(DEEPSEEK)).toMatchObject({
      intermediateSize: 18432,
      experts: { count: 256, perToken: 8, intermediateSize: 2048, sharedSize: 2048, denseLayers: 3 },
      latent: { keyValueRank: 512, queryRank: 1536, nopeHeadDim: 128, ropeHeadDim: 64, valueHeadDim: 128 },
      weightBytes: 1,
    });
    expect(modelShape(GPT_OSS)).toMatchObject({ weightBytes: 0.5, experts: { count: 32, perToken: 4 } });
    expect(modelShape(LLAMA_4)).toMatchObject({
      intermediateSize: 16384,
      experts: { count: 128, perToken: 1, intermediateSize: 8192, sharedSize: 8192, denseLayers: 24 },
    });
  });

  test('what it lacks is named, and text that is no configuration is refused', async () => {
    const refused = expect.objectContaining({ code: 'ERR_INPUT_INVALID' });
    const of = (config: unknown) => () => modelShape(config, 'm.json');
    expect(of({ model_type: 'x' })).toThrow(/m\.json has no hidden_size, num_attention_heads, num_hidden_layers/);
    for (const junk of [null, 3, 'x', [], undefined]) expect(of(junk)).toThrow(refused);
    expect(of({ ...LLAMA, hidden_size: 'many' })).toThrow(/hidden_size is "many"/);
    expect(of({ ...LLAMA, num_attention_heads: 33 })).toThrow(/head_dim/);
    const file = path.join(folder, 'no.json');
    writeFileSync(file, 'not json');
    await expect(readModelShape(file)).rejects.toThrow(refused);
    await expect(readModelShape(undefined as never)).rejects.toThrow(refused);
  });

  test('costs never fall with tokens, and experts cost more to pad than a dense layer of what a token computes', () => {
    const shapes: ModelShape[] = [LLAMA, MIXTRAL, QWEN, DEEPSEEK, GPT_OSS, LLAMA_4].map((config) => modelShape(config));
    fc.assert(
      fc.property(fc.constantFrom(...shapes), fc.constantFrom('h100', 'b200', 'mi300x'), (model, gpu) => {
        const { costs } = rooflineCosts({ gpu: gpu as 'h100', model, maxSize: 600 });
        for (let size = 1; size <= 600; size++) expect(costs[size]).toBeGreaterThanOrEqual(costs[size - 1]);
      }),
      runs(100),
    );
    const growth = (model: ModelShape): number => {
      const { costs } = rooflineCosts({ gpu: 'h100', model, maxSize: 64 });
      return costs[64] / costs[8];
    };
    // 8 more tokens wake more experts; a dense model reads its weights once for all.
    expect(growth(modelShape(QWEN))).toBeGreaterThan(2);
    expect(growth(modelShape(LLAMA))).toBeLessThan(1.1);
  });

  test('the command line takes the file beside the GPU, and the SDK as a source of costs', async () => {
    const file = path.join(folder, 'config.json');
    writeFileSync(file, JSON.stringify(LLAMA));
    const known = await readCosts({ gpu: 'h100', model: 'llama-3-8b' }, 300);
    expect((await readCosts({ gpu: 'h100', config: folder }, 300)).costs).toEqual(known.costs);
    expect(parseCostModel(`h100:${file}`)).toEqual({ gpu: 'h100', config: file });
    const few = ['simulate', '--requests', '5', '--ranks', '1', '--ladder', 'vllm', '--json'];
    const time = (...flags: string[]): unknown => JSON.parse(cli([...few, ...flags]).stdout).timeRatio;
    const named = time('--cost-model', 'h100:llama-3-8b');
    expect(named).toBeGreaterThan(0);
    expect(time('--cost-model', `h100:${file}`)).toBe(named);
    expect(time('--cost-model', 'h100', '--model-config', folder)).toBe(named);
    expect(cli([...few, '--model-config', file])).toMatchObject({ status: 2 });
  });
});
