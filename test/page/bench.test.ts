import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasBrowser } from '../support/browser.js';
import { root } from '../support/cli.js';

describe.skipIf(!hasBrowser)('the bench of the page', () => {
  let folder = '';

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-bench-page-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('measures a trace on the page and in Node', () => {
    const trace = path.join(folder, 'small.csv');
    writeFileSync(trace, 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n');
    const args = [path.join(root, 'scripts/bench-page.mjs'), trace, '--rounds', '1', '--json'];
    const figures = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    const { openMs, pageMs, nodeMs, ratio, ...rest } = figures;
    expect(rest).toEqual({ trace: 'small.csv', rounds: 1 });
    for (const ms of [openMs, pageMs, nodeMs]) expect(ms).toBeGreaterThan(0);
    expect(ratio).toBeCloseTo(pageMs / nodeMs);
  });
});
