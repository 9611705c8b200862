import { describe, expect, it } from 'vitest';
import { cli } from '../../support/cli.js';
import { blocks, PAGES, textOf } from '../../support/doc-blocks.js';

/** Options that sections of their own explain for all commands. */
const EVERYWHERE: readonly string[] = ['--json', '--help', '--config', '--output'];

describe('what the pages say of the command line', () => {
  /** A summary without its numbers; which device there is depends on the machine. */
  const shape = (summary: string): string[] =>
    summary
      .trim()
      .split('\n')
      .map((line) =>
        line
          .trim()
          .replace(/^device .*/, 'device')
          .replace(/\d[\d,.]*/g, '#')
          .replaceAll(/ +/g, ' '),
      );

  it('README shows the lines that a run prints', () => {
    const shown = blocks('README.md', 'text').filter((text) => text.startsWith('Ran '));
    expect(shown).toHaveLength(1);
    const { status, stdout } = cli(['run', '--requests', '20']);
    expect(status).toBe(0);
    expect(shape(shown[0])).toEqual(shape(stdout));
  });

  /** Names in backticks in the first column of the tables of a command's section. */
  function named(pattern: RegExp, command = 'run'): Set<string> {
    const section = textOf('docs/cli.md').split(`## \`lockstep ${command}\``)[1].split('\n## ')[0];
    const cells = [...section.matchAll(/^\| (`.*?) \|/gm)].map((match) => match[1]);
    return new Set(cells.flatMap((cell) => [...cell.matchAll(pattern)].map((match) => match[1])));
  }

  it('cli.md explains every key of the JSON document, and no other', () => {
    const { schemaVersion, ...keys } = JSON.parse(cli(['run', '--requests', '2', '--json']).stdout);
    expect(schemaVersion).toBe(1);
    expect(named(/`([a-z]\w*)(?:\{\}|\[\])?`/gi)).toEqual(new Set(Object.keys(keys)));
  });

  it('cli.md explains every option of run, and no other', () => {
    const { stdout } = cli(['run', '--help']);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]);
    expect(named(/`(--[a-z-]+)/g)).toEqual(new Set(options.filter((name) => !EVERYWHERE.includes(name))));
    for (const heading of ['### `--config FILE`', '### `--output FORMAT`'])
      expect(textOf('docs/cli.md')).toContain(heading);
  });

  it('cli.md explains every key of a plan, and every option that run has not, and no other', () => {
    const { schemaVersion, ...keys } = JSON.parse(cli(['plan', '--requests', '9', '--ranks', '1', '--json']).stdout);
    expect(schemaVersion).toBe(1);
    const all = named(/`([a-z]\w*)(?:[[{][^`]*)?`/gi, 'plan');
    expect(all).toEqual(new Set(Object.keys(keys)));
    const { stdout } = cli(['plan', '--help']);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]);
    const shared = new Set([...named(/`(--[a-z-]+)/g), ...EVERYWHERE, '--steps', '--log']);
    shared.delete('--tensor-parallel-size');
    expect(named(/`(--[a-z-]+)/g, 'plan')).toEqual(new Set(options.filter((name) => !shared.has(name))));
  });
});

it('every page the README names exists, and every page is named', () => {
  const names = [...textOf('README.md').matchAll(/\]\((docs\/[^)#]+)/g)].map((match) => match[1]);
  expect(new Set(PAGES.slice(1))).toEqual(new Set(names));
});
