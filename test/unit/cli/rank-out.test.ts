import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../support/cli.js';

/** What a file system without hard links says. */
const NO_LINKS = `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  fs.linkSync = () => { throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM', syscall: 'link' }); };
  syncBuiltinESMExports();`;

it('the folder of --rank-out may be on a file system without hard links, which has no lock', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-rank-out-'));
  try {
    const script = `
      import { RankOut } from './dist/cli/rank-out.js';
      await new RankOut(process.argv[1], { rank: 1, processes: 2 }).failed(new Error('it broke'));`;
    const preload = ['--import', `data:text/javascript,${encodeURIComponent(NO_LINKS)}`];
    execFileSync(process.execPath, [...preload, '--input-type=module', '--eval', script, folder], { cwd: root });
    expect(readdirSync(folder)).toEqual(['rank-1.json']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
