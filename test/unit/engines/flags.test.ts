import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  capturedBy,
  ENGINE_NAMES,
  type EngineName,
  emitCaptured,
  emitFlags,
  engineLadder,
  parseFlags,
} from '../../../dist/engines/index.js';
import { runs } from '../../support/property-runs.js';

const LIMITS = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 1 };
const LADDER = [1, 2, 4, 12, 48, 256];
const invalid = (fragment: string) =>
  expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(fragment) });

describe('a ladder as flags', () => {
  test.each<[EngineName, string]>([
    ['vllm', '--cudagraph-capture-sizes 1 2 4 12 48 256'],
    ['sglang', '--cuda-graph-bs-decode 1 2 4 12 48 256'],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1, 2, 4, 12, 48, 256], enable_padding: true}'],
    ['atom', '--cudagraph-capture-sizes "[1,2,4,12,48,256]"'],
  ])('%s takes the list as it is', (engine, flags) => {
    expect(emitFlags(engine, LADDER, LIMITS)).toMatchObject({ flags, sizes: LADDER, exact: true });
  });

  test('vLLM counts tokens, the others requests', () => {
    const limits = { ...LIMITS, queryLen: 3 };
    // 4 tokens are two requests, 1000 more than there can be.
    const ladder = [3, 4, 24, 1000];
    expect(emitFlags('vllm', ladder, limits)).toMatchObject({
      flags: '--cudagraph-capture-sizes 3 6 24 768',
      sizes: [3, 6, 24, 768],
      exact: true,
    });
    expect(emitFlags('sglang', ladder, limits)).toMatchObject({
      flags: '--cuda-graph-bs-decode 1 2 8 256',
      sizes: [3, 6, 24, 768],
      exact: true,
    });
  });

  test('Megatron gets the nearest number of graphs, no more than the ladder has', () => {
    const halves = [1, 2, 4, 8, 16, 32, 64, 128, 256];
    expect(emitFlags('megatron', halves, LIMITS)).toEqual({
      flags:
        '--inference-dynamic-batching-num-cuda-graphs -1 --inference-dynamic-batching-cuda-graph-sizing-distribution exponential',
      sizes: halves,
      exact: true,
      note: expect.stringContaining('takes no list'),
    });
    expect(emitFlags('megatron', [64, 128, 192, 256], LIMITS)).toMatchObject({
      flags:
        '--inference-dynamic-batching-num-cuda-graphs 4 --inference-dynamic-batching-cuda-graph-sizing-distribution linear',
      sizes: [64, 128, 192, 256],
      exact: true,
    });
    const other = emitFlags('megatron', LADDER, LIMITS);
    expect(other).toMatchObject({ exact: false, note: expect.stringContaining('does not capture') });
    expect(other.sizes.length).toBeLessThanOrEqual(LADDER.length);
  });

  test('what the engine drops, or captures besides, is said', () => {
    const limits = { ...LIMITS, maxNumBatchedTokens: 100 };
    expect(emitFlags('vllm', LADDER, limits)).toMatchObject({
      sizes: [1, 2, 4, 12, 48],
      exact: false,
      note: 'it does not capture 256',
    });
    expect(emitFlags('atom', LADDER, limits)).toMatchObject({ sizes: [1, 2, 4, 12, 48], exact: false });
    expect(emitFlags('trtllm', LADDER, limits)).toMatchObject({
      sizes: [1, 2, 4, 12, 48, 100],
      exact: false,
      note: 'it does not capture 256 and captures 100 besides',
    });
  });

  test('no sizes, or none that a step can have, are refused', () => {
    const refused = (fragment: string) =>
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining(fragment) });
    expect(() => emitFlags('vllm', [], LIMITS)).toThrowError(refused('there are no sizes'));
    expect(() => emitFlags('atom', [0], LIMITS)).toThrowError(refused('a size is 0'));
    expect(() => emitFlags('sglang', [64], { ...LIMITS, maxNumBatchedTokens: 63 })).toThrowError(refused('64 tokens'));
    expect(() => emitFlags('x' as EngineName, [1], LIMITS)).toThrowError(refused('is not a known engine'));
  });

  test('parsed back, the flags say every graph that was promised, with those of prefills and drafts by batch size', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 });
    const drafts = fc.integer({ min: 0, max: 4 });
    const schedule = fc.tuple(fc.integer({ min: 1, max: 120 }), drafts, drafts).map(([maxRequests, few, many]) => [
      { maxRequests, drafts: few },
      { maxRequests: null, drafts: many },
    ]);
    fc.assert(
      fc.property(
        fc.constantFrom(...ENGINE_NAMES),
        sizes,
        fc.option(sizes, { nil: [] }),
        fc.option(schedule, { nil: undefined }),
        fc.integer({ min: 1, max: 120 }),
        (engine, ladder, prefillSizes, draftSchedule, maxNumSeqs) => {
          const queryLen = 1 + Math.max(...(draftSchedule ?? []).map((tier) => tier.drafts), 0);
          const limits = { maxNumSeqs, maxNumBatchedTokens: 4000, queryLen };
          const profile = { padding: true, ...(draftSchedule && { draftSchedule }) };
          const { emitted, captured } = emitCaptured(engine, ladder, limits, { prefillSizes, profile });
          expect(capturedBy(engine, emitted.flags, limits, { profile: { padding: true } })).toEqual(captured);
        },
      ),
      runs(400),
    );
  });

  test('as many sizes as there can be are written', () => {
    const ladder = Array.from({ length: 10_000 }, (_, index) => 1 + index);
    const limits = { maxNumSeqs: 10_000, maxNumBatchedTokens: 10_000, queryLen: 1 };
    for (const engine of ENGINE_NAMES.filter((name) => name !== 'megatron')) {
      expect(emitFlags(engine, ladder, limits)).toMatchObject({ sizes: ladder, exact: true });
    }
  });

  test('parsed back, the flags say what was promised, and exactly the ladder where it is exact', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ENGINE_NAMES),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 }),
        fc.record({
          maxNumSeqs: fc.integer({ min: 1, max: 120 }),
          maxNumBatchedTokens: fc.integer({ min: 900, max: 4000 }),
          queryLen: fc.integer({ min: 1, max: 5 }),
        }),
        (engine, ladder, limits) => {
          const { flags, sizes, exact } = emitFlags(engine, ladder, limits);
          expect(parseFlags(engine, flags, limits)).toEqual(sizes);
          const whole = ladder.map((size) => Math.min(Math.ceil(size / limits.queryLen), limits.maxNumSeqs));
          const wanted = [...new Set(whole)].sort((a, b) => a - b).map((requests) => requests * limits.queryLen);
          expect(exact).toBe(JSON.stringify(sizes) === JSON.stringify(wanted));
          // Every step has at most 900 tokens here, so that only Megatron can differ.
          if (engine !== 'megatron') expect(exact).toBe(true);
        },
      ),
      runs(300),
    );
  });

  test("every engine's own default goes there and back", () => {
    for (const engine of ENGINE_NAMES) {
      const { decodeSizes } = engineLadder(engine, LIMITS);
      expect(emitFlags(engine, decodeSizes, LIMITS).sizes).toEqual(decodeSizes);
    }
  });
});

