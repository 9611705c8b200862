import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRawRules } from '../../../dist/agreement/raw-rules.js';
import { namedPolicy, type PolicyName, policyNames } from '../../../dist/engines/index.js';
import type { DecisionValue } from '../../../dist/entry/planner.js';
import { type CaptureKey, decodeKey, mixedKey, piecewiseKey } from '../../../dist/keys/capture-key.js';
import { completePolicy, LOCKSTEP_POLICY, NO_PADDING_LIMIT, type Policy } from '../../../dist/policy/policy.js';

interface Batch {
  readonly prefills?: number;
  readonly decodes?: number;
  readonly queryLen?: number;
  readonly tokens?: number;
}

const decodes = (count: number, queryLen = 1): Batch => ({ decodes: count, queryLen });
const prefills = (count: number, tokens: number): Batch => ({ prefills: count, tokens });
const IDLE: Batch = {};

/** Lets every rank vote as its planner would, and decides. */
async function step(
  name: PolicyName,
  batches: readonly Batch[],
  keys: readonly CaptureKey[] = [],
  choices: Partial<Policy> = {},
): Promise<DecisionValue> {
  const policy = { ...namedPolicy(name), ...choices };
  const limits = { maxNumSeqs: 512, maxNumBatchedTokens: 1024, maxModelLen: 1, numBlocks: 2, queryLen: 4 };
  const rules = await createRawRules({ limits, keys, policy, ranks: batches.length });
  for (const [rank, { prefills = 0, decodes = 0, queryLen = 1, tokens = decodes * queryLen }] of batches.entries()) {
    const first = Math.floor(tokens / policy.ubatches);
    rules.vote(rank, {
      tokens,
      prefillRequests: prefills,
      decodeRequests: decodes,
      uniformQueryLen: prefills === 0 && decodes > 0 ? queryLen : 0,
      maxQueryLen: prefills > 0 ? tokens : decodes > 0 ? queryLen : 0,
      maxDecodeQueryLen: decodes > 0 ? queryLen : 0,
      canSplit: tokens >= 2 ? 1 : 0,
      ...(policy.ubatches === 2 ? { part0Tokens: first, part1Tokens: tokens - first } : { part0Tokens: tokens }),
    });
  }
  return rules.resolve().snapshot();
}

describe('policies by name', () => {
  test('ours first, then each engine', () => {
    expect(policyNames()).toEqual(['lockstep', 'vllm-v1', 'vllm-v2', 'sglang', 'trtllm', 'megatron', 'atom']);
    expect(namedPolicy('lockstep')).toBe(LOCKSTEP_POLICY);
  });

  test.each(policyNames())('%s is a whole record that nobody can change', (name) => {
    const policy = namedPolicy(name);
    expect(completePolicy(policy)).toEqual(policy);
    expect(policy.name).toBe(name);
    expect(Object.isFrozen(policy)).toBe(true);
  });

  test('no two engines make the same choices', () => {
    const choices = policyNames().map((name) => JSON.stringify({ ...namedPolicy(name), name: '' }));
    expect(new Set(choices).size).toBe(choices.length);
  });

  test('engines.md shows every choice in which they differ, and no other', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../../docs/engines.md'), 'utf8');
    const [head, , ...rows] = (page.match(/^\| choice .*\n(\|.*\n)*/m)?.[0] ?? '').trim().split('\n');
    const cells = (line: string): string[] => line.slice(2, -2).split(' | ');
    expect(cells(head)).toEqual(['choice', ...policyNames().map((name) => `\`${name}\``)]);
    const choices = Object.keys(LOCKSTEP_POLICY) as (keyof Policy)[];
    const told = choices.slice(1).flatMap((choice) => {
      const values = policyNames().map((name) => namedPolicy(name)[choice]);
      const shown = values.map((value) => (value === NO_PADDING_LIMIT ? 'no limit' : `${value}`));
      return new Set(shown).size > 1 ? [[`\`${choice}\``, ...shown]] : [];
    });
    expect(rows.map(cells)).toEqual(told);
  });

  test('another name is refused with those there are', () => {
    expect(() => namedPolicy('vllm' as PolicyName)).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining('vllm-v1, vllm-v2') }),
    );
    expect(() => namedPolicy('toString' as PolicyName)).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
    );
  });
});

const ladder = (...sizes: number[]): CaptureKey[] => sizes.map((size) => decodeKey(size, 1, 1));

