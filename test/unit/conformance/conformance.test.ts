import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runConformance } from '../../../dist/conformance/index.js';
import { runFamily } from '../../../dist/conformance/run-conformance.js';
import { parseVectors } from '../../../dist/conformance/vector-files.js';
import { cli } from '../../support/cli.js';

const VECTORS = path.join(import.meta.dirname, '../../vectors');
const BUILT = [
  'agree-atom',
  'agree-vllm',
  'capture-guard-trtllm',
  'dispatch-vllm',
  'forward-mode-atom',
  'ladder-megatron',
  'ladder-sglang',
  'ladder-trtllm',
  'ladder-vllm',
  'pad-mode-sglang',
  'slot-mapping',
  'split-vllm',
];

/** Families whose cases put questions in `out`, so that another case's `out` asks for other answers. */
const ASKING = ['ladder-megatron'];

const family = (name: string) => {
  const file = path.join(VECTORS, `${name}.json`);
  return parseVectors(readFileSync(file, 'utf8'), file);
};

describe('engine vectors', () => {
  test.each(BUILT)('every case of %s passes', async (name) => {
    const vectors = family(name);
    const result = await runFamily(vectors);
    expect(result.failed).toEqual([]);
    expect(result).toMatchObject({
      family: name,
      built: true,
      cases: vectors.cases.length,
      passed: vectors.cases.length,
    });
    expect(vectors.cases.length).toBeGreaterThan(0);
  });

  test.each(BUILT.filter((name) => !ASKING.includes(name)))(
    '%s: an answer of another case is told as failed',
    async (name) => {
      const { cases, ...vectors } = family(name);
      const other = cases.findIndex(({ out }) => JSON.stringify(out) !== JSON.stringify(cases[0].out));
      const swapped = [{ in: cases[0].in, out: cases[other].out }, cases[other]];
      const result = await runFamily({ ...vectors, cases: swapped });
      expect(result.passed).toBe(1);
      expect(result.failed).toEqual([{ index: 0, in: cases[0].in, expected: cases[other].out, found: cases[0].out }]);
    },
  );

  test('ladder-megatron: other shapes, or another match, are told as failed', async () => {
    const { cases, ...vectors } = family('ladder-megatron');
    type Out = { shapes: unknown[]; matches: { in: object; out: unknown }[] };
    const served = cases.findIndex(({ out }) => (out as Out).matches.some((match) => match.out !== null));
    const { in: given, out } = cases[served] as { in: object; out: Out };
    const reordered = { ...out, shapes: [...out.shapes].reverse() };
    const unmatched = { ...out, matches: out.matches.map((match) => ({ ...match, out: null })) };
    for (const wrong of [reordered, unmatched]) {
      const { failed } = await runFamily({ ...vectors, cases: [{ in: given, out: wrong }] });
      expect(failed).toEqual([{ index: 0, in: given, expected: wrong, found: out }]);
    }
    await expect(runFamily({ ...vectors, cases: [{ in: given, out: { shapes: [] } }] })).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining('cases[0].out.matches') }),
    );
  });

  test('a family that nothing here answers is listed and not run', async () => {
    expect(await runFamily({ file: 'x.json', family: 'ladder-tomorrow', cases: [{ in: {}, out: {} }] })).toEqual({
      family: 'ladder-tomorrow',
      cases: 1,
      passed: 0,
      failed: [],
      built: false,
    });
  });

  test('what the planner refuses is an answer, and a wrong one', async () => {
    const given = { ...(family('slot-mapping').cases[0].in as object), interleaveSize: 5 };
    const { failed } = await runFamily({
      file: 'x.json',
      family: 'slot-mapping',
      cases: [{ in: given, out: { slotMapping: [] } }],
    });
    expect(failed[0].found).toEqual({
      error: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining('interleaveSize'),
    });
  });
});

