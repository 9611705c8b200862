import { describe, expect, test } from 'vitest';
import {
  atomCaptureSizes,
  ENGINE_NAMES,
  type EngineName,
  engineLadder,
  LADDER_NAMES,
  type LadderName,
  type MegatronConfig,
  matchMegatronShapes,
  megatronShapes,
  namedLadder,
  parseLadder,
  sglangAlignSizes,
  sglangDecodeSizes,
  sglangMaxBatch,
  sglangPrefillSizes,
  TRTLLM_PIECEWISE_SIZES,
  trtllmDecodeSizes,
  trtllmEngineFilter,
  trtllmPiecewiseFilter,
  vllmCaptureSizes,
} from '../../../dist/engines/index.js';
import { pythonSetOrder } from '../../../dist/engines/megatron/python-set.js';

const LIMITS = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 1, maxModelLen: 32768 };
const invalid = (fragment: string) =>
  expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining(fragment) });

describe("SGLang's ladders", () => {
  test.each([
    [512, false, 52],
    [256, false, 36],
    [160, false, 24],
    [80, false, 14],
    [24, false, 7],
    [512, true, 67],
    [256, true, 51],
    [160, true, 39],
  ])('up to %i requests, speculating %s: %i graphs', (maxBatch, speculative, graphs) => {
    expect(sglangDecodeSizes({ maxBatch, speculative })).toHaveLength(graphs);
  });

  test('the largest batch is always captured, and without padding every batch', () => {
    expect(sglangDecodeSizes({ maxBatch: 21 })).toEqual([1, 2, 4, 8, 12, 16, 21]);
    expect(sglangDecodeSizes({ maxBatch: 5, padding: false, speculative: true })).toEqual([1, 2, 3, 4, 5]);
  });

  test.each([
    [2048, 42, 2048],
    [4096, 50, 4096],
    [8192, 58, 8192],
    [16384, 74, 16384],
    [500, 29, 480],
  ])('prefills up to %i tokens: %i graphs up to %i', (maxTokens, graphs, largest) => {
    const sizes = sglangPrefillSizes({ maxTokens });
    expect(sizes).toHaveLength(graphs);
    expect(sizes.at(-1)).toBe(largest);
  });

  test.each([
    [16, 1, 8],
    [24, 4, 160],
    [48, 2, 32],
    [80, 1, 256],
    [80, 4, 512],
    [141, 8, 512],
    [192, 1, 512],
  ])('a GPU of %i GB and tensor parallelism of %i: up to %i requests', (memoryGb, tensorParallelSize, most) => {
    expect(sglangMaxBatch({ memoryGb, tensorParallelSize })).toBe(most);
  });

  test('alignment to overlap, to gathering ranks, and to both', () => {
    const sizes = sglangDecodeSizes({ maxBatch: 32 });
    const options = { sizes, poolSize: 4096 };
    expect(sglangAlignSizes({ ...options, twoBatchOverlap: true })).toEqual([2, 4, 8, 12, 16, 24, 32]);
    expect(sglangAlignSizes({ ...options, attentionTpSize: 4, gathered: true })).toEqual([4, 8, 12, 16, 24, 32]);
    expect(sglangAlignSizes({ ...options, attentionTpSize: 4, gathered: true, twoBatchOverlap: true })).toEqual([
      8, 16, 24, 32,
    ]);
    expect(sglangAlignSizes({ ...options, attentionTpSize: 4, gathered: true, queryLen: 4 })).toEqual(sizes);
    expect(sglangAlignSizes({ ...options, attentionCpSize: 3 })).toEqual([12, 24]);
    expect(sglangAlignSizes({ ...options, twoBatchOverlap: true, attentionCpSize: 2 })).toEqual([
      2, 4, 8, 12, 16, 24, 32,
    ]);
  });

  test('a pool that is smaller ends the list, rounded up; dispatch bounds tokens', () => {
    const sizes = [1, 2, 4, 8, 12, 16, 24];
    expect(sglangAlignSizes({ sizes, poolSize: 15, twoBatchOverlap: true })).toEqual([2, 4, 8, 12, 16]);
    expect(sglangAlignSizes({ sizes, poolSize: 13 })).toEqual([1, 2, 4, 8, 12, 13]);
    expect(sglangAlignSizes({ sizes, poolSize: 99, queryLen: 3, maxDispatchTokens: 24 })).toEqual([1, 2, 4, 8]);
  });

  test('where no batch is left, that is said', () => {
    const options = { sizes: [1, 2, 3], poolSize: 99, attentionTpSize: 8, gathered: true };
    expect(() => sglangAlignSizes(options)).toThrowError(invalid('a multiple of 8'));
    expect(() => sglangAlignSizes({ sizes: [], poolSize: 0 })).toThrowError(invalid('there are no sizes to align'));
  });
});

