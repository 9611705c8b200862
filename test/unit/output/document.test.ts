import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { GrowingFile, writeDocument } from '../../../dist/output/index.js';
import { root } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-document-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);
const text = (name: string): string => readFileSync(at(name), 'utf8');
const HAS_USERS = process.getuid?.() === 0;

beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(at(name), { recursive: true });
});

describe('a document', () => {
  it('takes the place of a file, whose mode it has, and leaves nothing beside it', async () => {
    writeFileSync(at('plan'), 'old');
    chmodSync(at('plan'), 0o640);
    const before = statSync(at('plan')).ino;
    await writeDocument(at('plan'), 'new');
    expect(text('plan')).toBe('new');
    expect(statSync(at('plan')).mode & 0o7777).toBe(0o640);
    expect(statSync(at('plan')).ino).not.toBe(before);
    expect(readdirSync(folder)).toEqual(['plan']);
  });

  it('has the mode that a new file has here where there was none', async () => {
    writeFileSync(at('usual'), '');
    await writeDocument(at('plan'), 'new');
    expect(statSync(at('plan')).mode).toBe(statSync(at('usual')).mode);
  });

  it.skipIf(!HAS_USERS)('keeps the owner of the file', async () => {
    writeFileSync(at('plan'), 'old');
    chownSync(at('plan'), 12345, 54321);
    await writeDocument(at('plan'), 'new');
    expect(statSync(at('plan'))).toMatchObject({ uid: 12345, gid: 54321 });
    expect(text('plan')).toBe('new');
  });

  it.skipIf(!HAS_USERS)('is refused by one who cannot keep the owner, and the file stays', () => {
    writeFileSync(at('plan'), 'old');
    chmodSync(at('plan'), 0o666);
    chmodSync(folder, 0o777);
    const script = `
      const { writeDocument } = await import(${JSON.stringify(pathToFileURL(path.join(root, 'dist/output/index.js')).href)});
      process.setgid(12345); process.setuid(12345);
      await writeDocument(${JSON.stringify(at('plan'))}, 'new').catch(({ code, message }) => console.log(code, message));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stdout).toMatch(
      /^ERR_INPUT_INVALID .*plan belongs to user 0 and group 0, which a new file .* could not; remove/,
    );
    expect(text('plan')).toBe('old');
    expect(readdirSync(folder)).toEqual(['plan']);
  });

  it('goes where links lead, also where the last leads to no file yet', async () => {
    symlinkSync('second', at('first'));
    symlinkSync(at('plan'), at('second'));
    for (const what of ['made', 'replaced']) {
      await writeDocument(at('first'), what);
      expect(text('plan')).toBe(what);
    }
    expect([readlinkSync(at('first')), readlinkSync(at('second'))]).toEqual(['second', at('plan')]);
  });

  it('is refused where links lead in a circle, with their name', async () => {
    symlinkSync('b', at('a'));
    symlinkSync('a', at('b'));
    await expect(writeDocument(at('a'), 'new')).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(/\/a cannot be written: ELOOP/),
    });
  });

  it('is refused while a log grows under its name', async () => {
    using log = await GrowingFile.open(at('log'));
    await expect(writeDocument(at('log'), 'new')).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringContaining('is being written by another run; wait for its end'),
    });
    log.close();
    await writeDocument(at('log'), 'new');
    expect(text('log')).toBe('new');
  });

  it('may have a name as long as names can be', async () => {
    const name = 'ü'.repeat(127);
    await writeDocument(at(name), 'new');
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('that a process leaves unfinished leaves the old file, and nothing beside it', () => {
    writeFileSync(at('plan'), 'old');
    const output = pathToFileURL(path.join(root, 'dist/output/index.js')).href;
    const script = `
      import { readdirSync } from 'node:fs';
      const { writeDocument } = await import(${JSON.stringify(output)});
      writeDocument(${JSON.stringify(at('plan'))}, 'x'.repeat(1 << 28));
      const watch = setInterval(() => {
        const parts = readdirSync(${JSON.stringify(folder)}).filter((name) => name.endsWith('.part'));
        if (parts.length === 0) return;
        console.log(parts.length);
        process.exit(130);
      }, 1);`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([130, '1\n']);
    expect(readdirSync(folder)).toEqual(['plan']);
    expect(text('plan')).toBe('old');
  });
});
