import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { completeLimits } from '../../dist/config.js';
import { namedPolicy, policyNames } from '../../dist/engines/index.js';
import { type BatchDocument, type DocumentRequest, explainBatch, explanationText } from '../../dist/explain/index.js';
import { decodeKey, mixedKey, piecewiseKey } from '../../dist/planner/capture-key.js';
import { decodePlan } from '../../dist/planner/capture-plan.js';
import { completePolicy } from '../../dist/planner/policy.js';
import { runs } from '../support/property-runs.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

function explain(
  input: string,
  ...options: string[]
): { code: number | null; out: string; err: string; documents: ReturnType<typeof JSON.parse>[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'explain', ...options], {
    input,
    encoding: 'utf8',
  });
  const documents = options.includes('--json')
    ? stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
  return { code: status, out: stdout, err: stderr, documents };
}

const decode = (numComputedTokens: number, blockIds?: number[], queryLen = 1): DocumentRequest => ({
  phase: 'decode',
  queryLen,
  numComputedTokens,
  blockIds,
});
const prefill = (queryLen: number, blockIds?: number[], lastChunk = true): DocumentRequest => ({
  phase: 'prefill',
  queryLen,
  numComputedTokens: 0,
  blockIds,
  lastChunk,
});
const ranks = (...requests: DocumentRequest[][]): BatchDocument => ({
  ranks: requests.map((own) => ({ requests: own })),
});

function planOf(
  sizes: number[],
  given: { maxNumSeqs?: number; queryLen?: number; ubatches?: number; ubatchThresholdDecode?: number } = {},
) {
  const { ubatches, ubatchThresholdDecode, ...limitsGiven } = given;
  const limits = completeLimits(limitsGiven);
  const policy = completePolicy({
    ...(ubatches && { ubatches }),
    ...(ubatchThresholdDecode && { ubatchThresholdDecode }),
  });
  return { limits, policy, plan: decodePlan({ sizes, limits, policy }) };
}

