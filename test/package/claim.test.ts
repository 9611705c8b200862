import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Claim } from '../../scripts/setup/claim.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-claims-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const script = new URL('../../scripts/setup/claim.mjs', import.meta.url).href;

/** A process that takes the claim, says so, and keeps it until it is killed. */
async function holder(): Promise<{ pid: number; kill: () => Promise<void> }> {
  const source = `import { Claim } from '${script}';
    await Claim.take(${JSON.stringify(folder)}); console.log('taken'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? 0,
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

test('at most one of many contenders holds the claim at a time', async () => {
  let holding = 0;
  let most = 0;
  const contend = async () => {
    const claim = await Claim.take(folder);
    holding += 1;
    most = Math.max(most, holding);
    await sleep(5);
    holding -= 1;
    claim.release();
  };
  await Promise.all(Array.from({ length: 8 }, contend));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

test('a live holder in another process is waited for, and named', async () => {
  const other = await holder();
  const told: string[] = [];
  await expect(Claim.take(folder, { giveUpMs: 300, onWait: (name) => told.push(name) })).rejects.toThrow(
    `process ${other.pid}`,
  );
  expect(told).toEqual([`process ${other.pid} (set-up)`]);
  await other.kill();
});

test('the claim of a killed process is taken over', async () => {
  const other = await holder();
  await other.kill();
  expect(readdirSync(folder)).toHaveLength(1);
  const claim = await Claim.take(folder, { giveUpMs: 5_000 });
  expect(readdirSync(folder)).toHaveLength(1);
  claim.release();
});

test('a claim outlives its set-up while a covered child runs', async () => {
  const child = spawn('sleep', ['60']);
  const source = `import { Claim } from '${script}';
    const claim = await Claim.take(${JSON.stringify(folder)}); claim.cover(${child.pid}, 'compile'); process.kill(process.pid, 'SIGKILL');`;
  await once(spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: 'inherit' }), 'exit');
  await expect(Claim.take(folder, { giveUpMs: 200 })).rejects.toThrow(`process ${child.pid} (compile)`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  (await Claim.take(folder, { giveUpMs: 5_000 })).release();
});

test('a reused process id is not taken for the holder', async () => {
  const file = path.join(folder, '1-reused.json');
  const here = new Claim(folder);
  here.cover(process.pid, 'x')();
  const own = readdirSync(folder)[0] ?? '';
  const record = JSON.parse(readFileSync(path.join(folder, own), 'utf8'));
  here.release();
  writeFileSync(file, JSON.stringify({ ...record, processes: [{ pid: process.pid, start: '1', what: 'set-up' }] }));
  (await Claim.take(folder, { giveUpMs: 2_000 })).release();
});

test('a holder out of sight counts as dead only after a minute of silence', async () => {
  const file = path.join(folder, '1-far.json');
  writeFileSync(
    file,
    JSON.stringify({ place: `not-${hostname()}`, processes: [{ pid: 1, start: '1', what: 'set-up' }] }),
  );
  await expect(Claim.take(folder, { giveUpMs: 200 })).rejects.toThrow(`not-${hostname()}`);
  const before = new Date(Date.now() - 61_000);
  utimesSync(file, before, before);
  (await Claim.take(folder, { giveUpMs: 2_000 })).release();
});

test.each(['', '{"place":', 'null'])("a claim that holds %j is nobody's", async (text) => {
  writeFileSync(path.join(folder, '1-cut.json'), text);
  const claim = await Claim.take(folder, { giveUpMs: 2_000 });
  expect(readdirSync(folder)).toHaveLength(1);
  claim.release();
});

test('a claim whose folder was removed is put back, and bothers nobody', async () => {
  const claim = await Claim.take(folder, { touchMs: 10 });
  rmSync(folder, { recursive: true });
  await vi.waitFor(() => expect(readdirSync(folder)).toHaveLength(1), { timeout: 10_000 });
  rmSync(folder, { recursive: true });
  claim.cover(process.pid, 'x')();
  expect(readdirSync(folder)).toHaveLength(1);
  claim.release();
});
