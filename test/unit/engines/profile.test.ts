import { describe, expect, test } from 'vitest';
import { engineCapture, readProfile } from '../../../dist/engines/index.js';

describe('an engine as somebody runs it, from text', () => {
  test.each([
    ['vllm@0.12', { engine: 'vllm', release: '0.12' }, []],
    ['vllm serve m --max-num-seqs 100 -tp 4 --foo 3', { maxNumSeqs: 100, tensorParallelSize: 4 }, ['--foo 3']],
    ['VLLM_USE_V2_MODEL_RUNNER=0 vllm serve m', { runner: 'v1' }, []],
    ['vllm serve m --max-num-batched-tokens 8k', { maxNumBatchedTokens: 8000 }, []],
    [
      'docker run --gpus all vllm/vllm-openai:v0.12.0 --model m --max-num-seqs 16',
      { release: '0.12.0', maxNumSeqs: 16 },
      [],
    ],
    [
      'python3 -m sglang.launch_server --model-path x --tp 8 --dp 4 --enable-dp-attention --cuda-graph-max-bs 16',
      { engine: 'sglang', maxSize: 16, attentionTpSize: 2, gathered: true },
      [],
    ],
    [
      'python -m atom.entrypoints.openai_server --model m',
      { engine: 'atom', maxNumSeqs: 512, maxNumBatchedTokens: 16384 },
      [],
    ],
    ['trtllm-serve m --max_batch_size 64', { engine: 'trtllm', maxNumSeqs: 64, padding: false }, []],
    ['cuda_graph_config: {batch_sizes: [1, 2]}', { engine: 'trtllm', sizes: [1, 2] }, []],
    ['{"engine":"megatron","allPrefills":true,"odd":1}', { engine: 'megatron', allPrefills: true }, ['odd']],
  ])('%s', (text, profile, unknown) => {
    const read = readProfile(text);
    expect(read.profile).toMatchObject(profile);
    expect(read.unknown).toEqual(unknown);
  });

  test.each(['', 'nothing', '--port 80', 'llama serve m'])('%j names no engine', (text) => {
    expect(() => readProfile(text)).toThrowError(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
  });

  test('an impossible profile is refused with every fault', () => {
    const wrong = '{"engine":"vllm","maxNumSeqs":0,"graphMode":"SOME"}';
    expect(() => readProfile(wrong)).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(/graphMode.*maxNumSeqs/s) }),
    );
  });
});

describe("vLLM's graph modes", () => {
  const modes = (more: object): [string, number, number, number] => {
    const { mode, decodeSizes, piecewiseSizes, mixed } = engineCapture({ engine: 'vllm', maxNumSeqs: 8, ...more });
    return [mode, decodeSizes.length, piecewiseSizes.length, mixed.length];
  };
  test.each([
    [{}, ['FULL_AND_PIECEWISE', 4, 5, 0]],
    [{ graphMode: 'NONE' }, ['NONE', 0, 0, 0]],
    [{ graphMode: 'PIECEWISE' }, ['PIECEWISE', 0, 5, 0]],
    [{ graphMode: 'FULL' }, ['FULL', 4, 0, 5]],
    [{ graphMode: 'FULL_DECODE_ONLY' }, ['FULL_DECODE_ONLY', 4, 0, 0]],
    [{ enforceEager: true }, ['NONE', 0, 0, 0]],
    [{ attentionSupport: 'never' }, ['PIECEWISE', 0, 5, 0]],
    [{ graphMode: 'FULL', attentionSupport: 'uniform-batch' }, ['FULL_AND_PIECEWISE', 4, 5, 0]],
    [{ attentionSupport: 'uniform-single', queryLen: 2 }, ['PIECEWISE', 0, 7, 0]],
    [{ sequenceParallel: true, tensorParallelSize: 2 }, ['FULL', 3, 0, 4]],
  ])('%j', (more, found) => {
    expect(modes(more)).toEqual(found);
  });

  test('LoRA cases are variants of every graph', () => {
    const plain = engineCapture({ engine: 'vllm', maxNumSeqs: 8 }).keys.length;
    const { keys } = engineCapture({ engine: 'vllm', maxNumSeqs: 8, maxLoras: 4, specializeLoras: true });
    expect([...new Set(keys.map(({ variant }) => variant))].sort()).toEqual([0, 1, 2, 4, 5]);
    expect(keys).toHaveLength(5 * plain);
    expect(engineCapture({ engine: 'vllm', maxNumSeqs: 8, maxLoras: 4 }).keys).toHaveLength(plain);
  });
});
