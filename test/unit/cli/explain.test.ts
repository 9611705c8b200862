import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namedPolicy, policyNames } from '../../../dist/engines/index.js';
import { decodeKey, mixedKey, piecewiseKey } from '../../../dist/keys/capture-key.js';
import { decode, prefill, ranks } from '../../support/batch-documents.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

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

  test('no twin: the rank that does not want micro-batches is named', () => {
    const batch = JSON.stringify(ranks([decode(3), decode(3), decode(3), decode(3)], [decode(3)]));
    const options = ['--ladder', '4', '--ubatches', '2', '--ubatch-threshold-decode', '4'];
    expect(explain(batch, ...options).out).toContain(
      'plain-twin: 1 of 2 busy ranks want micro-batches, rank 1 does not',
    );
    expect(explain(batch, ...options, '--no-twins').out).toContain('no-plain-twin: rank 1 does not want micro-batches');
  });

  test.each(policyNames())('--policy %s decides', (policy) => {
    const batch = JSON.stringify(ranks([decode(3), decode(3), decode(3)], [prefill(20)]));
    const { code, documents, err } = explain(batch, '--json', '--policy', policy, '--ladder', '4,8');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { decision, candidates } = documents[0];
    // A ladder has no graph for prefills, and vLLM's piecewise ones are too small; ATOM tells a mixed step from one in which all decode, vLLM agrees by mode.
    const reason = namedPolicy(policy).graphAgreement === 'shape' ? 'no-key-for-phase' : 'rank-eager';
    expect(decision).toMatchObject({
      run: 'eager',
      reason,
      reasonRank: reason === 'rank-eager' ? 1 : expect.any(Number),
    });
    // vLLM captures each size piecewise too.
    expect(candidates).toHaveLength(policy.startsWith('vllm') ? 4 : 2);
  });

  test("under an engine's policy a ladder is what that engine captures: full decode graphs of 8 and 16 are dropped, not lowered", () => {
    const flags = ['--policy', 'vllm-v2', '--ladder', '1,2,4,8,16', '--max-num-seqs', '6', '--json'];
    const { documents } = explain(JSON.stringify(ranks([1, 2, 3, 4, 5].map(() => decode(3)))), ...flags);
    expect(documents[0].decision).toMatchObject({ run: 'piecewise', reason: 'graph-piecewise', paddedTokens: 8 });
    const ours = explain(JSON.stringify(ranks([1, 2, 3, 4, 5].map(() => decode(3)))), ...flags.slice(2));
    expect(ours.documents[0].decision).toMatchObject({ run: 'full', paddedTokens: 6 });
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
    [line, ['--max-num-seqs', '0'], '--max-num-seqs is 0'],
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
