import { describe, expect, test } from 'vitest';
import { createRawRules } from '../../../dist/agreement/raw-rules.js';
import { agreeAtom, namedPolicy } from '../../../dist/engines/index.js';
import { createPlanner, decodePlan } from '../../../dist/entry/planner.js';
import { reasonText } from '../../../dist/explain/index.js';
import { decodeKey, mixedKey, piecewiseKey } from '../../../dist/keys/index.js';
import { VOTE_WORDS } from '../../../dist/layout/index.js';

const LIMITS = { maxNumSeqs: 16, maxNumBatchedTokens: 64, maxModelLen: 64, blockSize: 16, numBlocks: 64 };

describe('cascade attention bars full graphs alone', () => {
  test.each(['vllm-v1', 'vllm-v2'] as const)(
    '%s runs piecewise, and eager where there is no such graph',
    async (name) => {
      for (const keys of [[decodeKey(4, 1, 1), piecewiseKey(8)], [decodeKey(4, 1, 1)]]) {
        const planner = await createPlanner({ limits: LIMITS, policy: namedPolicy(name), plan: { keys } });
        const rows = [1, 2].map((block) => planner.requests.add({ blockIds: [block], numComputedTokens: 3 }));
        for (const row of rows) planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
        planner.table.set(planner.vote({ graphVeto: 'cascade-attention' }));
        const decision = planner.resolve(planner.table);
        expect(decision.run).toBe(keys.length > 1 ? 'piecewise' : 'eager');
        planner.build(decision);
        for (const row of rows) planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
        planner.table.set(planner.vote({ graphVeto: 'other' }));
        expect(planner.resolve(planner.table)).toMatchObject({ run: 'eager', reason: 'vetoed' });
      }
    },
  );

  test('ours vetoes the graph, as it does for every other reason', async () => {
    const plan = decodePlan({ sizes: [4], limits: { maxNumSeqs: 4, queryLen: 1 }, policy: {} });
    const planner = await createPlanner({ limits: LIMITS, plan });
    const row = planner.requests.add({ blockIds: [1], numComputedTokens: 3 });
    planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    planner.table.set(planner.vote({ graphVeto: 'cascade-attention' }));
    expect(planner.resolve(planner.table)).toMatchObject({ run: 'eager', reason: 'vetoed' });
  });
});

const WORD = Object.fromEntries(VOTE_WORDS.map((name, index) => [name, index])) as Record<string, number>;
const VOTE = { uniformQueryLen: 1, maxQueryLen: 1, maxDecodeQueryLen: 1 };
const decodes = (count: number) => ({ ...VOTE, tokens: count, decodeRequests: count, part1Tokens: count });

describe("two-batch overlap of SGLang's decodes", () => {
  test('a rank with one decode is cut too: a split at 0 still cuts', async () => {
    const policy = { ...namedPolicy('sglang'), ubatches: 2 };
    const limits = { ...LIMITS, maxNumSeqs: 8, queryLen: 1 };
    const { keys } = decodePlan({ sizes: [2, 4, 8], limits, policy });
    const rules = await createRawRules({ limits, policy, keys, ranks: 2 });
    rules.vote(0, decodes(1));
    rules.vote(1, { ...decodes(2), part0Tokens: 1, part1Tokens: 1, canSplit: 1 });
    expect(rules.resolve().snapshot()).toMatchObject({ run: 'full', reason: 'graph-ubatched', paddedTokens: 2 });
  });
});

describe("ATOM's uniform step", () => {
  const row = { meetsMinTokens: false, canSplit: false, ubatchTokens: [0, 0] };
  const rows = [
    { ...row, numTokens: 100, isPrefill: true },
    { ...row, numTokens: 4, isPrefill: false },
  ];
  test('without data-parallel attention every step pads to the largest', async () => {
    expect(await agreeAtom(rows, { dpAttention: false })).toMatchObject({
      uniformDecode: true,
      paddedTokens: [100, 100],
    });
    expect(await agreeAtom(rows)).toMatchObject({ uniformDecode: false, paddedTokens: [100, 4] });
  });
});

