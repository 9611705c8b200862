import { describe, expect, test } from 'vitest';
import {
  type Checkpoint,
  openModel,
  type RandomModelOptions,
  randomCheckpoint,
  tensorShapes,
} from '../../../dist/checkpoint/index.js';
import { fnv1a } from '../../../dist/numbers.js';
import { DecoderOracle } from '../../oracles/decoder-oracle.js';

/** A hash of all bits of a model. */
function bitsOf(checkpoint: Checkpoint): number {
  return [...tensorShapes(checkpoint.config)].reduce(
    (hash, [name, shape]) => fnv1a(new Uint32Array(checkpoint.tensor(name, shape).buffer), hash),
    fnv1a([]),
  );
}

const refused = (field: string) =>
  expect.objectContaining({ code: 'ERR_MODEL_INVALID', details: expect.objectContaining({ field }) });

describe('a model of a seed', () => {
  test('has the numbers that are given, and small ones else', () => {
    expect(randomCheckpoint({ kind: 'dense' }).config).toMatchObject({
      modelType: 'llama',
      hiddenSize: 64,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      vocabSize: 512,
      maxPositions: 512,
      experts: 0,
      layerWindows: [0, 0],
    });
    expect(randomCheckpoint({ kind: 'moe', layers: 3 }).config).toMatchObject({
      modelType: 'mixtral',
      layers: 3,
      experts: 4,
      expertsPerToken: 2,
    });
    const ropeScaling = {
      kind: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 64,
    } as const;
    const given = {
      hiddenSize: 48,
      heads: 6,
      kvHeads: 3,
      headDim: 4,
      vocabSize: 33,
      tiedEmbeddings: true,
      ropeScaling,
    };
    expect(randomCheckpoint({ kind: 'dense', ...given, eosTokenIds: [3, 4] }).config).toMatchObject({
      ...given,
      eosTokenIds: [3, 4],
    });
    expect(randomCheckpoint({ kind: 'dense', slidingWindow: 5 }).config).toMatchObject({
      modelType: 'mistral',
      layerWindows: [5, 5],
    });
    expect(randomCheckpoint({ kind: 'moe', layerWindows: [0, 9] }).config).toMatchObject({ slidingWindow: 9 });
  });

  test('has the tensors of its layout, each of its shape', () => {
    for (const options of [{ kind: 'dense' }, { kind: 'dense', tiedEmbeddings: true }, { kind: 'moe' }] as const) {
      const checkpoint = randomCheckpoint(options);
      const shapes = tensorShapes(checkpoint.config);
      expect(checkpoint.names).toEqual([...shapes.keys()]);
      expect(checkpoint.names.includes('lm_head.weight')).toBe(!checkpoint.config.tiedEmbeddings);
      for (const [name, shape] of shapes) {
        expect(checkpoint.dtypeOf(name)).toBe('F32');
        expect(checkpoint.tensor(name, shape)).toHaveLength(shape.reduce((product, size) => product * size, 1));
      }
    }
    const { names } = randomCheckpoint({ kind: 'moe', experts: 2, layers: 1 });
    expect(names.filter((name) => name.includes('moe'))).toEqual(
      ['gate', 'experts.0.w1', 'experts.0.w2', 'experts.0.w3', 'experts.1.w1', 'experts.1.w2', 'experts.1.w3'].map(
        (name) => `model.layers.0.block_sparse_moe.${name}.weight`,
      ),
    );
  });

  test('has the same bits everywhere: these', () => {
    expect(bitsOf(randomCheckpoint({ kind: 'dense' })) >>> 0).toBe(897_366_660);
    expect(bitsOf(randomCheckpoint({ kind: 'moe', seed: 7 })) >>> 0).toBe(997_620_886);
    const first = randomCheckpoint({ kind: 'dense' }).tensor('model.layers.0.self_attn.q_proj.weight', [64, 64]);
    expect([...new Uint32Array(first.buffer.slice(0, 12))]).toEqual([3_188_813_944, 3_176_244_460, 1_038_256_990]);
  });

  test('has other weights for another seed, another tensor, and none that repeats', () => {
    const shape = [64, 64];
    const at = (seed: number, name: string) =>
      randomCheckpoint({ kind: 'dense', seed }).tensor(`model.layers.${name}.weight`, shape);
    const [a, b, c] = [at(0, '0.self_attn.q_proj'), at(1, '0.self_attn.q_proj'), at(0, '1.self_attn.q_proj')];
    for (const other of [b, c]) {
      const alike = a.filter((value, i) => value === other[i]).length;
      expect(alike).toBeLessThan(10);
    }
    expect(new Set(a).size).toBeGreaterThan(4090);
    const mean = a.reduce((sum, value) => sum + value, 0) / a.length;
    const variance = a.reduce((sum, value) => sum + value * value, 0) / a.length;
    expect(Math.abs(mean)).toBeLessThan(0.005);
    expect(variance * 64).toBeGreaterThan(0.9);
    expect(variance * 64).toBeLessThan(1.1);
  });

  test.each(['random:dense', 'random:moe', 'random:dense,slidingWindow=4,layers=3'])(
    '%s speaks, and does not repeat one word',
    (name) => {
      const oracle = new DecoderOracle(openModel(name));
      for (const prompt of [
        [1, 5, 9],
        [1, 300],
      ]) {
        const said = oracle.greedy(prompt, 28, []);
        expect(new Set(said).size).toBeGreaterThan(6);
      }
    },
  );

  test.each<[string, Partial<RandomModelOptions>]>([
    ['head_dim', { hiddenSize: 65 }],
    ['hidden_size', { hiddenSize: Number.NaN, headDim: 4 }],
    ['num_hidden_layers', { layers: 0 }],
    ['num_hidden_layers', { layers: 1e9 }],
    ['rope_theta', { ropeTheta: Number.POSITIVE_INFINITY }],
    ['num_experts_per_tok', { kind: 'moe', expertsPerToken: 9 }],
    ['seed', { seed: -1 }],
    ['seed', { seed: 0.5 }],
    ['kind', { kind: 'sparse' as 'moe' }],
    ['model_type', { modelType: 'gpt2' }],
    ['num_local_experts', { experts: 4 }],
    ['the options', { modelType: 'mixtral' }],
    ['the options', { kind: 'moe', experts: 0, modelType: 'llama' }],
    ['the options', { layerWindows: [3, 4] }],
    ['the options', { layerWindows: [3] }],
    ['an option', { width: 3 } as Partial<RandomModelOptions>],
  ])('names %s where the options are wrong: %j', (field, options) => {
    expect(() => randomCheckpoint({ kind: 'dense', ...options })).toThrow(refused(field));
  });

  test('refuses tensors that it does not have', () => {
    const checkpoint = randomCheckpoint({ kind: 'dense', tiedEmbeddings: true });
    expect(() => checkpoint.tensor('lm_head.weight', [512, 64])).toThrow(refused('tensor "lm_head.weight"'));
    expect(() => checkpoint.dtypeOf('toString')).toThrow(refused('tensor "toString"'));
    expect(() => checkpoint.tensor('model.norm.weight', [65])).toThrow(
      refused('the shape of tensor "model.norm.weight"'),
    );
  });
});

