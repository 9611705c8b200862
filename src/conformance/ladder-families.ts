import {
  matchMegatronShapes,
  megatronShapes,
  type RuleVersion,
  sglangAlignSizes,
  sglangDecodeSizes,
  sglangPrefillSizes,
  trtllmDecodeSizes,
  trtllmEngineFilter,
  trtllmPiecewiseFilter,
  vllmCaptureSizes,
  vllmSpecAlign,
} from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { CaseFields, type ExpectedAnswer } from './case-fields.js';

export function vllmLadder(given: CaseFields): unknown {
  switch (given.string('rule')) {
    case 'default':
      return {
        sizes: vllmCaptureSizes({
          maxNumSeqs: given.integer('maxNumSeqs'),
          maxNumBatchedTokens: given.integer('maxNumBatchedTokens'),
          queryLen: given.integer('queryLen'),
          ceiling: given.integer('ceiling'),
          maxSize: given.optionalInteger('maxSize'),
          interactive: given.boolean('interactive'),
          // Vectors without a version were made from the rule before the change of September 2026.
          version: (given.optionalString('version') ?? '2026-08') as RuleVersion<'vllm'>,
        }),
      };
    case 'spec-align': {
      const options = {
        sizes: given.integers('sizes'),
        queryLen: given.integer('queryLen'),
        tensorParallelSize: given.integer('tensorParallelSize'),
        sequenceParallel: given.boolean('sequenceParallel'),
      };
      return refusable(() => ({ sizes: vllmSpecAlign(options) }));
    }
    default:
      throw given.invalid('rule', '"default" or "spec-align"');
  }
}

export function sglangLadder(given: CaseFields): unknown {
  switch (given.string('rule')) {
    case 'decode':
      return {
        sizes: sglangDecodeSizes({
          maxBatch: given.integer('maxBatch'),
          speculative: given.boolean('speculative'),
          padding: given.boolean('padding'),
        }),
      };
    case 'prefill':
      return { sizes: sglangPrefillSizes({ maxTokens: given.integer('maxTokens') }) };
    case 'align': {
      const options = {
        sizes: given.integers('sizes'),
        twoBatchOverlap: given.boolean('twoBatchOverlap'),
        attentionTpSize: given.integer('attentionTpSize'),
        attentionCpSize: given.optionalInteger('attentionCpSize'),
        gathered: given.boolean('gathered'),
        poolSize: given.integer('poolSize'),
        queryLen: given.integer('queryLen'),
      };
      return refusable(() => ({ sizes: sglangAlignSizes(options) }));
    }
    default:
      throw given.invalid('rule', '"decode", "prefill" or "align"');
  }
}

export function trtllmLadder(given: CaseFields): unknown {
  switch (given.string('rule')) {
    case 'decode':
      return {
        sizes: trtllmDecodeSizes({ maxBatch: given.integer('maxBatch'), padding: given.boolean('padding') }),
      };
    case 'engine-filter':
      return {
        sizes: trtllmEngineFilter({
          sizes: given.integers('sizes'),
          maxBatch: given.integer('maxBatch'),
          maxNumTokens: given.integer('maxNumTokens'),
          tokensPerRequest: given.integer('tokensPerRequest'),
          padding: given.boolean('padding'),
        }),
      };
    case 'piecewise-filter': {
      const { sizes } = trtllmPiecewiseFilter({
        sizes: given.integers('sizes'),
        maxNumTokens: given.integer('maxNumTokens'),
        maxBatch: given.integer('maxBatch'),
        maxSequenceLength: given.integer('maxSequenceLength'),
        extraTokens: given.integer('extraTokens'),
      });
      return { sizes };
    }
    default:
      throw given.invalid('rule', '"decode", "engine-filter" or "piecewise-filter"');
  }
}

/** Shapes of a configuration, and which of them serve some batches: those the case's `out` asks about. */
export async function megatronLadder(given: CaseFields, expected: ExpectedAnswer): Promise<unknown> {
  const distribution = given.string('distribution');
  if (distribution !== 'exponential' && distribution !== 'linear' && distribution !== 'hybrid') {
    throw given.invalid('distribution', '"exponential", "linear" or "hybrid"');
  }
  const shapes = megatronShapes({
    distribution,
    maxRequests: given.integer('maxRequests'),
    maxTokens: given.integer('maxTokens'),
    maxSequenceLength: given.integer('maxSequenceLength'),
    numGraphs: given.optionalInteger('numGraphs') ?? null,
    maxGraphTokens: given.optionalInteger('maxGraphTokens') ?? null,
    mixedPrefillRequestCount: given.optionalInteger('mixedPrefillRequestCount') ?? 0,
    nonDecodeGraphs: given.boolean('nonDecodeGraphs'),
    numSpeculativeTokens: given.integer('numSpeculativeTokens'),
    tensorParallelSize: given.integer('tensorParallelSize'),
  });
  const matches: unknown[] = [];
  for (const match of new CaseFields(expected.value, expected.where).list('matches')) {
    const asked = match.object('in');
    const strict = asked.boolean('strict');
    const batch = {
      numTokens: asked.integer('numTokens'),
      numPrefillRequests: asked.integer('numPrefillRequests'),
      numDecodeRequests: asked.integer('numDecodeRequests'),
    };
    matches.push({ in: { ...batch, strict }, out: await matchMegatronShapes(shapes, batch, strict) });
  }
  return { shapes, matches };
}

/** `{error: true}` where the engine refuses its configuration. */
function refusable(answer: () => unknown): unknown {
  try {
    return answer();
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'ERR_CONFIG_INVALID') return { error: true };
    throw error;
  }
}
