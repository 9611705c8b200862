import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
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
import { completeLog } from '../../support/logs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-outputs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);
const TRACE =
  'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\n2023-11-16 18:15:50.99,396,109\n';
const GOOD = 'what was there\n';

beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(at(name), { recursive: true });
  writeFileSync(at('trace.csv'), TRACE);
  writeFileSync(at('good'), GOOD);
});

/** Runs the command where no file can grow beyond `blocks` blocks of 512 bytes, as on a disk that is full. */
function onFullDisk(blocks: number, ...args: string[]): CliResult {
  const script = `ulimit -f ${blocks}; exec "$0" dist/cli/main.js "$@"`;
  return spawnSync('sh', ['-c', script, process.execPath, ...args], { cwd: root, encoding: 'utf8', input: '' });
}

/** A simulation whose log grows. */
async function growing(...args: string[]): Promise<{ child: ChildProcess }> {
  const child = spawn(process.execPath, ['dist/cli/main.js', 'simulate', ...args], { cwd: root, stdio: 'ignore' });
  const written = (): boolean => existsSync(at('log')) && statSync(at('log')).size > 0;
  while (!written()) await new Promise((resolve) => setTimeout(resolve, 20));
  return { child };
}

describe('an output', () => {
  it.each([
    ['plan', '--out', ['--requests', '20']],
    ['run', '--plan-out', ['--requests', '2']],
  ])('of %s that is a document takes the place of a file whole or not at all', (command, option, args) => {
    const failed = onFullDisk(1, command, ...args, option, at('good'));
    expect(failed.status, failed.stderr).toBe(2);
    expect(failed.stderr).toContain(`${at('good')} cannot be written`);
    expect(readFileSync(at('good'), 'utf8')).toBe(GOOD);
    expect(readdirSync(folder).sort()).toEqual(['good', 'trace.csv']);
    expect(cli([command, ...args, option, at('good')]).status).toBe(0);
    expect(readFileSync(at('good'), 'utf8')).toMatch(/^\{/);
    expect(readdirSync(folder).sort()).toEqual(['good', 'trace.csv']);
  });

  it.each([
    ['simulate', '--steps-out', ['--requests', '20']],
    ['run', '--step-log', ['--requests', '20']],
    ['run', '--capture-log', ['--requests', '2']],
  ])('of %s %s that meets a full disk ends without its end mark, which the command says', (command, option, args) => {
    const failed = onFullDisk(3, command, ...args, option, at('log'));
    expect(failed.status, failed.stderr).toBe(2);
    expect(failed.stderr).toContain(`${at('log')} cannot be written: EFBIG`);
    expect(failed.stderr).not.toMatch(/RANK_LOST/);
    expect(readFileSync(at('log'), 'utf8')).toHaveLength(3 * 512);
    expect(readFileSync(at('log'), 'utf8')).not.toContain('"end"');
  });

  it('of a simulation that is killed is read as such, with the steps that it has', async () => {
    const { child } = await growing('--requests', '100000', '--steps-out', at('log'));
    child.kill('SIGKILL');
    await once(child, 'close');
    const lines = readFileSync(at('log'), 'utf8').split('\n').length - 1;
    for (const args of [['plan', '--steps'], ['plan'], ['replay']]) {
      const { status, stdout, stderr } = cli([...args, at('log')]);
      expect(status, stderr).toBe(0);
      expect(stderr).toMatch(
        /^lockstep: warning: .*log (ends without the line|is cut off in line \d+).*: what wrote it was killed/m,
      );
      const steps = Number(/^(?:Planned \d+ graphs for|Decided) ([\d,]+) steps/.exec(stdout)?.[1]?.replaceAll(',', ''));
      expect(steps).toBeGreaterThan(0.9 * lines);
      expect(steps).toBeLessThanOrEqual(lines);
    }
  });

  it('that another run writes is refused at once, whichever of the two writes what', async () => {
    const { child } = await growing('--requests', '1000000', '--steps-out', at('log'));
    symlinkSync(at('log'), at('link'));
    linkSync(at('log'), at('hard'));
    try {
      for (const [command, option, name] of [
        ['simulate', '--steps-out', 'log'],
        ['run', '--step-log', 'link'],
        ['run', '--capture-log', 'hard'],
        ['run', '--plan-out', 'log'],
        ['plan', '--out', 'link'],
      ] as const) {
        const { status, stdout, stderr } = cli([command, '--requests', '2', option, at(name)]);
        expect([status, stdout], stderr).toEqual([2, '']);
        expect(stderr).toMatch(
          new RegExp(`/${name} is being written by another run; wait for its end, or give another name`),
        );
      }
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    expect(
      readFileSync(at('log'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).rows.length),
    ).not.toContain(1);
    // The lock of a dead process is gone.
    expect(cli(['simulate', '--requests', '2', '--steps-out', at('log')]).status).toBe(0);
    expect(completeLog(at('log')).length).toBeGreaterThan(100);
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
    ['simulate', ['--trace', 'hard', '--steps-out', 'trace.csv']],
    ['plan', ['hard', '--out', 'link']],
    ['run', ['--requests', '2', '--step-log', 'dangling', '--plan-out', 'new']],
    ['run', ['--requests', '2', '--ranks', '3', '--step-log', 'rank-2.rec', '--record', '.']],
    ['run', ['--requests', '2', '--ranks', '2', '--step-log', 'rank-9.rec', '--record', '.']],
  ])('that is an input or another output is refused: %s %j', (command, args) => {
    symlinkSync(at('trace.csv'), at('link'));
    symlinkSync('new', at('dangling'));
    linkSync(at('trace.csv'), at('hard'));
    const names = ['trace.csv', 'link', 'new', 'hard', 'dangling', 'rank-2.rec', 'rank-9.rec', '.'];
    const named = args.map((text) => (names.includes(text) ? at(text) : text));
    const { status, stdout, stderr } = cli([command, ...named]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/is the file of .* too, and would replace it; give another/);
    expect(readFileSync(at('trace.csv'), 'utf8')).toBe(TRACE);
  });

  it.each([
    ['run', ['--model', 'm', '--step-log', 'm/weights.safetensors']],
    ['run', ['--model', 'm', '--plan-out', 'm/config.json']],
    ['run', ['--model', 'm', '--capture-log', 'blob']],
    ['run', ['--model', 'm', '--html', 'm/generation_config.json']],
    ['plan', ['--measure', 'm', '--out', 'm/config.json']],
    ['plan', ['--cost-model', 'h100', '--model-config', 'm', '--out', 'm/config.json']],
    ['plan', ['--cost-model', 'h100:./m/', '--out', 'm/config.json']],
    ['simulate', ['--cost-model', 'h100', '--model-config', 'm', '--steps-out', 'm/config.json']],
    ['simulate', ['--engine', 'trtllm-serve m --extra_llm_api_options m/engine.yaml', '--steps-out', 'm/engine.yaml']],
    ['run', ['--engine', 'trtllm-serve m --extra_llm_api_options m/engine.yaml', '--step-log', 'm/engine.yaml']],
    ['run', ['--trace', 'm/rank-3.rec', '--ranks', '2', '--tensor-parallel-size', '2', '--record', 'm']],
    ['run', ['--trace', 'm/rank-9.rec', '--ranks', '2', '--record', 'm']],
  ])('that lies among what a folder is read for is refused: %s %j', (command, args) => {
    mkdirSync(at('m'));
    const names = ['config.json', 'weights.safetensors', 'rank-3.rec', 'rank-9.rec'];
    for (const name of names) writeFileSync(at(`m/${name}`), TRACE);
    writeFileSync(at('m/engine.yaml'), 'cuda_graph_config:\n  max_batch_size: 8\n');
    writeFileSync(at('blob'), TRACE);
    symlinkSync(at('blob'), at('m/other.safetensors'));
    const { status, stdout, stderr } = cli(
      [command, ...args].map((text) => text.replace(/(^|[ :])(?:\.\/)?(m|blob)($|[ /])/g, `$1${folder}/$2$3`)),
    );
    expect([status, stdout], stderr).toEqual([2, '']);
    expect(stderr).toMatch(/is the file of .* too, and would replace it; give another/);
    for (const name of [...names.map((each) => `m/${each}`), 'blob'])
      expect(readFileSync(at(name), 'utf8')).toBe(TRACE);
  });

  it("may lie in a model's folder where the model is not read from it", () => {
    mkdirSync(at('m'));
    const { stderr } = cli(['run', '--model', at('m'), '--requests', '2', '--plan-out', at('m/plan.json')]);
    expect(stderr).toContain(`${at('m')}/config.json`);
    expect(stderr).not.toContain('would replace it');
  });

  it('that is the file of standard input or output is refused', () => {
    const main = `'${process.execPath}' dist/cli/main.js`;
    for (const [script, other] of [
      [`${main} simulate --trace - --steps-out '${at('trace.csv')}' < '${at('trace.csv')}'`, '--trace'],
      [`${main} plan --requests 5 --out '${at('new')}' > '${at('new')}'`, 'standard output'],
      [`${main} plan --requests 5 --out /dev/stdout > '${at('new')}'`, 'standard output'],
    ] as const) {
      const { status, stderr } = spawnSync('sh', ['-c', script], { cwd: root, encoding: 'utf8', input: '' });
      expect(status, stderr).toBe(2);
      expect(stderr).toContain(`is the file of ${other} too, and would replace it`);
    }
    expect(readFileSync(at('trace.csv'), 'utf8')).toBe(TRACE);
  });

  it.each(['--step-log', '--capture-log'])('of a run that cannot be written, %s, is no lost rank', (option) => {
    const { status, stderr } = cli(['run', '--requests', '2', option, '/dev/full']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/\/dev\/full cannot be written: ENOSPC/);
    expect(stderr).not.toMatch(/RANK_LOST/);
  });
});

it.each([
  ['plan'],
  ['plan', '--log'],
  ['plan', '--cost'],
  ['simulate', '--trace'],
  ['simulate', '--plan'],
  ['check', '--policy'],
  ['replay'],
  ['conformance'],
  ['plan', '--out'],
  ['simulate', '--steps-out'],
  ['run', '--step-log'],
  ['run', '--record'],
])('a loop of links is refused in a sentence: %s %s', (...args) => {
  symlinkSync(at('b'), at('a'));
  symlinkSync(at('a'), at('b'));
  const { status, stderr } = cli([...args, at('a')]);
  expect(status, stderr).toBe(2);
  expect(stderr.trim().split('\n').at(-1)).toMatch(/^lockstep: .*ELOOP.*\[ERR_INPUT_INVALID\]$/);
});