describe('reasons follow the policy that decided', () => {
  test.each(['lockstep', 'vllm-v1', 'vllm-v2', 'sglang', 'megatron', 'atom'] as const)(
    '%s: what a text says of a rank is so',
    async (name) => {
      const policy = { ...namedPolicy(name), ubatches: 2, ubatchThresholdDecode: 4 };
      const plain = decodeKey(8, 1, 1);
      for (const keys of [[plain, decodeKey(8, 1, 2)], [decodeKey(8, 1, 2)], [plain], [mixedKey(16, 4, 8, 1)]]) {
        for (const [a, b] of [
          [8, 0],
          [8, 1],
          [8, 8],
          [2, 3],
          [5, 2],
        ]) {
          const rules = await createRawRules({ limits: { ...LIMITS, queryLen: 1 }, policy, keys, ranks: 2 });
          for (const [rank, count] of [a, b].entries()) {
            const half = Math.floor(count / 2);
            const cut = { part0Tokens: half, part1Tokens: count - half, canSplit: count > 1 ? 1 : 0 };
            rules.vote(rank, count === 0 ? {} : { ...decodes(count), ...cut });
          }
          const decision = rules.resolve().snapshot();
          const votes = rules.rows.map((words) => {
            const names = ['canSplit', 'wantsUbatches', 'tokens', 'decodeRequests', 'prefillRequests'] as const;
            return Object.fromEntries(names.map((word) => [word, words[WORD[word]]]));
          });
          const text = reasonText(decision, votes, { keys }, policy);
          const cannot = /rank (\d) cannot be cut(?!,)/.exec(text)?.[1];
          if (cannot !== undefined) expect(votes[Number(cannot)].canSplit, text).toBe(0);
          const unwilling = /rank (\d) does not want micro-batches(?!,)/.exec(text)?.[1];
          if (unwilling !== undefined) expect(votes[Number(unwilling)].wantsUbatches, text).toBe(0);
          const all = /(?<!not )every busy rank wants/;
          if (all.test(text)) {
            for (const vote of votes) if (vote.tokens > 0) expect(vote.wantsUbatches, text).toBe(1);
          }
          if (policy.ubatchAgreement !== 'busy-wish') expect(text).not.toContain('every busy rank wants');
          if (text.includes('the policy runs no graph that has places')) expect(policy.mixedGraphs).toBe('never');
        }
      }
    },
  );

  test('ATOM is told that a rank cannot be cut, Megatron that mixed graphs run on one rank alone', async () => {
    const atom = { ...namedPolicy('atom'), ubatches: 2 };
    const keys = [decodeKey(8, 1, 1), decodeKey(8, 1, 2)];
    const rules = await createRawRules({ limits: { ...LIMITS, queryLen: 1 }, policy: atom, keys, ranks: 2 });
    rules.vote(0, { ...decodes(8), part0Tokens: 4, part1Tokens: 4, canSplit: 1 });
    rules.vote(1, {});
    const decision = rules.resolve().snapshot();
    const votes = [8, 0].map((tokens) => ({ tokens, decodeRequests: tokens, prefillRequests: 0 }));
    expect(reasonText(decision, votes, { keys }, atom)).toContain('rank 1 cannot be cut');
    const megatron = namedPolicy('megatron');
    const mixed = [mixedKey(16, 4, 8, 1)];
    const other = await createRawRules({ limits: { ...LIMITS, queryLen: 1 }, policy: megatron, keys: mixed, ranks: 2 });
    other.vote(0, { tokens: 3, part0Tokens: 3, prefillRequests: 1, maxQueryLen: 3 });
    other.vote(1, {});
    const text = reasonText(
      other.resolve().snapshot(),
      [3, 0].map((tokens) => ({ tokens, decodeRequests: 0, prefillRequests: 1 })),
      { keys: mixed },
      megatron,
    );
    expect(text).toContain('on one rank alone, and there are 2');
  });
});
