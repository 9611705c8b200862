import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChild, SetupError } from '../../scripts/setup/child.mjs';
import { Claim } from '../../scripts/setup/claim.mjs';
import { pruneDist } from '../../scripts/setup/dist.mjs';
import { listFiles, placeFile } from '../../scripts/setup/files.mjs';
import { npmEnvironment, reasonToInstall } from '../../scripts/setup/packages.mjs';
import { type Context, hashAll, runStep, type Step } from '../../scripts/setup/step.mjs';

let context: Context & { lines: string[] };
beforeEach(async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'lockstep-setup-'));
  const lines: string[] = [];
  context = { root, lines, say: (line) => lines.push(line), claim: await Claim.take(path.join(root, '.setup/claims')) };
});
afterEach(() => {
  context.claim.release();
  rmSync(context.root, { recursive: true });
});

const put = (file: string, text: string) => placeFile(context.root, file, Buffer.from(text));
const get = (file: string) => readFileSync(path.join(context.root, file), 'utf8');

describe('a step', () => {
  /** Joins src/* into dist/all; `changes` is what each build was told. */
  function join(): Step & { changes: (string[] | undefined)[] } {
    const changes: (string[] | undefined)[] = [];
    return {
      name: 'join',
      does: 'join src/ to dist/all',
      changes,
      inputs: ({ root }) => hashAll(root, listFiles(root, 'src')),
      build: async ({ root }, changed) => {
        changes.push(changed);
        put('dist/all', listFiles(root, 'src').map(get).join('+'));
        return ['dist/all'];
      },
    };
  }
  const builds = async (step: Step) => (await runStep(step, context)).built;

  test('runs once, then only for a changed, new or gone input, or a missing or altered output', async () => {
    const step = join();
    put('src/a', '1');
    expect(await builds(step)).toBe(true);
    expect(await builds(step)).toBe(false);
    put('src/a', '2');
    expect(await builds(step)).toBe(true);
    put('src/b', '3');
    expect(await builds(step)).toBe(true);
    expect(get('dist/all')).toBe('2+3');
    rmSync(path.join(context.root, 'src/b'));
    expect(await builds(step)).toBe(true);
    rmSync(path.join(context.root, 'dist/all'));
    expect(await builds(step)).toBe(true);
    put('dist/all', 'altered');
    expect(await builds(step)).toBe(true);
    expect(await builds(step)).toBe(false);
    expect(get('dist/all')).toBe('2');
    expect(step.changes).toEqual([undefined, ['src/a'], ['src/b'], ['src/b'], [], []]);
    const reasons = context.lines
      .filter((line) => line.includes('because'))
      .map((line) => line.replace(/.*because /, ''));
    expect(reasons).toEqual([
      'it has not been done here',
      'src/a has changed',
      'src/b is new',
      'src/b is gone',
      'dist/all is missing',
      'dist/all is not what was built',
    ]);
  });

  test('that fails is run again, from the beginning', async () => {
    const step = join();
    put('src/a', '1');
    await builds(step);
    put('src/a', '2');
    const failing = { ...step, build: () => Promise.reject(new Error('no space')) };
    await expect(builds(failing)).rejects.toThrow('no space');
    put('src/a', '1');
    expect(await builds(step)).toBe(true);
    expect(step.changes).toEqual([undefined, undefined]);
  });
});

test('a child that fails or cannot be started is a failure, with its output', async () => {
  const run = (source: string) => runChild(context, 'x', process.execPath, ['--eval', source]);
  await run('console.log("fine")');
  expect(get('.setup/log/x.log')).toBe('fine\n');
  const failure = run('console.log("out"); console.error("err"); process.exitCode = 7');
  await expect(failure).rejects.toThrow(/exit code 7\nout\nerr$/);
  await expect(failure).rejects.toBeInstanceOf(SetupError);
  await expect(run('process.kill(process.pid, "SIGTERM")')).rejects.toThrow('was ended by SIGTERM');
  await expect(runChild(context, 'x', '/nowhere/npm', ['ci'])).rejects.toThrow(
    /\/nowhere\/npm ci could not be started .*ENOENT/,
  );
});

