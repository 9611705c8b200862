import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { root } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-staged-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a process that exits at once leaves the old file, and nothing beside it', () => {
  const log = path.join(folder, 'steps.jsonl');
  writeFileSync(log, 'old\n');
  const formats = pathToFileURL(path.join(root, 'dist/formats/index.js')).href;
  const script = `
    import { readdirSync } from 'node:fs';
    const { StepLogFile } = await import(${JSON.stringify(formats)});
    await StepLogFile.open(${JSON.stringify(log)});
    console.log(readdirSync(${JSON.stringify(folder)}).length);
    process.exit(130);`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([130, '2\n']);
  expect(readdirSync(folder)).toEqual(['steps.jsonl']);
  expect(readFileSync(log, 'utf8')).toBe('old\n');
});
