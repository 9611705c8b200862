import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cli, root } from '../../support/cli.js';
import { drawn } from '../../support/property-runs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-stdin-'));
afterAll(() => rmSync(folder, { recursive: true }));

const trace = path.join(folder, 'trace.csv');
const rows = Array.from({ length: 12 }, (_, row) => `2023-11-16 18:15:${10 + row}.0000000,${100 + row},${20 + row}`);
const text = ['TIMESTAMP,ContextTokens,GeneratedTokens', ...rows, ''].join('\n');
writeFileSync(trace, text);
const stepLog = path.join(folder, 'steps.jsonl');
expect(cli(['simulate', '--trace', trace, '--steps-out', stepLog]).status).toBe(0);
const engineLog = path.join(root, 'test/fixtures/engines/sglang-batches.log');

const GENERATED = ['plan', '--requests', '5'];

/** A summary without what differs between two runs of the same. */
function summary(args: readonly string[], input = ''): object {
  const { status, stdout, stderr } = cli([...args, '--json'], input);
  expect(status, stderr).toBe(0);
  return { ...JSON.parse(stdout), seconds: 0, stepsPerSecond: 0 };
}

/** Commands that read each kind of file. */
const READERS: [string, string[], string][] = [
  ['plan', [], trace],
  ['plan', ['--trace'], trace],
  ['plan', [], stepLog],
  ['plan', ['--steps'], stepLog],
  ['plan', ['--max-num-seqs', '1024'], engineLog],
  ['plan', ['--max-num-seqs', '1024', '--log'], engineLog],
  ['simulate', ['--trace'], trace],
  ['run', ['--trace'], trace],
];

describe('standard input', () => {
  it.each(drawn(READERS, 3))('is the file where it is named -: %s %j of %s', (command, options, file) => {
    const named = summary([command, ...options, file]);
    expect(summary([command, ...options, '-'], readFileSync(file, 'utf8'))).toEqual(named);
  });

  it('is named in the report, and so is a file', () => {
    expect(cli(['plan', '-'], text).stdout).toMatch(/^Planned .* of a trace, standard input$/m);
    expect(cli(['plan', stepLog]).stdout).toContain(` of a step log, ${stepLog}\n`);
    expect(cli(['simulate', '--trace', '-'], text).stdout).toMatch(/^ {2}workload +standard input$/m);
  });

  it('names its line where it is at fault', () => {
    const { status, stdout, stderr } = cli(['plan', '-'], `${text}2023-11-16 18:15:59.0000000,many,1\n`);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/:14: /);
  });

  it('that nobody was told to read is no reason to plan something else', () => {
    const piped = cli(GENERATED, text);
    expect([piped.status, piped.stdout]).toEqual([2, '']);
    expect(piped.stderr).toMatch(/lockstep plan -/);
    const redirected = spawnSync(process.execPath, ['dist/cli/main.js', ...GENERATED], {
      cwd: root,
      stdio: [openSync(trace, 'r'), 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    expect([redirected.status, redirected.stdout]).toEqual([2, '']);
  });

  it('is left alone where a source is named, and by commands that take none of it', () => {
    expect(cli(['plan', trace], 'no trace\n').status).toBe(0);
    expect(cli(['simulate', '--requests', '5'], 'no trace\n').status).toBe(0);
  });

  it('is not waited for', async () => {
    const child = spawn(process.execPath, ['dist/cli/main.js', ...GENERATED], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.resume();
    // Its input stays open and empty.
    const [status] = await once(child, 'close');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Planned .* steps of a generated workload \(5 requests, seed 0\)$/m);
  });
});