test('dist keeps nothing that no source makes', () => {
  for (const file of ['dist/a.js', 'dist/old.js', 'dist/room/old.d.ts', 'dist/memory/rules.wasm']) put(file, '');
  expect(pruneDist(context.root, ['dist/a.js', 'dist/memory/rules.wasm'])).toEqual([
    'dist/old.js',
    'dist/room/old.d.ts',
  ]);
  expect(listFiles(context.root, 'dist')).toEqual(['dist/a.js', 'dist/memory/rules.wasm']);
});

describe('node_modules', () => {
  const here = { os: [process.platform], cpu: [process.arch] };
  const locked = {
    '': { dependencies: { a: '1.0.0' }, devDependencies: { b: '2.0.0' } },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/b': { version: '2.0.0', integrity: 'sha512-b', dev: true },
    'node_modules/b-here': { version: '2.0.0', optional: true, ...here },
    'node_modules/b-elsewhere': { version: '2.0.0', optional: true, os: ['aix'], cpu: ['ppc64'] },
  };
  type Packages = Record<string, { version?: string; integrity?: string }>;

  /** Lays out an installation of `packages`; returns why set-up would install again. */
  function reason(packages: Packages | undefined, manifest: object = locked['']): string | undefined {
    put('package.json', JSON.stringify(manifest));
    put('package-lock.json', JSON.stringify({ packages: locked }));
    rmSync(path.join(context.root, 'node_modules'), { recursive: true, force: true });
    for (const name of Object.keys(packages ?? {})) put(`${name}/package.json`, '{}');
    if (packages) put('node_modules/.package-lock.json', JSON.stringify({ packages }));
    return reasonToInstall(context.root);
  }
  const { '': _root, 'node_modules/b-elsewhere': _elsewhere, ...complete } = locked;

  test('is left alone when it holds what the lockfile lists for this machine', () => {
    expect(reason(complete)).toBeUndefined();
  });

  test('is installed anew when anything differs', () => {
    const without = (name: string) => Object.fromEntries(Object.entries(complete).filter(([key]) => key !== name));
    expect(reason(undefined)).toMatch('missing or was left unfinished');
    expect(reason(without('node_modules/b'))).toBe('node_modules/b is missing and should be 2.0.0');
    expect(reason(without('node_modules/b-here'))).toBe('node_modules/b-here is missing and should be 2.0.0');
    expect(reason({ ...complete, 'node_modules/a': { version: '1.0.1' } })).toBe(
      'node_modules/a is 1.0.1 and should be 1.0.0',
    );
    expect(reason({ ...complete, 'node_modules/a': { version: '1.0.0', integrity: 'sha512-z' } })).toMatch(
      'node_modules/a',
    );
    expect(reason({ ...complete, 'node_modules/z': { version: '1.0.0' } })).toBe(
      'node_modules/z is not in package-lock.json',
    );
    expect(reason(complete, { dependencies: { a: '1.1.0' } })).toMatch('differ in dependencies');
    expect(reason(complete)).toBeUndefined();
    rmSync(path.join(context.root, 'node_modules/a'), { recursive: true });
    expect(reasonToInstall(context.root)).toBe('node_modules/a has been removed');
    mkdirSync(path.join(context.root, 'node_modules/a'));
    writeFileSync(path.join(context.root, 'node_modules/.package-lock.json'), '{"packages":');
    expect(reasonToInstall(context.root)).toMatch('left unfinished');
  });

  test('is installed without what an outer npm omits, but from where it says', () => {
    const outer = {
      npm_config_omit: 'dev',
      npm_config_global: 'true',
      npm_lifecycle_event: 'start',
      npm_package_name: 'x',
    };
    const kept = { PATH: '/bin', npm_config_cache: '/cache', npm_execpath: '/npm-cli.js', https_proxy: 'http://proxy' };
    expect(npmEnvironment({ ...outer, ...kept })).toEqual(kept);
  });
});
