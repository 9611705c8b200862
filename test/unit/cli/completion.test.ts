import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allCommands } from '../../../dist/cli/commands.js';
import { completedCommands } from '../../../dist/cli/completed-words.js';
import { cli, root } from '../../support/cli.js';

const SHELLS = ['bash', 'zsh', 'fish'];

let folder = '';
const script = (shell: string): string => path.join(folder, `lockstep.${shell}`);
const isHere = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-completion-'));
  for (const shell of SHELLS) {
    const { status, stdout, stderr } = cli(['completion', shell]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    writeFileSync(script(shell), stdout);
  }
  writeFileSync(path.join(folder, 'settings.json'), '{}');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What bash's completion function answers to the words, the last of which is being typed. */
function bashAnswers(...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ');
  const text = `source '${script('bash')}'; complete -p lockstep >/dev/null || exit 9
    COMP_WORDS=(lockstep ${list}); COMP_CWORD=${words.length}; _lockstep; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', text], { encoding: 'utf8', cwd: folder });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').filter((line) => line !== '');
}

describe('bash', () => {
  it('completes commands, options, words and files', () => {
    expect(bashAnswers('si')).toEqual(['simulate']);
    expect(bashAnswers('simulate', '--max-num-s')).toEqual(['--max-num-seqs']);
    expect(bashAnswers('simulate', '--policy', 'vllm')).toEqual(['vllm-v1', 'vllm-v2']);
    expect(bashAnswers('conformance', '--output', '')).toEqual(['json', 'ndjson', 'table', 'csv']);
    expect(bashAnswers('plan', '--config', 'set')).toEqual(['settings.json']);
    expect(bashAnswers('plan', 'set')).toEqual(['settings.json']);
    expect(bashAnswers('completion', 'z')).toEqual(['zsh']);
    expect(bashAnswers('plan', '--graphs', '')).toEqual([]);
  });

  it('offers each command every option that its help shows', async () => {
    for (const { name } of completedCommands(await allCommands())) {
      const help = cli([name, '--help']).stdout;
      const shown = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, flag]) => flag ?? '');
      expect(shown.length).toBeGreaterThan(0);
      expect(bashAnswers(name, '--').sort()).toEqual(shown.sort());
    }
  });
});

/** Words typed with tabulators into the shell itself, and the arguments that the command then had. */
function typed(shell: string[], before: string[]): string {
  const out = path.join(folder, 'arguments');
  rmSync(out, { force: true });
  const keys = [
    ...before,
    `lockstep() { printf '<%s>' "$@" > '${out}'; }`,
    'lockstep conf\t--outp\tcs\t--conf\tsettin\t',
    'exit',
  ];
  const harness = path.join(root, 'test/support/type-in-shell.py');
  spawnSync('python3', [harness, '240', ...shell], {
    cwd: folder,
    input: keys.join('\n'),
    env: { ...process.env, TERM: 'dumb' },
  });
  return readFileSync(out, 'utf8').replaceAll('=', '><');
}

const ARGUMENTS = '<conformance><--output><csv><--config><settings.json>';

it.skipIf(!isHere('python3'))('completes what is typed into bash', () => {
  expect(typed(['bash', '--norc', '--noprofile', '-i'], [`source '${script('bash')}'`])).toBe(ARGUMENTS);
});

it.skipIf(!isHere('python3') || !isHere('zsh'))('completes what is typed into zsh', () => {
  const before = ['autoload -Uz compinit && compinit -u -D', `source '${script('zsh')}'`];
  expect(typed(['zsh', '-f', '-i'], before)).toBe(ARGUMENTS);
});

it.skipIf(!isHere('fish'))('completes in fish', () => {
  const complete = (line: string): string[] => {
    const text = `source '${script('fish')}'; complete -C '${line}'`;
    const { status, stdout } = spawnSync('fish', ['--no-config', '-c', text], { encoding: 'utf8', cwd: folder });
    expect(status).toBe(0);
    return stdout.split('\n').filter((each) => each !== '');
  };
  expect(complete('lockstep si')).toEqual([expect.stringMatching(/^simulate\tDecide every step/)]);
  expect(complete('lockstep conformance --outp')).toEqual([expect.stringMatching(/^--output\t/)]);
  expect(complete('lockstep conformance --output cs').map((each) => each.split('\t')[0])).toEqual(['csv']);
  expect(complete('lockstep plan --config sett').map((each) => each.split('\t')[0])).toEqual(['settings.json']);
});
