import { afterEach, expect, it, vi } from 'vitest';
import { cli, cliAlone } from '../../support/cli.js';

afterEach(() => vi.unstubAllEnvs());

it.each([[['--version']], [['audit', '--engine', 'vllm', '--json']], [['check', '--policy', 'nope']], [['nope']]])(
  'one process for many commands says of %j what a process of its own says, each time',
  (args) => {
    const alone = cliAlone(args);
    for (let time = 0; time < 2; time++) expect(cli(args)).toEqual(alone);
  },
);

it('a command has the environment of now', () => {
  expect(cli(['conformance']).stdout).not.toContain('\x1b[');
  vi.stubEnv('FORCE_COLOR', '1');
  expect(cli(['conformance'])).toEqual(cliAlone(['conformance']));
  expect(cli(['conformance']).stdout).toContain('\x1b[');
});
