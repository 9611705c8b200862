import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type ModelConfig, openCheckpoint } from '../../../dist/checkpoint/index.js';

const work = mkdtempSync(path.join(tmpdir(), 'lockstep-config-'));
afterAll(() => rmSync(work, { recursive: true }));

let folders = 0;
/** The config that a folder with these documents has; it has one weight. */
function read(config: unknown, others: Readonly<Record<string, unknown>> = {}): ModelConfig {
  const directory = path.join(work, String(folders++));
  mkdirSync(directory);
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  writeFileSync(path.join(directory, 'config.json'), text);
  for (const [name, value] of Object.entries(others)) writeFileSync(path.join(directory, name), JSON.stringify(value));
  const header = '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}';
  writeFileSync(path.join(directory, 'model.safetensors'), Buffer.concat([lengthOf(header), Buffer.from(header)]));
  return openCheckpoint(directory).config;
}

function lengthOf(header: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(header.length));
  return bytes;
}

/** As few fields as a config may have. */
const LEAST = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 172,
  num_hidden_layers: 3,
  num_attention_heads: 8,
  vocab_size: 512,
};
const MISTRAL = { ...LEAST, model_type: 'mistral' };
const MIXTRAL = { ...LEAST, model_type: 'mixtral' };
const SCALING = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};
const SCALED = { kind: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 };