describe('vllm-v1', () => {
  const keys = [...ladder(8, 16), piecewiseKey(8), piecewiseKey(16), piecewiseKey(64)];

  test('one rank with a prefill brings the others from full to piecewise, at the largest size any padded to', async () => {
    expect(await step('vllm-v1', [decodes(9), decodes(3)], keys)).toMatchObject({ run: 'full', paddedTokens: 16 });
    const mixed = await step('vllm-v1', [decodes(9), prefills(1, 12)], keys);
    expect(mixed).toMatchObject({ run: 'piecewise', reason: 'graph-piecewise', paddedTokens: 16 });
  });

  test('one rank beyond every size makes all eager, each at what it padded to', async () => {
    const found = await step('vllm-v1', [decodes(9), prefills(1, 65)], keys);
    expect(found).toMatchObject({ run: 'eager', reason: 'rank-eager', reasonRank: 1 });
    expect(found.parts[0].gather).toEqual({ kind: 'variable', tokensPerRank: [16, 65] });
  });

  test('a size captured with micro-batches has no plain graph', async () => {
    const choices = { ubatches: 2 };
    const cut = [...ladder(16), decodeKey(64, 1, 2)];
    expect(await step('vllm-v1', [decodes(64), decodes(40)], cut, choices)).toMatchObject({
      run: 'full',
      reason: 'graph-ubatched',
      paddedTokens: 64,
    });
    expect(await step('vllm-v1', [decodes(64), decodes(31)], cut, choices)).toMatchObject({
      run: 'eager',
      reason: 'no-plain-twin',
      reasonRank: 1,
    });
  });
});

describe('vllm-v2', () => {
  const choices = { ubatches: 2, ubatchThresholdPrefill: 128 };
  const eager = { run: 'eager' } as const;

  test.each([
    ['both reach the threshold of prefills', [prefills(1, 256), prefills(1, 256)], [128, 128]],
    ['one does not', [prefills(1, 256), prefills(1, 100)], [256]],
    ['nor the other', [prefills(1, 100), prefills(1, 256)], [256]],
    ['decodes have a threshold of their own', [decodes(64), decodes(64)], [32, 32]],
    ['which does not count where one rank does not decode', [decodes(64), prefills(1, 64)], [64]],
    ['both pad to the largest', [prefills(1, 200), prefills(1, 256)], [128, 128]],
    ['however much that is', [prefills(1, 128), prefills(1, 512)], [256, 256]],
  ])('without graphs: %s', async (_, batches, parts) => {
    const found = await step('vllm-v2', batches, [], choices);
    expect(found).toMatchObject(eager);
    expect(found.parts.map(({ paddedTokens }) => paddedTokens)).toEqual(parts);
  });

  const twins = [64, 128].flatMap((size) => [decodeKey(size, 1, 1), decodeKey(size, 1, 2)]);
  test.each([
    [[64, 64], 'full', 'graph-ubatched', 64],
    // 128 / 2 tokens are in the first part: neither 33 nor 64 leave one for the last.
    [[33, 128], 'eager', 'empty-part', 128],
    [[64, 128], 'eager', 'empty-part', 128],
    [[65, 128], 'full', 'graph-ubatched', 128],
    [[31, 128], 'full', 'graph', 128],
  ])('with graphs of 64 and 128, plain and cut: %j runs %s', async (counts, run, reason, paddedTokens) => {
    const found = await step(
      'vllm-v2',
      counts.map((count) => decodes(count)),
      twins,
      choices,
    );
    expect(found).toMatchObject({ run, reason, paddedTokens });
    expect(found.parts).toHaveLength(reason === 'graph' ? 1 : 2);
  });

  test('the agreed mode is dispatched again, at the largest real size and not at the largest padded one', async () => {
    // 12 tokens of 3 have a full graph of 18; the prefill makes all piecewise, and 12 tokens fit 16.
    const keys = [decodeKey(6, 3, 1), piecewiseKey(16), piecewiseKey(24)];
    expect(await step('vllm-v2', [decodes(4, 3)], keys)).toMatchObject({ run: 'full', paddedTokens: 18 });
    expect(await step('vllm-v2', [decodes(4, 3), prefills(1, 5)], keys)).toMatchObject({
      run: 'piecewise',
      paddedTokens: 16,
    });
  });

  test('piecewise graphs are not cut: agreed micro-batches run eager', async () => {
    const found = await step('vllm-v2', [prefills(1, 256), prefills(1, 200)], [piecewiseKey(512)], choices);
    expect(found).toMatchObject({ run: 'eager', reason: 'no-ubatched-key', paddedTokens: 256 });
    expect(found.parts).toHaveLength(2);
  });

  test('eager ranks keep their own counts', async () => {
    const found = await step('vllm-v2', [decodes(9), prefills(1, 65)], ladder(16));
    expect(found.parts[0].gather).toEqual({ kind: 'variable', tokensPerRank: [9, 65] });
  });
});