describe('folders of vectors', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-vectors-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('totals are sums over families, in the order of the file names', async () => {
    const { cases } = family('ladder-vllm');
    const wrong = [{ in: cases[0].in, out: { sizes: [] } }];
    writeFileSync(
      path.join(folder, 'b.json'),
      JSON.stringify({ family: 'ladder-vllm', cases: [...cases.slice(0, 2), ...wrong] }),
    );
    writeFileSync(path.join(folder, 'a.json'), JSON.stringify({ family: 'unheard-of', cases: [{ in: {}, out: 1 }] }));
    writeFileSync(path.join(folder, 'README.md'), 'not a vector');
    const result = await runConformance({ folder });
    expect(result.families.map(({ family: name, built }) => [name, built])).toEqual([
      ['unheard-of', false],
      ['ladder-vllm', true],
    ]);
    expect(result).toMatchObject({ passed: 2, failed: 1 });
  });

  const invalid = (fragment: string) =>
    expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(fragment) });

  test('no folder, and a folder without vectors', async () => {
    await expect(runConformance({ folder: path.join(folder, 'none') })).rejects.toThrowError(invalid('ENOENT'));
    await expect(runConformance({ folder })).rejects.toThrowError(invalid('holds no vectors'));
  });

  test.each([
    ['{', 'it is not JSON'],
    ['[]', 'it is not an object'],
    ['{"cases":[]}', '"family" is not a name'],
    ['{"family":"x","cases":[]}', '"cases" is not an array with a case in it'],
    ['{"family":"x","cases":[{"out":1}]}', 'cases[0] has no object "in"'],
    ['{"family":"x","cases":[{"in":{}}]}', 'cases[0] has no "out"'],
    [
      '{"family":"split-vllm","cases":[{"in":{"queryLens":"1"},"out":[]}]}',
      'cases[0].in.queryLens is "1"; it must be an array of integers',
    ],
    [
      '{"family":"ladder-vllm","cases":[{"in":{"rule":"x"},"out":[]}]}',
      'cases[0].in.rule is "x"; it must be "default" or "spec-align"',
    ],
    [
      '{"family":"agree-vllm","cases":[{"in":{"numUbatches":2,"rows":[{"numTokens":1,"paddedTokens":1,"wantsUbatch":true,"graphMode":"FULL"}]},"out":{}}]}',
      'cases[0].in.rows[0].graphMode is "FULL"; it must be "none", "piecewise" or "full"',
    ],
  ])('%s is refused: %s', async (text, fault) => {
    writeFileSync(path.join(folder, 'bad.json'), text);
    await expect(runConformance({ folder })).rejects.toThrowError(invalid(fault));
    await expect(runConformance({ folder })).rejects.toThrowError(invalid(path.join(folder, 'bad.json')));
  });

  test('an abort ends it', async () => {
    const aborted = expect.objectContaining({ code: 'ERR_ABORTED' });
    await expect(runConformance({ folder: VECTORS, signal: AbortSignal.abort() })).rejects.toThrowError(aborted);
    await expect(runFamily(family('ladder-vllm'), AbortSignal.abort())).rejects.toThrowError(aborted);
  });
});

test('folders in a folder are read too, and a failing case is told with its file', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-vectors-'));
  try {
    const { cases } = JSON.parse(readFileSync(path.join(VECTORS, 'ladder-vllm.json'), 'utf8'));
    const inner = path.join(folder, 'a', 'b');
    mkdirSync(inner, { recursive: true });
    const file = path.join(inner, 'wrong.json');
    writeFileSync(file, JSON.stringify({ family: 'ladder-vllm', cases: [{ ...cases[0], out: 'other' }] }));
    writeFileSync(path.join(folder, 'right.json'), JSON.stringify({ family: 'ladder-vllm', cases: [cases[0]] }));
    const { families, failed } = await runConformance({ folder });
    expect(failed).toBe(1);
    expect(families.map(({ file, passed }) => [file, passed])).toEqual([
      [file, 0],
      [undefined, 1],
    ]);
    const { status, stdout } = cli(['conformance', folder]);
    expect([status, stdout]).toEqual([1, expect.stringContaining(`file      ${file}`)]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
