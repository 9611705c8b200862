import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkedRows } from '../../../site/checks.mjs';
import { drawings } from '../../../site/draw.mjs';
import { lanes, readTrace } from '../../../site/pictures/lanes.mjs';
import { cli, root } from '../../support/cli.js';
import { shownLines } from '../../support/doc-blocks.js';

const read = (name: string): string => readFileSync(path.join(root, 'docs', name), 'utf8');

describe('docs/pictures', () => {
  const drawn: Map<string, string> = drawings();

  it('are what `npm run docs:pictures` draws now, and no others', () => {
    expect(readdirSync(path.join(root, 'docs/pictures')).sort()).toEqual([...drawn.keys()].sort());
    for (const [name, svg] of drawn) expect(read(`pictures/${name}`), name).toBe(svg);
  });

  it('are shown, each with words for those who do not see it', () => {
    const pages = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const shown = pages.flatMap((page) => [...read(page).matchAll(/!\[(.+)\]\(pictures\/(.+?)\)/g)]);
    expect(shown.map(([, , name]) => name).sort()).toEqual([...drawn.keys()].sort());
    for (const svg of drawn.values()) expect(svg).toMatch(/<title>.+<\/title><desc>.+<\/desc>/);
  });

  it('hold nothing from outside, and no text beyond their edge', () => {
    for (const [name, svg] of drawn) {
      expect(svg.replace('http://www.w3.org/2000/svg', ''), name).not.toMatch(/https?:|url\(|<script|href/);
      const [, width] = /viewBox="0 0 (\d+)/.exec(svg) ?? [];
      for (const [, x, text] of svg.matchAll(/<tspan x="([\d.]+)" y="[\d.]+">(.*?)<\/tspan>/g)) {
        // A letter of 14 px is 6 to 7 px wide on average; texts in the middle of a box begin before x.
        expect(Number(x) + text.length * 6, `${name}: ${text}`).toBeLessThanOrEqual(Number(width) + 20);
      }
    }
  });
});

it('a picture of a trace has a lane a rank, and every line of the trace', () => {
  const trace = readTrace(
    '   1  vote     rank 0   votes: idle\n   2  vote     rank 1   votes: a\n   3  end      all      violates P2\n',
  );
  expect(trace).toEqual([
    { phase: 'vote', rank: 0, text: 'votes: idle' },
    { phase: 'vote', rank: 1, text: 'votes: a' },
    { phase: 'end', rank: null, text: 'violates P2' },
  ]);
  const svg = lanes(trace, 'two ranks');
  for (const text of ['rank 0', 'rank 1', 'votes: idle', 'votes: a', 'violates P2']) expect(svg).toContain(`>${text}<`);
  const rows = [...svg.matchAll(/<rect x="(\d+)" y="(\d+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
  expect(rows[0][1]).toBe(rows[1][1]);
  expect(rows[1][0]).toBeGreaterThan(rows[0][0]);
  expect(rows[2]).toEqual([1, rows[1][1] + 42]);
});

it('docs/tutorial.md shows what its first command prints', () => {
  const [, batch] = /echo '(.*)' \|/.exec(read('tutorial.md')) ?? [];
  const { stdout } = cli(['explain', '--ladder', '1,2,4,8'], batch);
  const now = stdout.split('\n\n')[0].split('\n');
  expect(shownLines('docs/tutorial.md', 'tutorial', now)).toEqual(now);
});

it('docs/trust.md says how much is checked', () => {
  const now = checkedRows();
  expect(shownLines('docs/trust.md', 'how much is checked', now)).toEqual(now);
  expect(now.length).toBeGreaterThan(6);
});