describe("TensorRT-LLM's ladders", () => {
  test.each([
    [128, true, 19],
    [128, false, 34],
    [256, true, 21],
    [256, false, 35],
    [2048, true, 49],
    [2048, false, 38],
  ])('up to %i requests, padding %s: %i graphs', (maxBatch, padding, graphs) => {
    expect(trtllmDecodeSizes({ maxBatch, padding })).toHaveLength(graphs);
  });

  test('0 means 128, and the largest is always captured', () => {
    expect(trtllmDecodeSizes({ maxBatch: 0 })).toEqual(trtllmDecodeSizes());
    expect(trtllmDecodeSizes({ maxBatch: 129, padding: true }).slice(-2)).toEqual([128, 129]);
    expect(trtllmDecodeSizes({ maxBatch: 320, padding: true }).slice(-4)).toEqual([128, 192, 256, 320]);
  });

  test.each([
    [8, 24, false, [1, 2, 4, 8]],
    [8, 6, false, [1, 2]],
    [8, 2, false, []],
    [2, 24, false, [1, 2]],
    [6, 100, true, [1, 2, 4, 6]],
    [100, 21, true, [1, 2, 4, 7]],
    [100, 100, true, [1, 2, 4, 8]],
  ])('an engine of %i requests and %i tokens, 3 a request, padding %s', (maxBatch, maxNumTokens, padding, kept) => {
    const options = { sizes: [1, 2, 4, 8], maxBatch, maxNumTokens, tokensPerRequest: 3, padding };
    expect(trtllmEngineFilter(options)).toEqual(kept);
  });

  test.each([
    [[64, 120, 128, 200, 256], 256, 1, 128, 0, [64, 120, 127], [128, 200, 256]],
    [[512, 8192, 13914], 65536, 896, 32768, 0, [512, 8192, 13914], []],
    [[1, 2, 4], 8, 1, 1, 0, [], [1, 2, 4]],
    [[1, 64, 128], 129, 1, 129, 0, [1, 64, 128], []],
    [[64, 100, 120], 128, 1, 128, 9, [64, 100, 118], [120]],
    [[64, 100, 120], 128, 1, 128, 5, [64, 100, 120], []],
  ])(
    'piecewise %j in %i tokens, %i requests of %i, %i extra',
    (sizes, maxNumTokens, maxBatch, maxSequenceLength, extraTokens, kept, unreachable) => {
      expect(trtllmPiecewiseFilter({ sizes, maxNumTokens, maxBatch, maxSequenceLength, extraTokens })).toEqual({
        sizes: kept,
        unreachable,
      });
    },
  );

  test('20 piecewise sizes by default', () => {
    expect(TRTLLM_PIECEWISE_SIZES).toHaveLength(20);
    const wide = { maxNumTokens: 8192, maxBatch: 64, maxSequenceLength: 4096 };
    expect(trtllmPiecewiseFilter(wide)).toEqual({ sizes: [...TRTLLM_PIECEWISE_SIZES], unreachable: [] });
  });
});

