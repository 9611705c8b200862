import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { lockBeside } from '../../../dist/output/file-lock.js';
import { GrowingFile, LineWriter } from '../../../dist/output/index.js';
import { root } from '../../support/cli.js';

const all = mkdtempSync(path.join(tmpdir(), 'lockstep-growing-'));
afterAll(() => rmSync(all, { recursive: true }));
/** Of one test: an opening that was aborted may still be under way in the next, and makes a file where it finds none. */
let folder = '';

const at = (name: string): string => path.join(folder, name);
const text = (name: string): string => readFileSync(at(name), 'utf8');
const HELD = { code: 'ERR_INPUT_INVALID', message: expect.stringContaining('is being written by') };

beforeEach(() => {
  folder = mkdtempSync(path.join(all, 'test-'));
});

/** Runs a script that ends with a line on stdout, in a process that stays. */
async function stays(script: string): Promise<ReturnType<typeof spawn>> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${script}; setInterval(() => {}, 1000);`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

describe('a log', () => {
  it('grows in place: it is emptied, keeps its mode and its number, and links are followed', async () => {
    writeFileSync(at('log'), 'a long line of before\n');
    chmodSync(at('log'), 0o604);
    symlinkSync('log', at('link'));
    const { ino } = statSync(at('log'));
    using file = await GrowingFile.open(at('link'));
    expect(text('log')).toBe('');
    const lines = new LineWriter(file);
    lines.write({ a: 1 });
    lines.flushSync();
    expect(text('log')).toBe('{"a":1}\n');
    lines.write({ b: 2 });
    await lines.flush();
    expect(text('log')).toBe('{"a":1}\n{"b":2}\n');
    expect(statSync(at('log'))).toMatchObject({ ino, mode: 0o100604 });
    expect(lines.lines).toBe(2);
  });

  it('is one writer’s: another, under any name, is refused and changes nothing', async () => {
    using first = await GrowingFile.open(at('log'));
    const lines = new LineWriter(first);
    lines.write({ mine: true });
    lines.flushSync();
    symlinkSync('log', at('link'));
    for (const name of ['log', 'link']) await expect(GrowingFile.open(at(name))).rejects.toMatchObject(HELD);
    expect(text('log')).toBe('{"mine":true}\n');
    first.close();
    (await GrowingFile.open(at('log'))).close();
  });

  it('of a process that was killed is taken over', async () => {
    const output = pathToFileURL(path.join(root, 'dist/output/index.js')).href;
    const child = await stays(`
      const { GrowingFile } = await import(${JSON.stringify(output)});
      globalThis.kept = await GrowingFile.open(${JSON.stringify(at('log'))});
      console.log('open')`);
    await expect(GrowingFile.open(at('log'))).rejects.toMatchObject(HELD);
    child.kill('SIGKILL');
    await once(child, 'close');
    (await GrowingFile.open(at('log'))).close();
  });

  it('that cannot be written says so under the name that was given', async () => {
    using full = await GrowingFile.open('/dev/full');
    const lines = new LineWriter(full);
    lines.write({});
    await expect(lines.flush()).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(/^\/dev\/full cannot be written: ENOSPC/),
    });
    lines.write({});
    expect(() => lines.flushSync()).toThrow(/^\/dev\/full cannot be written: ENOSPC/);
  });

  it('into a pipe waits for its reader, as long as it takes one, and loses nothing', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const opening = GrowingFile.open(at('pipe'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const reader = createReadStream(at('pipe'));
    const file = await opening;
    // It takes its first byte when the pipe has long been full.
    const all = new Promise<string>((resolve) => setTimeout(() => resolve(textOf(reader)), 300));
    const lines = new LineWriter(file);
    for (let line = 0; line < 50_000; line++) if (lines.write({ line })) await lines.flush();
    await lines.flush();
    file.close();
    expect((await all).trimEnd().split('\n')).toHaveLength(50_000);
  });

  it('into a pipe without a reader ends its wait when told', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const aborted = GrowingFile.open(at('pipe'), AbortSignal.timeout(100));
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('a lock beside a file, where the addon has none', () => {
  it('says who holds it, refuses a second holder, and goes when it is let go', () => {
    const unlock = lockBeside(at('log'));
    expect(JSON.parse(readFileSync(at('log.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    expect(() => lockBeside(at('log'))).toThrow(`log is being written by process ${process.pid}; wait for its end`);
    expect(readdirSync(folder)).toEqual(['log.lock']);
    unlock();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a process that was killed is taken over, and so is one whose number another process has now', async () => {
    const module = pathToFileURL(path.join(root, 'dist/output/file-lock.js')).href;
    const child = await stays(`
      const { lockBeside } = await import(${JSON.stringify(module)});
      lockBeside(${JSON.stringify(at('log'))});
      console.log('locked')`);
    expect(() => lockBeside(at('log'))).toThrow(`by process ${child.pid};`);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(existsSync(at('log.lock'))).toBe(true);
    lockBeside(at('log'))();
    writeFileSync(at('log.lock'), JSON.stringify({ pid: process.pid, started: '1' }));
    lockBeside(at('log'))();
    writeFileSync(at('log.lock'), '');
    lockBeside(at('log'))();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes with a process that ends by itself', async () => {
    const module = pathToFileURL(path.join(root, 'dist/output/file-lock.js')).href;
    execFileSync(process.execPath, [
      '--input-type=module',
      '-e',
      `const { lockBeside } = await import(${JSON.stringify(module)}); lockBeside(${JSON.stringify(at('log'))}); process.exit(3 - 3)`,
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