describe('flags as the engine reads them', () => {
  test('white space without end in a configuration is refused as soon as it is read', () => {
    const text = `cuda_graph_config: {a:${' '.repeat(100_000)}[}`;
    expect(() => parseFlags('trtllm', text, { maxNumSeqs: 8, maxNumBatchedTokens: 8, queryLen: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID' }),
    );
  });

  test.each<[EngineName, string, number[]]>([
    ['vllm', 'vllm serve m --cudagraph-capture-sizes 8 1 2 8 --port 8000', [1, 2, 8]],
    ['vllm', '--cudagraph-capture-sizes 4 \\\n  9000 --disable-log-requests', [4]],
    ['vllm', '--max-cudagraph-capture-size 42', [1, 2, 4, 8, 16, 24, 32, 40]],
    ['vllm', '--max-cudagraph-capture-size=6 --performance-mode interactivity', [1, 2, 3, 4, 5, 6]],
    ['vllm', `--compilation-config '{"cudagraph_capture_sizes": [1, 16]}'`, [1, 16]],
    ['vllm', `-cc '{"max_cudagraph_capture_size": 9}'`, [1, 2, 4, 8]],
    ['vllm', '--cudagraph-capture-sizes 1 2 --max-cudagraph-capture-size 2', [1, 2]],
    ['vllm', '--enforce-eager', []],
    ['sglang', '--cuda-graph-bs 1 2 4 --tp 8', [1, 2, 4]],
    ['sglang', '--cuda-graph-bs-decode 1 --cuda-graph-bs-decode 2 3', [2, 3]],
    ['sglang', '--cuda-graph-max-bs-decode 13', [1, 2, 4, 8, 12, 13]],
    ['sglang', '--cuda-graph-max-bs 3 --disable-cuda-graph-padding', [1, 2, 3]],
    ['sglang', '--cuda-graph-bs-decode 1 500', [1, 256]],
    ['sglang', '--disable-cuda-graph', []],
    ['sglang', '--cuda-graph-backend-decode disabled --cuda-graph-bs-decode 1', []],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [4, 1], enable_padding: false}', [1, 4]],
    ['trtllm', 'cuda_graph_config: null\n', []],
    [
      'trtllm',
      'max_seq_len: 4096\ncuda_graph_config:\n  max_batch_size: 12\n  enable_padding: true # or not',
      [1, 2, 4, 8, 12],
    ],
    [
      'trtllm',
      'cuda_graph_config:\n  enable_padding: true\n  batch_sizes:\n  - 1\n  - 2\nkv_cache_config:\n  dtype: fp8',
      [1, 2],
    ],
    ['trtllm', 'cuda_graph_config: {\n  "batch_sizes": [1, 2,\n    300],\n  "enable_padding": true\n}', [1, 2, 256]],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1, 2, 300]}', [1, 2]],
    ['trtllm', 'cuda_graph_config: { batch_sizes : [ 1, 2 ] , enable_padding :  false  }', [1, 2]],
    ['atom', '--cudagraph-capture-sizes "[1, 2, 600]" --level 3', [1, 2]],
    ['atom', "--cudagraph-capture-sizes='[]'", []],
    ['atom', '--cudagraph-capture-sizes [4] --enforce-eager', []],
    ['megatron', '--inference-dynamic-batching-num-cuda-graphs 3', [1, 128, 256]],
    ['megatron', '--inference-dynamic-batching-num-cuda-graphs 0', [256]],
  ])('%s: %j', (engine, text, sizes) => {
    expect(parseFlags(engine, text, LIMITS)).toEqual(sizes);
  });

  test('SGLang captures more batches where it speculates, each of that many tokens', () => {
    const sizes = parseFlags('sglang', '--cuda-graph-max-bs-decode 10', { ...LIMITS, queryLen: 2 });
    expect(sizes).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 20]);
  });

  test.each<[EngineName, string, string]>([
    ['vllm', 'vllm serve m', 'expected --cudagraph-capture-sizes'],
    ['vllm', '--cudagraph-capture-sizes 1 two', 'two'],
    ['vllm', '--cudagraph-capture-sizes 9000', 'no capture size is left'],
    ['vllm', '--cudagraph-capture-sizes 1 2 --max-cudagraph-capture-size 4', 'give one of the two'],
    ['vllm', "-cc '{'", 'it must be JSON'],
    ['sglang', '--cuda-graph-max-bs-decode 1 2', 'takes one value'],
    ['sglang', '--tp 8', 'expected --cuda-graph-bs-decode'],
    ['trtllm', 'kv_cache_config: {}', 'there is no cuda_graph_config'],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1], padding: true}', 'has no "padding"'],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1], max_batch_size: 2}', 'give one of the two'],
    ['trtllm', 'cuda_graph_config: {batch_sizes: 4}', 'it must be a list'],
    ['trtllm', 'cuda_graph_config: {enable_padding: maybe}', 'true or false'],
    ['trtllm', 'cuda_graph_config: {batch_sizes: [1', 'This is no YAML'],
    ['atom', '--cudagraph-capture-sizes 1 2', 'takes one value'],
    ['atom', '--cudagraph-capture-sizes 8', 'it must be a list'],
    ['atom', '--level 3', 'expected --cudagraph-capture-sizes'],
    ['megatron', '--inference-dynamic-batching-num-cuda-graphs many', 'it must be an integer'],
    ['megatron', '--inference-dynamic-batching', 'expected --inference-dynamic-batching-num-cuda-graphs'],
  ])('%s: %j is refused', (engine, text, fragment) => {
    expect(() => parseFlags(engine, text, LIMITS)).toThrowError(invalid(fragment));
  });
});
