import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { cli, cliAlone, root } from '../../support/cli.js';
import { PROGRAM, WarmCli } from '../../support/warm-cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-warm-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

it.each([[['--version']], [['audit', '--engine', 'vllm', '--json']], [['check', '--policy', 'nope']], [['nope']]])(
  'one process for many commands says of %j what a process of its own says, each time',
  (args) => {
    const alone = cliAlone(args);
    for (let time = 0; time < 2; time++) expect(cli(args)).toEqual(alone);
  },
);

it.each([[['plan', '-']], [['simulate', '--trace=-']]])('standard input is empty for each of several %j', (args) => {
  const alone = cliAlone(args);
  for (let time = 0; time < 2; time++) expect(cli(args)).toEqual(alone);
});

it('a command has the environment of now', () => {
  copyFileSync(path.join(root, 'test/vectors/split-sglang.json'), path.join(folder, 'split-sglang.json'));
  const shown = ['conformance', folder];
  expect(cli(shown).stdout).not.toContain('\x1b[');
  vi.stubEnv('FORCE_COLOR', '1');
  expect(cli(shown)).toEqual(cliAlone(shown));
  expect(cli(shown).stdout).toContain('\x1b[');
});

it.each([
  ['a signal', "process.kill(process.pid, 'SIGKILL')", 'ended without a word'],
  ['an error that nobody catches', "queueMicrotask(() => { throw new Error('odd') })", 'odd'],
])('a command whose process ends by %s is told as failed', (_, end, said) => {
  const program = path.join(folder, 'ends.mjs');
  // Each command begins with its arguments.
  const begins = `let argv = process.argv; Object.defineProperty(process, 'argv', { get: () => argv, set() { ${end} } });`;
  writeFileSync(program, `${begins} await import(${JSON.stringify(pathToFileURL(PROGRAM))});`);
  const warm = new WarmCli(root, program);
  expect(() => warm.run(['--version'])).toThrow(said);
  warm.close();
});