describe("Megatron's shapes", () => {
  const decodes = (config: Partial<MegatronConfig>): number[] =>
    megatronShapes({
      maxRequests: 64,
      maxTokens: 512,
      maxSequenceLength: 4096,
      nonDecodeGraphs: false,
      ...config,
    }).map(([tokens]) => tokens);

  test('halves of the largest; too many give way from below, but for the smallest', () => {
    expect(decodes({ numGraphs: -1 })).toEqual([64, 32, 16, 8, 4, 2, 1]);
    expect(decodes({ numGraphs: 4 })).toEqual([64, 32, 16, 1]);
    expect(decodes({ numGraphs: 1 })).toEqual([64]);
    expect(decodes({ numGraphs: 0 })).toEqual([64]);
    expect(decodes({ numGraphs: null })).toEqual([]);
  });

  test("even steps, or vLLM's grid", () => {
    expect(decodes({ numGraphs: 4, distribution: 'linear' })).toEqual([64, 48, 32, 16]);
    expect(decodes({ numGraphs: 5, distribution: 'linear' })).toEqual([64, 60, 48, 36, 24, 12]);
    expect(decodes({ numGraphs: -1, distribution: 'linear' })).toEqual([64, 56, 48, 40, 32, 24, 16, 8, 4, 2, 1]);
  });

  test('on automatic one and two requests are captured whatever the alignment', () => {
    expect(decodes({ numGraphs: -1, numSpeculativeTokens: 2, tensorParallelSize: 8 })).toEqual([192, 96, 48, 24]);
    expect(decodes({ numGraphs: 16, numSpeculativeTokens: 2, tensorParallelSize: 8 })).toEqual([192, 96, 48, 24]);
    expect(decodes({ numGraphs: -1, numSpeculativeTokens: 4, distribution: 'linear' }).slice(-3)).toEqual([15, 10, 5]);
  });

  test('mixed shapes are on a grid of prefills, or hold one number of them; the toggle turns them off', () => {
    const config = { maxRequests: 4, maxTokens: 8, maxSequenceLength: 100, numGraphs: 2 };
    expect(megatronShapes(config)).toEqual([
      [8, 4, 0],
      [8, 2, 2],
      [8, 1, 3],
      [4, 0, 4],
      [1, 0, 1],
    ]);
    expect(megatronShapes({ ...config, distribution: 'linear', mixedPrefillRequestCount: 1 })).toEqual([
      [8, 4, 0],
      [8, 1, 3],
      [4, 4, 0],
      [4, 1, 3],
      [4, 0, 4],
      [2, 0, 2],
    ]);
    const off = megatronShapes({ ...config, mixedPrefillRequestCount: 0 });
    expect(off).toEqual(megatronShapes({ ...config, nonDecodeGraphs: false }));
    expect(off.every(([, prefills]) => prefills === 0)).toBe(true);
    expect(megatronShapes({ ...config, mixedPrefillRequestCount: -1 })).toEqual(off);
  });

  test('prefills that are too long for few requests need more of them', () => {
    const shapes = megatronShapes({ maxRequests: 8, maxTokens: 64, maxSequenceLength: 17, numGraphs: 1 });
    expect(shapes.filter(([, prefills]) => prefills > 0)).toEqual([
      [64, 8, 0],
      [64, 4, 4],
    ]);
  });

  test('what a graph cannot hold is refused with every other fault', () => {
    const config = { maxRequests: 64, maxTokens: 63, maxSequenceLength: 4096 };
    expect(() => megatronShapes(config)).toThrowError(invalid('raise maxTokens or maxGraphTokens to 64'));
    expect(() => megatronShapes({ ...config, numGraphs: 1.5, tensorParallelSize: 0 })).toThrowError(
      expect.objectContaining({
        details: expect.objectContaining({ faults: [expect.any(String), expect.any(String)] }),
      }),
    );
  });

  test('a batch of decodes never takes a shape with prefills; strict keeps prefill slots for prefills', async () => {
    const shapes = [
      [64, 4, 12],
      [64, 0, 64],
      [32, 4, 4],
    ] as const;
    const batch = { numTokens: 20, numPrefillRequests: 2, numDecodeRequests: 6 };
    expect(await matchMegatronShapes(shapes, batch, false)).toEqual([32, 4, 4]);
    expect(await matchMegatronShapes(shapes, batch, true)).toEqual([64, 4, 12]);
    const decodes = { numTokens: 4, numPrefillRequests: 0, numDecodeRequests: 4 };
    expect(await matchMegatronShapes(shapes, decodes, false)).toEqual([64, 0, 64]);
    expect(await matchMegatronShapes(shapes, { ...batch, numPrefillRequests: 5 }, false)).toBeNull();
    expect(await matchMegatronShapes([], batch, false)).toBeNull();
  });
});

describe('the order of a Python set', () => {
  // Orders that CPython 3.11 printed.
  test.each([
    [
      [
        [266, 29, 24],
        [621, 1, 60],
        [619, 60, 8],
        [244, 16, 47],
        [735, 60, 60],
        [407, 19, 29],
      ],
      [1, 4, 2, 3, 0, 5],
    ],
    [
      // 20 tuples: the table has grown twice.
      [
        [699, 3, 35],
        [375, 12, 4],
        [799, 3, 34],
        [432, 64, 49],
        [649, 34, 36],
        [155, 2, 37],
        [555, 13, 27],
        [621, 20, 41],
        [353, 8, 52],
        [265, 55, 38],
        [140, 63, 27],
        [485, 49, 54],
        [777, 5, 38],
        [438, 53, 15],
        [405, 56, 17],
        [875, 61, 11],
        [688, 8, 20],
        [128, 8, 61],
        [588, 44, 52],
        [599, 29, 43],
      ],
      [12, 4, 19, 13, 11, 1, 0, 2, 8, 15, 16, 3, 17, 5, 6, 14, 7, 10, 9, 18],
    ],
  ])('%#', (tuples, order) => {
    expect(pythonSetOrder(tuples)).toEqual(order.map((index) => tuples[index]));
    expect(pythonSetOrder([...tuples, ...tuples])).toEqual(order.map((index) => tuples[index]));
  });
});

describe("ATOM's ladder", () => {
  test('1, 2, 4, 8, then by 16, as far as a step reaches', () => {
    const limits = { maxNumSeqs: 70, maxNumBatchedTokens: 8192 };
    expect(atomCaptureSizes(limits)).toEqual([1, 2, 4, 8, 16, 32, 48, 64]);
    expect(atomCaptureSizes({ ...limits, maxNumBatchedTokens: 100, queryLen: 3 })).toEqual([1, 2, 4, 8, 16, 32]);
    expect(atomCaptureSizes({ ...limits, maxNumSeqs: 4096 }).at(-1)).toBe(512);
    expect(atomCaptureSizes({ ...limits, sizes: [99, 3, 3, 70] })).toEqual([3, 70]);
  });
});

