import { describe, expect, test } from 'vitest';
import { namedPolicy } from '../../../dist/engines/index.js';
import type { DocumentRequest } from '../../../dist/explain/batch-document.js';
import { explainBatch, explanationText } from '../../../dist/explain/index.js';
import { decodeKey, mixedKey, piecewiseKey } from '../../../dist/keys/capture-key.js';
import { many, prefill, ranks } from '../../support/batch-documents.js';

describe('what became of every key', () => {
  const keys = [
    mixedKey(32, 4, 8, 1),
    decodeKey(8, 1, 2),
    decodeKey(8, 1, 1),
    decodeKey(4, 1, 1),
    decodeKey(2, 1, 1),
    piecewiseKey(64),
    piecewiseKey(16),
  ];
  const options = { plan: { keys }, policy: { ubatches: 2, ubatchThresholdDecode: 8 } };
  const verdicts = async (...requests: DocumentRequest[][]) => {
    const { candidates, decision } = await explainBatch(ranks(...requests), options);
    expect(candidates.map(({ key }) => key)).toEqual([...keys.keys()]);
    expect(candidates.filter(({ verdict }) => verdict === 'chosen').map(({ key }) => key)).toEqual(
      decision.captureKey < 0 ? [] : [decision.captureKey],
    );
    return candidates.map(({ verdict, detail }) => (detail === 0 ? verdict : `${verdict} ${detail}`));
  };

  test('3 decodes: the graph of 4 runs, 8 would too, 2 is too small by a request', async () => {
    const found = await verdicts(many(3), []);
    expect(found.slice(0, 5)).toEqual(['phase', 'ubatches-not-agreed', 'larger', 'chosen', 'tokens 1']);
    expect(found.slice(5).map((verdict) => verdict.split(' ')[0])).toEqual(['padding-factor', 'padding-factor']);
  });

  test('8 decodes agree to micro-batches, which the plain graphs have not', async () => {
    expect((await verdicts(many(8), many(8))).slice(1, 4)).toEqual(['chosen', 'not-ubatched', 'tokens 4']);
  });

  test('a prefill of 12 tokens beside decodes: piecewise, for the mixed graph would pad it beyond twice', async () => {
    const found = await verdicts([prefill(12)], many(2));
    expect(found.map((verdict) => verdict.split(' ')[0])).toEqual([
      'padding-factor',
      'phase',
      'phase',
      'phase',
      'phase',
      'padding-factor',
      'chosen',
    ]);
  });

  test('without a plan there is none, and where all are idle none runs', async () => {
    expect((await explainBatch(ranks(many(1)))).candidates).toEqual([]);
    expect(new Set(await verdicts([], []))).toEqual(new Set(['step-eager']));
  });

  test.each([
    ['vllm-v1', [decodeKey(4, 1, 1)], 'rank-eager: rank 1 holds 20 tokens of 1 prefill and 0 decodes: '],
    [
      'sglang',
      [piecewiseKey(64)],
      'above-padding-factor: rank 1 holds 20 tokens of 1 prefill and 0 decodes, and the graph is that of 64 tokens: ',
    ],
    [
      'trtllm',
      [piecewiseKey(16)],
      'above-ladder: rank 1 holds 20 tokens of 1 prefill and 0 decodes, 4 more than the nearest graph holds: ',
    ],
    [
      'lockstep',
      [mixedKey(32, 2, 8, 1)],
      'graph-mixed: up to 1 prefill and 3 decodes on a rank, in slots for 2 and 8: ',
    ],
  ] as const)('a reason under %s, with its numbers', async (name, graphs, text) => {
    const plan = { keys: graphs };
    const given = { plan, policy: namedPolicy(name) };
    const lines = explanationText(await explainBatch(ranks(many(3), [prefill(20)]), given), plan);
    expect(lines[1]).toContain(`reason  ${text}`);
  });

  test.each([
    [
      8,
      3,
      'empty-part: rank 1 holds 3 tokens of 0 prefills and 3 decodes, and 4 tokens come before the last micro-batch: ',
    ],
    [9, 9, 'no-ubatched-key: the graph is that of 16 tokens: '],
  ])('vLLM V2, %i and %i decodes in micro-batches: %s', async (first, second, text) => {
    const plan = { keys: [decodeKey(8, 1, 1), decodeKey(8, 1, 2), decodeKey(16, 1, 1)] };
    const policy = { ...namedPolicy('vllm-v2'), ubatches: 2, ubatchThresholdDecode: 2 };
    const lines = explanationText(await explainBatch(ranks(many(first), many(second)), { plan, policy }), plan);
    expect(lines[1]).toContain(`reason  ${text}`);
  });

  test('in words: a line for each run of keys that fare alike, and how much they lack', async () => {
    const sizes = [32, 16, 8, 4, 2, 1];
    const plan = { keys: sizes.map((size) => decodeKey(size, 1, 1)) };
    const lines = explanationText(await explainBatch(ranks(many(5)), { plan }), plan);
    const from = lines.findIndex((line) => line.startsWith('keys'));
    expect(lines.slice(from, from + 3)).toEqual([
      'keys    0 to 1, decode of 32 to 16 tokens: larger, would hold the step too, and a smaller one runs',
      '        2, decode of 8 tokens: chosen, this one runs',
      '        3 to 5, decode of 4 to 1 tokens: tokens, 1 to 4 tokens too few',
    ]);
  });
});
