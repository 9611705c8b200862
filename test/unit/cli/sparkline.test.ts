import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { joined, overTimeLines, showsBars, sizeLines, sparkline } from '../../../dist/cli/sparkline.js';
import { cli, root } from '../../support/cli.js';

const BARS = /[▁▂▃▄▅▆▇]/;
const UTF8 = { LC_ALL: 'C.UTF-8', TERM: 'xterm' };
const hasScript = spawnSync('script', ['--version']).status === 0;

describe('a sparkline', () => {
  it('has eight heights, and nothing where there is nothing', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8])).toBe(' ▂▃▄▅▆▇██');
    expect(sparkline([0.001, 1000, 0])).toBe('▁█ ');
    expect(sparkline([])).toBe('');
    expect(sparkline([0, 0])).toBe('  ');
  });

  it('joins values to as many as fit, and loses none', () => {
    expect(joined([1, 2, 3], 40)).toEqual([1, 2, 3]);
    expect(joined([1, 2, 3, 4, 5], 2)).toEqual([6, 9]);
    const many = Array.from({ length: 12_345 }, (_, index) => index % 7);
    expect(joined(many, 40).length).toBeLessThanOrEqual(40);
    expect(joined(many, 40).reduce((a, b) => a + b)).toBe(many.reduce((a, b) => a + b));
  });

  it('shows sizes from 1 on, and tokens beside eager steps', () => {
    expect(sizeLines({ 2: 8, 4: 4 })).toEqual(['  steps         █ ▅  decodes of 1 to 4 tokens']);
    expect(sizeLines({})).toEqual([]);
    const rank = (...tokens: number[]) => ({ tokens, graphTokens: [], toLargest: [], toGraph: [], largest: [] });
    const timeline = { ranks: 2, decisions: 3, perBin: 1, idle: [0, 0, 0], paddedBy: [], decodes: [] };
    const kinds = { graph: [0, 1, 1], 'eager: prefill': [1, 0, 0] };
    expect(overTimeLines({ ...timeline, kinds, byRank: [rank(4, 1, 0), rank(4, 1, 1)] })).toEqual([
      '  over time    █▃▂  tokens',
      '               █    eager steps',
    ]);
    expect(overTimeLines({ ...timeline, decisions: 0, kinds: {}, byRank: [rank()] })).toEqual([]);
  });
});

describe('bars', () => {
  it.each<[boolean, string, Parameters<typeof showsBars>[0]]>([
    [true, 'a terminal in UTF-8', { isTTY: true, env: { LANG: 'en_GB.UTF-8' } }],
    [true, 'one without colours', { isTTY: true, env: { LANG: 'en_GB.utf8', NO_COLOR: '1' } }],
    [true, 'Windows Terminal', { isTTY: true, env: { WT_SESSION: 'x' }, platform: 'win32' }],
    [false, 'a pipe', { isTTY: false, env: { LANG: 'C.UTF-8', FORCE_COLOR: '1' } }],
    [false, 'a dumb terminal', { isTTY: true, env: { LANG: 'C.UTF-8', TERM: 'dumb' } }],
    [false, 'another locale, which comes first', { isTTY: true, env: { LC_ALL: 'C', LANG: 'C.UTF-8' } }],
    [false, 'no locale', { isTTY: true, env: {} }],
    [false, 'an old console', { isTTY: true, env: {}, platform: 'win32' }],
  ])('%s: %s', (expected, _what, surface) => {
    expect(showsBars({ platform: 'linux', ...surface })).toBe(expected);
  });

  describe.skipIf(!hasScript)('on a pseudo-terminal (skipped where there is no script)', () => {
    const onTerminal = (args: readonly string[], env: NodeJS.ProcessEnv = UTF8): string => {
      const command = [process.execPath, path.join(root, 'dist/cli/main.js'), ...args].map((word) => `'${word}'`);
      const { stdout, status } = spawnSync('script', ['-qec', `${command.join(' ')} 2>&-`, '/dev/null'], {
        encoding: 'utf8',
        cwd: root,
        env: { ...process.env, ...env },
      });
      expect(status, stdout).toBe(0);
      return stdout.replaceAll('\r', '');
    };

    it.each([
      ['simulate', ['--requests', '40'], / {2}over time {4}\S.*tokens$/m],
      ['run', ['--requests', '6', '--device', 'host'], / {2}over time {4}\S.*tokens$/m],
      ['plan', ['--requests', '40'], / {2}steps {8}.*decodes of 1 to \d+ tokens$/m],
      ['bench', ['--filter', 'decode-1', '--rounds', '3'], /^decode-1 .* [▁▂▃▄▅▆▇█]{3}$/m],
    ])('are drawn by %s, and nowhere else', (command, options, line) => {
      expect(onTerminal([command, ...options])).toMatch(line);
      const piped = cli([command, ...options], '', { ...process.env, ...UTF8, FORCE_COLOR: '1' }).stdout;
      expect(piped).not.toBe('');
      expect(piped).not.toMatch(line);
      expect(piped).not.toMatch(BARS);
    });

    it('are drawn neither beside --json nor where the terminal cannot', () => {
      const args = ['simulate', '--requests', '40'];
      expect(JSON.parse(onTerminal([...args, '--json']))).toHaveProperty('steps');
      expect(onTerminal([...args, '--output', 'table'])).not.toMatch(BARS);
      expect(onTerminal(args, { ...UTF8, TERM: 'dumb' })).not.toMatch(BARS);
      expect(onTerminal(args, { ...UTF8, LC_ALL: 'C' })).not.toMatch(BARS);
    });
  });
});
