import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../support/cli.js';
import { allBlocks, blocks, textOf } from '../../support/doc-blocks.js';

/** The page whose commands are typed in order, in one folder: each uses what the one before made. */
const FOLLOWED = 'docs/getting-started.md';

describe('commands in the documentation', () => {
  /** Runs what a reader would type, but for npm's scripts, of which it is only asked that they exist. Returns what it prints. */
  function type(code: string, cwd: string): string {
    const scripts = Object.keys(JSON.parse(textOf('package.json')).scripts);
    for (const [, name] of code.matchAll(/^npm (?:run )?([\w:-]+)/gm)) expect(scripts).toContain(name);
    const rest = code.replaceAll(/^npm .*$/gm, '');
    const main = `'${process.execPath}' '${path.join(root, 'dist/cli/main.js')}' "$@"`;
    const commands = `lockstep() { ${main}; }\nnpx() { shift; ${main}; }\n${rest}`;
    const printed = execFileSync('sh', ['-e', '-c', commands], { cwd, encoding: 'utf8' });
    if (rest.trim() !== '') expect(printed).not.toBe('');
    return printed;
  }

  const apart = allBlocks('sh').filter(([page]) => page !== FOLLOWED);
  it.each(apart)('%s, sh %i, runs; of what npm would run there is a script', (_page, _index, code) => {
    type(code, root);
  });

  it(`${FOLLOWED} leads from a trace to its report, one block after the other`, () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-docs-'));
    try {
      const printed = blocks(FOLLOWED, 'sh').map((code) => type(code, folder));
      expect(printed).toHaveLength(5);
      expect(printed[2]).toMatch(/^ {2}arrivals +300 requests in [\d.]+ s, [345]\.\d+ a second$/m);
      expect(printed[2]).toMatch(/^ {2}vllm +--cudagraph-capture-sizes( \d+)+ 128$/m);
      expect(printed[3]).toBe(
        `${readFileSync(path.join(folder, 'report.html'), 'utf8').match(/<figure/g)?.length}\ntrue\n`,
      );
      expect(printed[4]).toMatch(/40 of 40 finished[\s\S]*: 0 mismatches\n/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