describe('default ladders of engines, in tokens', () => {
  test.each<[EngineName, number, number]>([
    ['vllm', 51, 512],
    ['sglang', 36, 256],
    ['trtllm', 19, 128],
    ['megatron', 9, 256],
    ['atom', 10, 256],
  ])('%s: %i sizes up to %i', (engine, graphs, largest) => {
    const ladder = engineLadder(engine, LIMITS);
    expect(ladder).toMatchObject({ engine });
    expect(ladder.sizes).toHaveLength(graphs);
    expect(ladder.sizes.at(-1)).toBe(largest);
    expect(ladder.sizes).toEqual([...ladder.sizes].sort((a, b) => a - b));
  });

  test.each<[EngineName, number[]]>([
    ['vllm', [3, 6, 9, 12, 15]],
    ['sglang', [3, 6, 9, 12, 15]],
    ['trtllm', [3, 6, 12, 15]],
    ['megatron', [6, 12, 15]],
    ['atom', [3, 6, 12]],
  ])('%s with three tokens a request and five requests', (engine, decodeSizes) => {
    expect(engineLadder(engine, { ...LIMITS, maxNumSeqs: 5, queryLen: 3 }).decodeSizes).toEqual(decodeSizes);
  });

  test('Megatron alone has shapes for prefills, and takes no more requests than a graph decodes', () => {
    const { sizes, mixed, notes } = engineLadder('megatron', { ...LIMITS, maxNumBatchedTokens: 512, queryLen: 4 });
    expect(mixed?.length).toBeGreaterThan(0);
    expect(mixed?.every(([tokens, prefills]) => prefills > 0 && tokens <= 512)).toBe(true);
    expect(sizes.at(-1)).toBe(512);
    expect(notes).toEqual([expect.stringContaining('this is for 128')]);
    for (const engine of ENGINE_NAMES.filter((name) => name !== 'megatron')) {
      expect(engineLadder(engine, LIMITS).mixed).toBeUndefined();
    }
  });

  test('a list that ends below what was asked for says so', () => {
    expect(engineLadder('vllm', LIMITS).notes).toEqual([]);
    expect(engineLadder('vllm', { ...LIMITS, maxNumSeqs: 21 }).notes).toEqual([
      expect.stringMatching(/42.*ends at 40/),
    ]);
  });

  test('an unknown engine, and limits that are none, are refused', () => {
    expect(() => engineLadder('vlm' as EngineName, LIMITS)).toThrowError(
      invalid('vllm, sglang, trtllm, megatron, atom'),
    );
    expect(() => engineLadder('sglang', { ...LIMITS, maxNumSeqs: 0, queryLen: 0 })).toThrowError(
      expect.objectContaining({
        details: expect.objectContaining({ faults: [expect.any(String), expect.any(String)] }),
      }),
    );
    expect(() => engineLadder('atom', { ...LIMITS, maxNumBatchedTokens: 2, queryLen: 3 })).toThrowError(
      invalid('queryLen'),
    );
  });
});

describe('ladders by name', () => {
  test("an engine's name is its default, and each is usable at any limits", () => {
    expect(LADDER_NAMES).toEqual(['vllm', 'sglang', 'trtllm', 'megatron', 'atom', 'vllm-interactive']);
    for (const engine of ENGINE_NAMES) {
      expect(parseLadder(` ${engine} `, LIMITS)).toEqual(engineLadder(engine, LIMITS).sizes);
    }
    for (const name of LADDER_NAMES) {
      expect(namedLadder(name, { maxNumSeqs: 1, maxNumBatchedTokens: 1, queryLen: 1 })).toEqual([1]);
    }
    expect(namedLadder('vllm', LIMITS)).toEqual(vllmCaptureSizes(LIMITS));
    expect(namedLadder('vllm-interactive', LIMITS).slice(0, 34)).toEqual([
      ...Array.from({ length: 32 }, (_, index) => index + 1),
      40,
      48,
    ]);
  });

  test('a list is sorted and without repeats', () => {
    expect(parseLadder(' 8, 1,2 ,8', LIMITS)).toEqual([1, 2, 8]);
  });

  test.each(['', 'vlm', '1,,2', '0,1', '1.5', '-1', 'toString'])('%j is refused, with the names there are', (text) => {
    expect(() => parseLadder(text, LIMITS)).toThrowError(invalid('vllm, sglang'));
    expect(() => namedLadder(text as LadderName, LIMITS)).toThrowError(invalid('vllm, sglang'));
  });
});