describe('explainBatch', () => {
  test('a busy and an idle rank run one graph, each with its own tensors', async () => {
    const found = await explainBatch(ranks([decode(31, [5, 9]), decode(3, [7])], []), planOf([1, 2, 4]));
    expect(found.decision).toMatchObject({
      run: 'full',
      reason: 'graph',
      paddedTokens: 2,
      paddedRequests: 2,
      busyRanks: 1,
    });
    expect(found.votes.map(({ tokens, decodeRequests }) => [tokens, decodeRequests])).toEqual([
      [2, 2],
      [0, 0],
    ]);
    expect(Object.keys(found.votes[0]).some((name) => name.startsWith('reserved'))).toBe(false);
    expect(found.tensors[0].whole).toMatchObject({
      positions: [31, 3],
      slotMapping: [9 * 16 + 15, 7 * 16 + 3],
      queryStartLoc: [0, 1, 2],
      seqLens: [32, 4],
      logitsIndices: [0, 1],
      tokensPerRank: [2, 2],
    });
    expect(found.tensors[0]).toMatchObject({
      blockTable: [
        [5, 9],
        [7, 0],
      ],
      tableWidth: 8192,
      parts: [],
    });
    expect(found.tensors[1].whole).toMatchObject({
      slotMapping: [-1, -1],
      isPadding: [1, 1],
      seqLens: [0, 0],
      logitsIndices: [],
    });
    expect(found.inventedBlocks).toEqual([]);
  });

  test('without a plan every step is eager, and mixed batches put decodes first', async () => {
    const found = await explainBatch(ranks([prefill(3, [1]), decode(8, [2])], [decode(4, [1])]));
    expect(found.decision).toMatchObject({ run: 'eager', reason: 'no-key-for-phase', reasonRank: 0 });
    expect(found.local.map(({ order }) => order)).toEqual([[1, 0], [0]]);
    expect(found.tensors[0].whole).toMatchObject({ positions: [8, 0, 1, 2], seqLens: [9, 3], logitsIndices: [0, 3] });
    expect(found.decision.parts[0].gather).toEqual({ kind: 'variable', tokensPerRank: [4, 1] });
  });

  test('parts of a cut step have tensors of their own', async () => {
    const options = planOf([4, 8], { ubatches: 2, ubatchThresholdDecode: 4 });
    const many = (count: number) => Array.from({ length: count }, () => decode(9));
    const found = await explainBatch(ranks(many(5), many(4)), options);
    expect(found.decision).toMatchObject({ run: 'full', reason: 'graph-ubatched', paddedTokens: 8 });
    expect(found.tensors[0].parts.map(({ slotMapping }) => slotMapping)).toEqual([
      [25, 41, 57, 73],
      [89, -1, -1, -1],
    ]);
    expect(found.tensors[1].parts[1].isPadding).toEqual([1, 1, 1, 1]);
    expect(found.local[0].parts.map(({ tableRow, attentionRequests }) => [tableRow, attentionRequests])).toEqual([
      [0, 4],
      [4, 4],
    ]);
  });

  test('given token ids reach the tensors, in the place of their request', async () => {
    const found = await explainBatch(
      ranks([
        { ...prefill(3, [1]), inputIds: [7, 8, 9] },
        { ...decode(8, [2]), inputIds: [42] },
      ]),
    );
    expect(found.tensors[0].whole.inputIds).toEqual([42, 7, 8, 9]);
  });

  test('when all ranks are idle nothing is built', async () => {
    const found = await explainBatch(ranks([], []), planOf([1]));
    expect(found.decision).toMatchObject({ run: 'park', reason: 'all-idle', parts: [] });
    expect(found.tensors[0]).toMatchObject({ blockTable: [], parts: [] });
    expect(Object.values(found.tensors[0].whole)).toEqual(Array(14).fill([]));
  });

  test('blocks left out are made up beside those that are given', async () => {
    const found = await explainBatch(ranks([decode(20), decode(3, [2]), decode(0)], [decode(3)]));
    expect(found.inventedBlocks).toEqual([
      { rank: 0, request: 0, blockIds: [1, 3] },
      { rank: 0, request: 2, blockIds: [4] },
      { rank: 1, request: 0, blockIds: [1] },
    ]);
    expect(found.tensors[0].blockTable).toEqual([
      [1, 3],
      [2, 0],
      [4, 0],
    ]);
  });

  test('a slot that a double cannot hold is a string', async () => {
    const blockSize = 2 ** 24;
    const limits = { blockSize, numBlocks: 2 ** 31 - 1, maxModelLen: blockSize };
    const block = 2 ** 31 - 2;
    const { tensors } = await explainBatch(ranks([decode(5, [block]), decode(5, [1])]), { limits });
    expect(tensors[0].whole.slotMapping).toEqual([String(BigInt(block) * BigInt(blockSize) + 5n), blockSize + 5]);
  });

  test('the order of the batch says which request each row is', async () => {
    const request = fc.record({
      phase: fc.constantFrom('decode' as const, 'prefill' as const),
      computed: fc.integer({ min: 1, max: 500 }),
      queryLen: fc.integer({ min: 1, max: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (given) => {
        const requests = given.map(({ phase, computed, queryLen }) => ({
          phase,
          numComputedTokens: computed,
          queryLen: phase === 'decode' ? 1 : queryLen,
        }));
        const { local, tensors } = await explainBatch({ ranks: [{ requests }] });
        const [{ order }] = local;
        expect([...order].sort((a, b) => a - b)).toEqual([...requests.keys()]);
        expect(tensors[0].whole.seqLens).toEqual(
          order.map((index) => requests[index].numComputedTokens + requests[index].queryLen),
        );
        expect(order.map((index) => requests[index].phase)).toEqual(requests.map(({ phase }) => phase).sort());
      }),
      runs(25),
    );
  });
});

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
  const many = (count: number) => Array.from({ length: count }, () => decode(9));

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

describe('refused batches', () => {
  test.each([
    [[], 'the document is []'],
    [{}, 'ranks is missing; it must be an array'],
    [{ ranks: [] }, 'ranks is []'],
    [
      { ranks: [{ requests: [{ phase: 'decode', queryLen: 1, numComputedTokens: 1, blocks: [1] }] }] },
      'ranks[0].requests[0] has no blocks',
    ],
    [
      { ranks: [{ requests: [] }, { requests: [{ phase: 'x' }] }] },
      'ranks[1].requests[0].phase is "x"; it must be "decode" or "prefill"',
    ],
    [{ ranks: [{ requests: [{ phase: 'decode', queryLen: 1.5, numComputedTokens: 1 }] }] }, 'queryLen is 1.5'],
    [{ ranks: [{ requests: [{ phase: 'decode', queryLen: 1 }] }] }, 'numComputedTokens is missing'],
    [{ ranks: [{ requests: [{ ...decode(1, [1]), blockIds: [2 ** 31] }] }] }, 'blockIds is [2147483648]'],
    [{ ranks: [{ requests: [{ ...decode(1, [1]), inputIds: [1, 2] }] }] }, 'as many ids as queryLen (1)'],
  ])('%j: %s', async (document, message) => {
    await expect(explainBatch(document as BatchDocument)).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ['ERR_BLOCK_INVALID', decode(1, [0]), {}],
    ['ERR_POSITION_BEYOND_BLOCKS', decode(16, [1]), {}],
    ['ERR_BATCH_LIMIT', decode(1, [1], 2), {}],
    ['ERR_BATCH_LIMIT', prefill(101), { maxModelLen: 100 }],
    ['ERR_BATCH_LIMIT', prefill(100), { numBlocks: 3 }],
  ])('%s comes from the planner, with rank and request', async (code, request, limits) => {
    await expect(explainBatch(ranks([], [decode(1), request]), { limits })).rejects.toThrowError(
      expect.objectContaining({
        code,
        message: expect.stringMatching(/^ranks\[1\]\.requests\[1\]: /),
        details: expect.objectContaining({ rank: 1, request: 1 }),
      }),
    );
  });
});

describe('lockstep explain', () => {
  const line = JSON.stringify(ranks([decode(31, [5, 9])], []));

  test('one JSON document a line, blank lines skipped', () => {
    const { code, documents, err } = explain(`${line}\n\n${line}\n`, '--json', '--ladder', '4,8');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(documents.map((document) => document.line)).toEqual([1, 3]);
    expect(documents[0]).toMatchObject({
      schemaVersion: 1,
      decision: { run: 'full', paddedTokens: 4 },
      local: [{ attentionRequests: 4 }, { attentionRequests: 4 }],
    });
    expect(documents[0].tensors[0].whole.slotMapping).toEqual([159, -1, -1, -1]);
  });

  test('a bad line is told with its number, prints nothing, and fails the command', () => {
    const bad = JSON.stringify(ranks([decode(1, [0])]));
    const { code, documents, err } = explain(`${line}\nnonsense\n${bad}\n${line}\n`, '--json');
    expect(code).toBe(2);
    expect(documents.map((document) => document.line)).toEqual([1, 4]);
    expect(err).toMatch(/line 2: this is not JSON .*expected a document like .*\[ERR_INPUT_INVALID\]/);
    expect(err).toMatch(/line 3: ranks\[0\]\.requests\[0\]: Block 0 .*\[ERR_BLOCK_INVALID\]/);
  });

  test('without --json: the decision in words, who forced it, and every tensor', () => {
    const { code, out } = explain(`${JSON.stringify(ranks([decode(3)], [prefill(20)]))}\n`);
    expect(code).toBe(0);
    expect(out).toContain('eager on all ranks');
    expect(out).toContain('no-key-for-phase: rank 1 holds a prefill');
    expect(out).toContain('blocks 1 to 2 made up for requests 0');
    expect(out).toMatch(/slotMapping +i64\[20\] +16 17 /);
  });

  test('no twin: the rank that does not wish micro-batches is named', () => {
    const batch = JSON.stringify(ranks([decode(3), decode(3), decode(3), decode(3)], [decode(3)]));
    const options = ['--ladder', '4', '--ubatches', '2', '--ubatch-threshold-decode', '4'];
    expect(explain(batch, ...options).out).toContain(
      'plain-twin: 1 of 2 busy ranks wish micro-batches, rank 1 does not',
    );
    expect(explain(batch, ...options, '--no-twins').out).toContain('no-plain-twin: rank 1 does not wish micro-batches');
  });

  test.each(policyNames())('--policy %s decides', (policy) => {
    const batch = JSON.stringify(ranks([decode(3), decode(3), decode(3)], [prefill(20)]));
    const { code, documents, err } = explain(batch, '--json', '--policy', policy, '--ladder', '4,8');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { decision, candidates } = documents[0];
    // A ladder has no graph for prefills; ATOM tells a mixed step from one in which all decode, vLLM agrees by mode.
    const reason = namedPolicy(policy).graphAgreement === 'shape' ? 'no-key-for-phase' : 'rank-eager';
    expect(decision).toMatchObject({
      run: 'eager',
      reason,
      reasonRank: reason === 'rank-eager' ? 1 : expect.any(Number),
    });
    expect(candidates).toHaveLength(2);
  });

  test('a policy by another name is refused with those there are', () => {
    const { code, err } = explain(line, '--policy', 'vllm');
    expect(code).toBe(2);
    expect(err).toContain('there are lockstep, vllm-v1, vllm-v2, sglang, trtllm, megatron, atom');
  });

  describe('--plan', () => {
    let folder: string;
    let file: string;
    const keys = [mixedKey(32, 4, 8, 1), decodeKey(8, 1, 1), piecewiseKey(64)];
    beforeAll(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'lockstep-plan-'));
      file = path.join(folder, 'plan.json');
      writeFileSync(file, JSON.stringify({ schemaVersion: 1, policy: namedPolicy('megatron'), keys }));
    });
    afterAll(() => rmSync(folder, { recursive: true }));
    const batch = JSON.stringify(ranks([prefill(20), decode(3)]));

    test("the plan's graphs are the candidates, under its policy", () => {
      const { documents } = explain(batch, '--json', '--plan', file);
      expect(documents[0].decision).toMatchObject({ run: 'full', reason: 'graph-mixed', captureKey: 0 });
      expect(documents[0].candidates).toEqual([
        { key: 0, verdict: 'chosen', detail: 0 },
        { key: 1, verdict: 'phase', detail: 0 },
        { key: 2, verdict: 'full-preferred', detail: 0 },
      ]);
    });

    test('a policy that is given is used instead of its own', () => {
      const { out } = explain(batch, '--plan', file, '--policy', 'trtllm');
      expect(out).toContain('graph-piecewise: rank 0 holds the most, 21 tokens');
      expect(explain(batch, '--plan', file, '--policy', 'lockstep').out).toContain('graph-mixed');
    });

    test('a plan that cannot be run is refused before any line is read', () => {
      const wrong = path.join(folder, 'wrong.json');
      const cut = [{ ...decodeKey(8, 1, 1), parts: 2 }];
      writeFileSync(wrong, JSON.stringify({ schemaVersion: 1, policy: {}, keys: cut }));
      const { code, out, err } = explain('nonsense', '--plan', wrong);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toContain('keys[0].parts is 2');
    });
  });

  test.each([
    ['', [], 'ERR_INPUT_INVALID'],
    [line, ['--ladder', 'nope'], 'ERR_CONFIG_INVALID'],
    [line, ['--max-num-seqs', '0'], 'maxNumSeqs is 0'],
    [line, ['--policy', path.join(import.meta.dirname, 'no-such-policy.json')], 'ERR_INPUT_INVALID'],
  ])('bad input or options exit 2: %j %j', (input, options, message) => {
    const { code, out, err } = explain(input, ...options);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
  });
});

test.skipIf(process.platform === 'win32').each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s while it waits for a line exits %i, with what was explained printed', async (signal, code) => {
  const child = spawn(process.execPath, [MAIN, 'explain', '--json'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    child.stdin.write(`${JSON.stringify(ranks([decode(3)]))}\n`);
    const [first] = await once(child.stdout, 'data');
    expect(JSON.parse(String(first)).decision.run).toBe('full');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([code, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