describe('trtllm', () => {
  test('without padding every rank holds as many decodes as a captured batch', async () => {
    const exact = { decodeMatch: 'exact-all' } as const;
    const keys = [decodeKey(7, 1, 1), decodeKey(3, 1, 1)];
    expect(await step('trtllm', [decodes(3), decodes(3)], keys, exact)).toMatchObject({ run: 'full', paddedTokens: 3 });
    for (const other of [decodes(2), IDLE])
      expect(await step('trtllm', [decodes(3), other], keys, exact)).toMatchObject({
        ...{ run: 'eager', reason: 'no-exact-key', reasonRank: 1, reasonDetail: 3 },
      });
    expect(await step('trtllm', [decodes(4), decodes(4)], keys, exact)).toMatchObject({
      ...{ run: 'eager', reason: 'no-exact-key', reasonRank: 0, reasonDetail: 7 },
    });
  });
});

describe('sglang', () => {
  test('prefills run piecewise up to twice their tokens', async () => {
    const keys = [piecewiseKey(64), piecewiseKey(256)];
    expect(await step('sglang', [prefills(1, 32), prefills(2, 20)], keys)).toMatchObject({
      run: 'piecewise',
      paddedTokens: 64,
    });
    expect(await step('sglang', [prefills(1, 31)], keys)).toMatchObject({
      run: 'eager',
      reason: 'above-padding-factor',
    });
  });

  test('without padding the largest rank decides, and its batch is a captured one', async () => {
    const exact = { decodeMatch: 'exact' } as const;
    const keys = [decodeKey(7, 1, 1), decodeKey(3, 1, 1)];
    expect(await step('sglang', [decodes(3), IDLE], keys, exact)).toMatchObject({ run: 'full', paddedTokens: 3 });
    const between = { run: 'eager', reason: 'no-exact-key', reasonRank: 1, reasonDetail: 7 };
    expect(await step('sglang', [decodes(3), decodes(5)], keys, exact)).toMatchObject(between);
    const above = { run: 'eager', reason: 'above-ladder', reasonDetail: 1 };
    expect(await step('sglang', [decodes(8)], keys, exact)).toMatchObject(above);
  });

  test('micro-batches need one phase on all busy ranks, and no threshold', async () => {
    const cut = { ubatches: 2 };
    expect((await step('sglang', [decodes(4), IDLE], [], cut)).parts).toHaveLength(2);
    expect((await step('sglang', [decodes(4), prefills(1, 4)], [], cut)).parts).toHaveLength(1);
  });
});

test('trtllm: prefills anywhere run at the smallest piecewise size that holds the largest rank, whatever it pads', async () => {
  const found = await step('trtllm', [prefills(1, 3), decodes(9)], [...ladder(16), piecewiseKey(512)]);
  expect(found).toMatchObject({ run: 'piecewise', paddedTokens: 512 });
  expect(await step('trtllm', [decodes(3), decodes(9)], ladder(4, 16))).toMatchObject({
    run: 'full',
    paddedTokens: 16,
  });
});

describe('megatron', () => {
  const keys = [mixedKey(64, 4, 12, 1), ...ladder(8, 16)];

  test('a prefill alone runs on a shape with slots for it; on any of several ranks it makes all eager', async () => {
    expect(await step('megatron', [prefills(2, 20)], keys)).toMatchObject({ run: 'full', reason: 'graph-mixed' });
    expect(await step('megatron', [prefills(2, 20), decodes(3)], keys)).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-phase',
      reasonRank: 0,
    });
    expect(await step('megatron', [decodes(9), decodes(3)], keys)).toMatchObject({ run: 'full', paddedTokens: 16 });
  });

  test('a prefill slot may hold a decode, unless strict', async () => {
    const batch = [{ prefills: 2, decodes: 13, tokens: 40 }];
    expect(await step('megatron', batch, keys)).toMatchObject({ run: 'full', paddedPrefillRequests: 4 });
    expect(await step('megatron', batch, keys, { mixedMatch: 'strict' })).toMatchObject({
      run: 'eager',
      reason: 'above-ladder',
    });
  });
});

describe('atom', () => {
  test('where all decode the gather is padded, in a graph or not', async () => {
    const found = await step('atom', [decodes(40), decodes(33)], ladder(8));
    expect(found).toMatchObject({ run: 'eager', reason: 'above-ladder' });
    expect(found.parts[0].gather).toEqual({ kind: 'padded', tokensPerRank: [40, 40] });
  });

  test('one rank over the bar cuts all, if each can be: decodes from 3 requests on', async () => {
    const cut = { ubatches: 2 };
    expect((await step('atom', [prefills(1, 512), prefills(1, 9)], [], cut)).parts).toHaveLength(2);
    expect((await step('atom', [prefills(1, 511), prefills(1, 9)], [], cut)).parts).toHaveLength(1);
    expect((await step('atom', [decodes(3), decodes(3)], [], cut)).parts).toHaveLength(2);
    expect((await step('atom', [decodes(3), decodes(2)], [], cut)).parts).toHaveLength(1);
    expect((await step('atom', [decodes(3), IDLE], [], cut)).parts).toHaveLength(1);
  });
});
