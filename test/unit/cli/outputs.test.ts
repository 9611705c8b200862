import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliResult, cli, root } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-outputs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);
const TRACE =
  'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\n2023-11-16 18:15:50.99,396,109\n';
const GOOD = 'what was there\n';

beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(at(name));
  writeFileSync(at('trace.csv'), TRACE);
  writeFileSync(at('good'), GOOD);
});

/** Runs the command where no file can grow beyond `blocks` blocks of 512 bytes, as on a disk that is full. */
function onFullDisk(blocks: number, ...args: string[]): CliResult {
  const script = `ulimit -f ${blocks}; exec "$0" dist/cli/main.js "$@"`;
  return spawnSync('sh', ['-c', script, process.execPath, ...args], { cwd: root, encoding: 'utf8', input: '' });
}

describe('an output', () => {
  it.each([
    ['plan', '--out', ['--requests', '20']],
    ['simulate', '--steps-out', ['--requests', '20']],
    ['run', '--plan-out', ['--requests', '2']],
  ])('of %s takes the place of a file whole or not at all', (command, option, args) => {
    const failed = onFullDisk(1, command, ...args, option, at('good'));
    expect(failed.status, failed.stderr).toBe(2);
    expect(failed.stderr).toContain(`${at('good')} cannot be written`);
    expect(readFileSync(at('good'), 'utf8')).toBe(GOOD);
    expect(readdirSync(folder).sort()).toEqual(['good', 'trace.csv']);
    expect(cli([command, ...args, option, at('good')]).status).toBe(0);
    expect(readFileSync(at('good'), 'utf8')).toMatch(/^\{/);
    expect(readdirSync(folder).sort()).toEqual(['good', 'trace.csv']);
  });

  it('of a simulation that is killed does not stand under its name', async () => {
    const args = ['dist/cli/main.js', 'simulate', '--requests', '100000', '--steps-out', at('good')];
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'ignore' });
    const written = (): boolean =>
      readdirSync(folder).some((name) => name.endsWith('.part') && statSync(at(name)).size > 0);
    while (!written()) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(readFileSync(at('good'), 'utf8')).toBe(GOOD);
  });

  it('keeps the mode of the file that it replaces, and goes where a link leads', () => {
    chmodSync(at('good'), 0o600);
    symlinkSync(at('good'), at('link'));
    expect(cli(['plan', '--requests', '5', '--out', at('link')]).status).toBe(0);
    expect(readFileSync(at('link'), 'utf8')).toBe(readFileSync(at('good'), 'utf8'));
    expect(readFileSync(at('good'), 'utf8')).toMatch(/^\{/);
    expect(statSync(at('good')).mode & 0o777).toBe(0o600);
  });

  it('may be a device or a pipe, which is written itself', () => {
    expect(cli(['plan', '--requests', '5', '--out', '/dev/null']).status).toBe(0);
    const script = `'${process.execPath}' dist/cli/main.js plan --requests 5 --out /dev/stdout | cat`;
    const { stdout } = spawnSync('sh', ['-c', script], { cwd: root, encoding: 'utf8', input: '' });
    expect(stdout).toContain('"keys"');
  });

  it.each([
    ['simulate', ['--trace', 'trace.csv', '--steps-out', 'trace.csv']],
    ['simulate', ['--trace', 'trace.csv', '--steps-out', 'link']],
    ['plan', ['trace.csv', '--out', 'trace.csv']],
    ['run', ['--trace', 'trace.csv', '--step-log', 'trace.csv']],
    ['run', ['--trace', 'trace.csv', '--plan-out', 'link']],
    ['run', ['--requests', '2', '--step-log', 'new', '--capture-log', 'new']],
  ])('that is an input or another output is refused: %s %j', (command, args) => {
    symlinkSync(at('trace.csv'), at('link'));
    const named = args.map((text) => (['trace.csv', 'link', 'new'].includes(text) ? at(text) : text));
    const { status, stdout, stderr } = cli([command, ...named]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/is the file of .* too, and would replace it; give another/);
    expect(readFileSync(at('trace.csv'), 'utf8')).toBe(TRACE);
  });

  it.each(['--step-log', '--capture-log'])('of a run that cannot be written, %s, is no lost rank', (option) => {
    const { status, stderr } = cli(['run', '--requests', '2', option, '/dev/full']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/\/dev\/full cannot be written: ENOSPC/);
    expect(stderr).not.toMatch(/RANK_LOST/);
  });
});

it('a source that is a loop of links is refused in a sentence', () => {
  symlinkSync(at('b'), at('a'));
  symlinkSync(at('a'), at('b'));
  const { status, stderr } = cli(['plan', at('a')]);
  expect(status).toBe(2);
  expect(stderr.trim()).toMatch(/^lockstep: .*ELOOP.*\[ERR_INPUT_INVALID\]$/);
});