describe('the name of a model', () => {
  test('may be that of a random one, with options', () => {
    const named = openModel(
      'random:dense,seed=3,layers=3,tiedEmbeddings=true,eosTokenIds=2+7,bosTokenIds=none,ropeTheta=5e5',
    );
    const eosTokenIds = [2, 7];
    const options = { seed: 3, layers: 3, tiedEmbeddings: true, eosTokenIds, bosTokenIds: [], ropeTheta: 5e5 };
    const made = randomCheckpoint({ kind: 'dense', ...options });
    expect(named.config).toEqual(made.config);
    expect(bitsOf(named)).toBe(bitsOf(made));
    expect(named.path).toBe(null);
  });

  test.each([
    ['kind', 'random:'],
    ['kind', 'random:sparse'],
    ['an option', 'random:dense,layers'],
    ['an option', 'random:dense,layers='],
    ['an option', 'random:dense,width=3'],
    ['an option', 'random:dense,layers=2,layers=3'],
    ['an option', 'random:dense,kind=moe'],
    ['an option', 'random:dense,'],
    ['num_hidden_layers', 'random:dense,layers=two'],
    ['num_hidden_layers', 'random:dense,layers=Infinity'],
    ['eos_token_id', 'random:dense,eosTokenIds=2+'],
    ['tie_word_embeddings', 'random:dense,tiedEmbeddings=1'],
  ])('names %s where it is wrong: %s', (field, name) => {
    expect(() => openModel(name)).toThrow(refused(field));
  });
});
