import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  atomCaptureSizes,
  type MegatronConfig,
  type MegatronShape,
  matchMegatronShapes,
  megatronShapes,
  sglangAlignSizes,
  sglangDecodeSizes,
  sglangPrefillSizes,
  trtllmDecodeSizes,
  trtllmEngineFilter,
  trtllmPiecewiseFilter,
  vllmCaptureSizes,
} from '../../dist/engines/index.js';
import * as oracle from '../oracles/ladders-oracle.js';
import { runs } from '../support/property-runs.js';

const requests = fc.integer({ min: 1, max: 700 });
const sizes = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 12 });
const queryLen = fc.integer({ min: 1, max: 5 });

describe('ladders are what the rules in words say', () => {
  test('vLLM', () => {
    fc.assert(
      fc.property(
        requests,
        fc.integer({ min: 1, max: 3000 }),
        queryLen,
        fc.constantFrom(512, 1024),
        fc.option(fc.integer({ min: 1, max: 1500 })),
        fc.boolean(),
        (maxNumSeqs, maxNumBatchedTokens, length, ceiling, maxSize, interactive) => {
          const options = { maxNumSeqs, maxNumBatchedTokens, queryLen: length, ceiling, maxSize, interactive };
          const before = oracle.vllmSizes(maxNumSeqs, maxNumBatchedTokens, length, ceiling, maxSize, interactive);
          expect(vllmCaptureSizes({ ...options, version: '2026-08' })).toEqual(before);
          const joins = length === 1 && maxSize === null && maxNumSeqs <= Math.min(ceiling, maxNumBatchedTokens);
          const since = new Set([...before, ...(joins ? [maxNumSeqs] : [])]);
          expect(vllmCaptureSizes(options)).toEqual([...since].sort((a, b) => a - b));
        },
      ),
      runs(500),
    );
  });

  test('SGLang decodes and prefills', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1500 }), fc.boolean(), fc.boolean(), (maxBatch, speculative, padding) => {
        expect(sglangDecodeSizes({ maxBatch, speculative, padding })).toEqual(
          oracle.sglangDecode(maxBatch, speculative, padding),
        );
        expect(sglangPrefillSizes({ maxTokens: maxBatch * 8 })).toEqual(oracle.sglangPrefill(maxBatch * 8));
      }),
      runs(300),
    );
  });

  test('SGLang alignment', () => {
    fc.assert(
      fc.property(
        sizes,
        requests,
        queryLen,
        fc.boolean(),
        fc.constantFrom(1, 2, 3, 4, 8),
        fc.boolean(),
        (given, poolSize, length, twoBatchOverlap, attentionTpSize, gathered) => {
          const options = { sizes: given, poolSize, queryLen: length, twoBatchOverlap, attentionTpSize, gathered };
          const expected = oracle.sglangAlign(given, poolSize, length, twoBatchOverlap, attentionTpSize, gathered);
          if (expected !== null) expect(sglangAlignSizes(options)).toEqual(expected);
          else
            expect(() => sglangAlignSizes(options)).toThrowError(
              expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
            );
        },
      ),
      runs(500),
    );
  });

  test('TensorRT-LLM decodes and both filters', () => {
    fc.assert(
      fc.property(
        sizes,
        requests,
        fc.integer({ min: 1, max: 1200 }),
        queryLen,
        fc.boolean(),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: 9 }),
        (given, maxBatch, maxNumTokens, tokensPerRequest, padding, maxSequenceLength, extraTokens) => {
          expect(trtllmDecodeSizes({ maxBatch, padding })).toEqual(oracle.trtllmDecode(maxBatch, padding));
          expect(trtllmEngineFilter({ sizes: given, maxBatch, maxNumTokens, tokensPerRequest, padding })).toEqual(
            oracle.trtllmEngine(given, maxBatch, maxNumTokens, tokensPerRequest, padding),
          );
          const few = 1 + (maxBatch % 5);
          expect(
            trtllmPiecewiseFilter({ sizes: given, maxNumTokens, maxBatch: few, maxSequenceLength, extraTokens }).sizes,
          ).toEqual(oracle.trtllmPiecewise(given, maxNumTokens, few, maxSequenceLength, extraTokens));
        },
      ),
      runs(500),
    );
  });

  test('ATOM', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 1, max: 3000 }), queryLen, (maxNumSeqs, maxNumBatchedTokens, length) => {
        expect(atomCaptureSizes({ maxNumSeqs, maxNumBatchedTokens, queryLen: length })).toEqual(
          oracle.atomSizes(maxNumSeqs, maxNumBatchedTokens, length),
        );
      }),
      runs(200),
    );
  });
});

/** Configurations Megatron accepts: a graph holds the decodes of all requests. */
const megatron: fc.Arbitrary<Required<MegatronConfig>> = fc
  .record({
    maxRequests: fc.integer({ min: 1, max: 80 }),
    spare: fc.integer({ min: 0, max: 900 }),
    numGraphs: fc.oneof(fc.constant(-1), fc.constant(null), fc.integer({ min: -3, max: 40 })),
    maxGraphTokens: fc.constantFrom(null, 0, 5000),
    maxSequenceLength: fc.constantFrom(1, 2, 16, 300, 4096),
    mixedPrefillRequestCount: fc.constantFrom(-1, 0, 1, 3, 16, 100),
    nonDecodeGraphs: fc.boolean(),
    numSpeculativeTokens: fc.integer({ min: 0, max: 4 }),
    tensorParallelSize: fc.constantFrom(1, 2, 3, 4, 8),
    distribution: fc.constantFrom('exponential' as const, 'linear' as const),
  })
  .map(({ spare, ...config }) => ({
    ...config,
    maxTokens: config.maxRequests * (1 + config.numSpeculativeTokens) + spare,
  }));

describe("Megatron's shapes", () => {
  test('are those of the rules, each once, by prefill tokens and decodes descending', () => {
    fc.assert(
      fc.property(megatron, (config) => {
        const shapes = megatronShapes(config);
        const text = (shape: MegatronShape): string => shape.join();
        expect(shapes.map(text).sort()).toEqual(oracle.megatronShapeSet(config).map(text).sort());
        const keys = shapes.map(([tokens, , decodes]) => [
          tokens - decodes * (1 + config.numSpeculativeTokens),
          decodes,
        ]);
        for (const [index, [prefillTokens, decodes]] of keys.entries()) {
          if (index === 0) continue;
          const [tokensBefore, decodesBefore] = keys[index - 1];
          expect(tokensBefore > prefillTokens || (tokensBefore === prefillTokens && decodesBefore >= decodes)).toBe(
            true,
          );
        }
      }),
      runs(400),
    );
  });

  test('serve a batch with the smallest that holds it', async () => {
    const batch = fc.record({
      prefills: fc.integer({ min: 0, max: 12 }),
      decodes: fc.integer({ min: 0, max: 80 }),
      promptTokens: fc.integer({ min: 0, max: 600 }),
      strict: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(megatron, fc.array(batch, { minLength: 1, maxLength: 8 }), async (config, batches) => {
        const shapes = megatronShapes(config);
        for (const { prefills, decodes, promptTokens, strict } of batches) {
          const tokens = decodes * (1 + config.numSpeculativeTokens) + prefills + (prefills > 0 ? promptTokens : 0);
          if (tokens === 0) continue;
          const asked = { numTokens: tokens, numPrefillRequests: prefills, numDecodeRequests: decodes };
          const found = await matchMegatronShapes(shapes, asked, strict);
          expect(found).toEqual(oracle.megatronServes(shapes, [tokens, prefills, decodes], strict));
        }
      }),
      runs(60),
    );
  });
});
