import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const DIST = path.dirname(path.dirname(MAIN));

function conformance(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'conformance', ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

describe('lockstep conformance', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-vectors-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('the built-in vectors are all there, and none fails', () => {
    const { code, out, err } = conformance('--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const report = JSON.parse(out);
    expect(report).toMatchObject({ schemaVersion: 1, failed: 0 });
    expect(report.families).toHaveLength(15);
    for (const { built, cases, passed } of report.families) expect(passed).toBe(built ? cases : 0);
    expect(report.passed).toBe(
      report.families.reduce((sum: number, { passed }: { passed: number }) => sum + passed, 0),
    );
  });

  test('a failed case exits 1 and shows what was expected and found', () => {
    const options = { rule: 'spec-align', sizes: [7], queryLen: 2, tensorParallelSize: 1, sequenceParallel: false };
    writeFileSync(
      path.join(folder, 'x.json'),
      JSON.stringify({ family: 'ladder-vllm', cases: [{ in: options, out: { sizes: [8] } }] }),
    );
    const report = conformance(folder, '--json');
    expect(report.code).toBe(1);
    expect(JSON.parse(report.out)).toEqual({
      schemaVersion: 1,
      families: [
        {
          family: 'ladder-vllm',
          cases: 1,
          passed: 0,
          built: true,
          file: path.join(folder, 'x.json'),
          failed: [{ index: 0, in: options, expected: { sizes: [8] }, found: { sizes: [2] } }],
        },
      ],
      passed: 0,
      failed: 1,
    });
    const text = conformance(folder);
    expect(text.code).toBe(1);
    expect(text.out).toContain('ladder-vllm case 0');
    expect(text.out).toContain('found     {"sizes":[2]}');
    expect(text.out).not.toContain('\u001b');
  });

  test('families without an answer here are listed as not built', () => {
    writeFileSync(path.join(folder, 'x.json'), JSON.stringify({ family: 'unheard-of', cases: [{ in: {}, out: 1 }] }));
    const { code, out } = conformance(folder);
    expect(code).toBe(0);
    expect(out).toMatch(/unheard-of +1 +not built yet/);
  });

  test('no vectors, or a malformed file: exit 2, and the file is named', () => {
    expect(conformance(folder)).toMatchObject({ code: 2, out: '', err: expect.stringContaining('ERR_INPUT_INVALID') });
    writeFileSync(path.join(folder, 'bad.json'), '{"family":"x"}');
    expect(conformance(folder, '--json')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining(path.join(folder, 'bad.json')),
    });
  });
});

/** Every module of the package that loading `entry` loads. */
function loads(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const [, specifier] of readFileSync(entry, 'utf8').matchAll(/^(?:import|export)\b[^;]*?from '(\.[^']+)';/gms)) {
    loads(path.resolve(path.dirname(entry), specifier), seen);
  }
  return seen;
}

// Of the addon's room only what finds it: it is opened when something asks for it.
test.each(['explain', 'conformance'])('%s loads nothing of devices, and no addon', (command) => {
  const modules = [...loads(path.join(DIST, `cli/${command}.js`))].map((file) => path.relative(DIST, file));
  expect(modules).toContain('batch/requests.js');
  expect(modules.filter((file) => file.startsWith('device/'))).toEqual([]);
  const finds = ['native/addon-errors.js', 'native/index.js', 'native/kernel-images.js'];
  expect(modules.filter((file) => file.startsWith('native/') && !finds.includes(file))).toEqual([]);
});
