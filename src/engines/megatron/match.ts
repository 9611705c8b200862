import { createRawRules } from '../../agreement/index.js';
import { checkArguments, Faults } from '../../checks.js';
import { type CaptureKey, mixedKey } from '../../keys/index.js';
import { ENUMS } from '../../layout/index.js';
import { namedPolicy } from '../policies.js';
import type { MegatronShape } from './ladder.js';

/** A real batch. */
export interface MegatronBatch {
  /** Tokens of the batch. */
  readonly numTokens: number;
  /** Requests of it that prefill. */
  readonly numPrefillRequests: number;
  /** Requests of it that decode. */
  readonly numDecodeRequests: number;
}

/**
 * The captured shape that serves a batch, or null: it runs eager. `strict`: decodes need decode slots; else a prefill slot may
 * hold one. It calls our `resolve` under the policy `megatron`, with the shapes as keys. Shapes have no query length, so every key
 * and the vote have 1. Errors: ERR_CONFIG_INVALID with every fault at once.
 * Source: Megatron's match_graph_config.
 */
export async function matchMegatronShapes(
  shapes: readonly MegatronShape[],
  batch: MegatronBatch,
  strict: boolean,
): Promise<MegatronShape | null> {
  checkArguments('matchMegatronShapes', { shapes: [shapes, 'objects'], batch: [batch, 'object'] });
  for (const shape of shapes) checkArguments('matchMegatronShapes', { 'a shape': [shape, 'list'] });
  const { numTokens, numPrefillRequests, numDecodeRequests } = batch;
  check(shapes, batch);
  const requests = numPrefillRequests + numDecodeRequests;
  const rules = await createRawRules({
    limits: {
      maxNumSeqs: Math.max(1, requests),
      maxNumBatchedTokens: Math.max(1, numTokens),
      maxModelLen: 1,
      numBlocks: 2,
    },
    keys: shapes.map(keyOf),
    policy: { ...namedPolicy('megatron'), mixedMatch: strict ? 'strict' : 'slots' },
  });
  const phase = numPrefillRequests === 0 ? 'decode' : numDecodeRequests === 0 ? 'prefill' : 'mixed';
  rules.writeRow(0, {
    phase: ENUMS.PHASE[phase],
    tokens: numTokens,
    part0Tokens: numTokens,
    paddedTokens: numTokens,
    prefillRequests: numPrefillRequests,
    decodeRequests: numDecodeRequests,
    uniformQueryLen: 1,
    maxQueryLen: 1,
    maxDecodeQueryLen: 1,
    graphMode: ENUMS.MODE.full,
  });
  const { captureKey } = rules.resolve();
  return captureKey < 0 ? null : shapes[captureKey];
}

function keyOf([tokens, prefillRequests, decodeRequests]: MegatronShape): CaptureKey {
  return { ...mixedKey(tokens, prefillRequests, decodeRequests, 1), maxQueryLen: prefillRequests > 0 ? tokens : 1 };
}

function check(shapes: readonly MegatronShape[], batch: MegatronBatch): void {
  const faults = new Faults();
  for (const [index, [tokens, prefills, decodes]] of shapes.entries()) {
    faults.integer(`tokens of shapes[${index}]`, tokens, 1, 1 << 22);
    const whole = faults.integer(`prefill requests of shapes[${index}]`, prefills, 0, 1 << 16);
    if (faults.integer(`decode requests of shapes[${index}]`, decodes, 0, 1 << 16) && whole)
      faults.check(prefills + decodes > 0, `shapes[${index}] has no request`);
  }
  const { numTokens, numPrefillRequests, numDecodeRequests } = batch;
  const prefills = faults.integer('numPrefillRequests', numPrefillRequests, 0, 1 << 16);
  const decodes = faults.integer('numDecodeRequests', numDecodeRequests, 0, 1 << 16);
  if (prefills && decodes) {
    const requests = numPrefillRequests + numDecodeRequests;
    faults.integer('numTokens', numTokens, Math.max(1, requests), 1 << 22);
    faults.check(requests > 0, 'the batch has no request');
    faults.check(requests <= 1 << 16, `the batch has ${requests} requests; at most ${1 << 16} fit`);
  }
  faults.throwIfAny('This match');
}