describe('config.json', () => {
  test('of a llama means what transformers means where fields are left out', () => {
    expect(read(LEAST)).toEqual({
      modelType: 'llama',
      hiddenSize: 64,
      intermediateSize: 172,
      layers: 3,
      heads: 8,
      kvHeads: 8,
      headDim: 8,
      vocabSize: 512,
      maxPositions: 2048,
      rmsNormEps: 1e-6,
      ropeTheta: 10_000,
      ropeScaling: null,
      tiedEmbeddings: false,
      bosTokenIds: [1],
      eosTokenIds: [2],
      experts: 0,
      expertsPerToken: 0,
      slidingWindow: null,
      layerWindows: [0, 0, 0],
    });
  });

  test('of a mistral has a window in every layer, unless it says otherwise', () => {
    expect(read(MISTRAL)).toMatchObject({ kvHeads: 8, slidingWindow: 4096, layerWindows: [4096, 4096, 4096] });
    expect(read({ ...MISTRAL, sliding_window: null })).toMatchObject({ slidingWindow: null, layerWindows: [0, 0, 0] });
    expect(read({ ...MISTRAL, sliding_window: 7 })).toMatchObject({ slidingWindow: 7, layerWindows: [7, 7, 7] });
    expect(read({ ...MISTRAL, sliding_window: 7, use_sliding_window: false })).toMatchObject({ slidingWindow: null });
    const layer_types = ['full_attention', 'sliding_attention', 'full_attention'];
    expect(read({ ...MISTRAL, sliding_window: 7, layer_types })).toMatchObject({
      slidingWindow: 7,
      layerWindows: [0, 7, 0],
    });
  });

  test('of a mixtral has experts', () => {
    expect(read(MIXTRAL)).toMatchObject({ experts: 8, expertsPerToken: 2, ropeTheta: 1e6, rmsNormEps: 1e-5 });
    expect(read({ ...MIXTRAL, num_local_experts: 4, num_experts_per_tok: 1 })).toMatchObject({
      experts: 4,
      expertsPerToken: 1,
      slidingWindow: null,
    });
  });

  test('says the width of heads, or leaves it to be hidden_size over heads', () => {
    expect(read({ ...LEAST, head_dim: 32, num_key_value_heads: 2 })).toMatchObject({ headDim: 32, kvHeads: 2 });
    expect(read({ ...LEAST, head_dim: null, num_key_value_heads: null })).toMatchObject({ headDim: 8, kvHeads: 8 });
  });

  test.each([
    ['a number', 7, [7]],
    ['a list', [7, 9, 7], [7, 9]],
    ['null', null, []],
  ])('says the tokens that end a text by %s', (_what, eos_token_id, ids) => {
    expect(read({ ...LEAST, eos_token_id, bos_token_id: eos_token_id })).toMatchObject({
      eosTokenIds: ids,
      bosTokenIds: ids,
    });
  });

  test('is joined by the ends of generation_config.json', () => {
    expect(
      read({ ...LEAST, eos_token_id: 7 }, { 'generation_config.json': { eos_token_id: [9, 7] } }).eosTokenIds,
    ).toEqual([7, 9]);
  });

  test.each([
    ['nothing', {}, null],
    ['null', { rope_scaling: null }, null],
    ['default', { rope_scaling: { rope_type: 'default' } }, null],
    ['llama3', { rope_scaling: SCALING }, SCALED],
    ['llama3 by its former name', { rope_scaling: { ...SCALING, rope_type: undefined, type: 'llama3' } }, SCALED],
    ['llama3 in rope_parameters', { rope_parameters: { ...SCALING, rope_theta: 5e5 } }, SCALED],
  ])('scales rotary positions by %s', (_what, fields, scaling) => {
    expect(read({ ...LEAST, ...fields }).ropeScaling).toEqual(scaling);
  });

  test('says theta in rope_theta or in rope_parameters', () => {
    expect(read({ ...LEAST, rope_theta: 5e5 }).ropeTheta).toBe(5e5);
    expect(read({ ...LEAST, rope_parameters: { rope_type: 'default', rope_theta: 5e5 } }).ropeTheta).toBe(5e5);
  });

  test.each([
    ['model_type', { model_type: 'gpt2' }],
    ['model_type', { model_type: undefined }],
    ['architectures', { architectures: ['LlamaForSequenceClassification'] }],
    ['hidden_size', { hidden_size: undefined }],
    ['hidden_size', { hidden_size: '64' }],
    ['hidden_size', { hidden_size: 1e30 }],
    ['intermediate_size', { intermediate_size: 0 }],
    ['num_hidden_layers', { num_hidden_layers: -1 }],
    ['num_attention_heads', { num_attention_heads: 1.5 }],
    ['num_key_value_heads', { num_key_value_heads: 3 }],
    ['num_key_value_heads', { num_key_value_heads: 16 }],
    ['head_dim', { head_dim: 7 }],
    ['head_dim', { num_attention_heads: 7 }],
    ['head_dim', { hidden_size: 72 }],
    ['vocab_size', { vocab_size: null }],
    ['max_position_embeddings', { max_position_embeddings: 0 }],
    ['rms_norm_eps', { rms_norm_eps: -1e-6 }],
    ['rope_theta', { rope_theta: 0 }],
    ['rope_scaling.rope_type', { rope_scaling: { rope_type: 'yarn', factor: 4 } }],
    ['rope_scaling.type', { rope_scaling: { type: 'linear', factor: 4 } }],
    ['rope_scaling.factor', { rope_scaling: { ...SCALING, factor: 0.5 } }],
    ['rope_scaling.high_freq_factor', { rope_scaling: { ...SCALING, high_freq_factor: 1 } }],
    ['rope_scaling.low_freq_factor', { rope_scaling: { ...SCALING, low_freq_factor: undefined } }],
    ['rope_scaling', { rope_scaling: 4 }],
    ['sliding_window', { sliding_window: 0 }],
    ['sliding_window', { layer_types: ['sliding_attention', 'full_attention', 'full_attention'] }],
    ['layer_types', { layer_types: ['full_attention'] }],
    ['layer_types', { layer_types: ['full_attention', 'full_attention', 'chunked_attention'] }],
    ['tie_word_embeddings', { tie_word_embeddings: 'yes' }],
    ['eos_token_id', { eos_token_id: 512 }],
    ['eos_token_id', { eos_token_id: [1, 'x'] }],
    ['bos_token_id', { bos_token_id: -1 }],
    ['attention_bias', { attention_bias: true }],
    ['mlp_bias', { mlp_bias: true }],
    ['hidden_act', { hidden_act: 'gelu' }],
    ['partial_rotary_factor', { partial_rotary_factor: 0.5 }],
    ['quantization_config', { quantization_config: { quant_method: 'gptq' } }],
    ['num_local_experts', { num_local_experts: 4 }],
    ['num_experts_per_tok', { model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 5 }],
  ])('names %s where it is wrong or not supported: %j', (field, fields) => {
    expect(() => read({ ...LEAST, ...fields })).toThrow(
      expect.objectContaining({
        code: 'ERR_MODEL_INVALID',
        details: expect.objectContaining({
          file: expect.stringMatching(/config\.json$/),
          field,
          expected: expect.any(String),
          found: expect.any(String),
        }),
      }),
    );
  });

  test.each([
    ['no JSON', '{"model_type": '],
    ['a list', '[]'],
    ['a name twice', '{"model_type":"llama","hidden_size":64,"hidden_size":65}'],
    ['a name twice, escaped once', '{"model_type":"llama","hidden_size":64,"hidden\\u005fsize":65}'],
    ['lists in lists', '['.repeat(100_000)],
    ['nothing', ''],
  ])('with %s is refused', (_what, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
  });

  test('may repeat a name in another object, and hold texts that look like names', () => {
    const text = JSON.stringify({ ...LEAST, a: { b: 1 }, c: [{ b: '"b":' }, { b: 2 }], 'a\\"': 'a:' });
    expect(read(text).hiddenSize).toBe(64);
  });
});
