import { execSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addon } from '../../scripts/setup/addon.mjs';
import { SetupError } from '../../scripts/setup/child.mjs';
import { Claim } from '../../scripts/setup/claim.mjs';
import { listFiles, placeFile } from '../../scripts/setup/files.mjs';
import { installPackages, missingForPackages } from '../../scripts/setup/packages.mjs';
import { type Context, missingFor, runStep, type Step } from '../../scripts/setup/step.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let context: Context;
beforeEach(async () => {
  for (const name of ['CXX', 'MAKE', 'PYTHON', 'NODE_GYP_FORCE_PYTHON', 'npm_config_python'])
    vi.stubEnv(name, undefined);
  const root = mkdtempSync(path.join(tmpdir(), 'lockstep-setup-'));
  context = { root, say: () => {}, claim: await Claim.take(path.join(root, '.setup/claims')) };
});
afterEach(() => {
  vi.unstubAllEnvs();
  context.claim.release();
  rmSync(context.root, { recursive: true });
});

describe('without network', () => {
  /** Stands for npm: `source` runs instead. */
  function fakeNpm(source: string): void {
    placeFile(context.root, 'npm-cli.js', Buffer.from(source));
    vi.stubEnv('npm_execpath', path.join(context.root, 'npm-cli.js'));
  }

  test('packages come from the cache where it holds them', async () => {
    fakeNpm('require("fs").writeFileSync("args.json", JSON.stringify(process.argv.slice(2)))');
    placeFile(context.root, 'package.json', Buffer.from('{}'));
    expect(await installPackages(context)).toBe(true);
    const args = JSON.parse(readFileSync(path.join(context.root, 'args.json'), 'utf8'));
    expect(args).toEqual(expect.arrayContaining(['ci', '--include=dev', '--ignore-scripts', '--prefer-offline']));
  });

  test.each(['EAI_AGAIN', 'ETIMEDOUT', 'ERR_SOCKET_TIMEOUT', 'ENOTCACHED'])('%s comes with a remedy', async (code) => {
    fakeNpm(`console.error("npm error code ${code}"); process.exitCode = 1`);
    const installing = installPackages(context);
    await expect(installing).rejects.toBeInstanceOf(SetupError);
    await expect(installing).rejects.toThrow(new RegExp(`${code}\n.*connect this machine, or copy node_modules`));
  });

  test('another failure of npm is told as it is', async () => {
    fakeNpm('console.error("npm error code EUSAGE"); process.exitCode = 1');
    await expect(installPackages(context)).rejects.toThrow(/EUSAGE$/);
  });
});

describe('without a compiler', () => {
  const kept: Step = {
    ...addon,
    inputs: (of) => ({ ...addon.inputs(of), source: '1' }),
    build: async ({ root }) => {
      placeFile(root, 'prebuilds/addon', Buffer.from('built'));
      return ['prebuilds/addon'];
    },
  };

  test('an addon that its sources made is left alone; one they did not is refused before its stamp goes', async () => {
    expect((await runStep(kept, context)).built).toBe(true);
    const before = process.env.PATH;
    vi.stubEnv('PATH', context.root);
    expect(missingFor(kept, context)).toEqual([]);
    expect((await runStep(kept, context)).built).toBe(false);
    const changed: Step = { ...kept, inputs: (of) => ({ ...kept.inputs(of), source: '2' }) };
    expect(missingFor(changed, context)).toEqual(['g++', 'make', 'python3']);
    vi.stubEnv('PATH', before);
    expect((await runStep(kept, context)).built).toBe(false);
  });

  test('another compiler builds anew', async () => {
    await runStep(kept, context);
    placeFile(context.root, 'g++', Buffer.from('#!/bin/sh\necho another 1.0\n'));
    chmodSync(path.join(context.root, 'g++'), 0o755);
    vi.stubEnv('PATH', `${context.root}:${process.env.PATH}`);
    expect((await runStep(kept, context)).built).toBe(true);
  });
});

test('a bare machine hears at once of all that it lacks', () => {
  vi.stubEnv('npm_execpath', undefined);
  vi.stubEnv('PATH', context.root);
  expect(missingForPackages()).toEqual(['npm']);
  expect(missingFor(addon, context)).toEqual(['g++', 'make', 'python3']);
});

test('CXX may hold a program before the compiler', () => {
  const version = () => addon.inputs(context)['the compiler'];
  vi.stubEnv('CXX', 'g++');
  const plain = version();
  expect(plain).toMatch(/g\+\+|clang/);
  vi.stubEnv('CXX', 'env  g++');
  expect(version()).toBe(plain);
  vi.stubEnv('CXX', 'nowhere g++');
  expect(missingFor(addon, context)).toContain('nowhere');
});

test("the addon's inputs are its own sources and those of the metadata module, which it compiles all", () => {
  const isSource = (file: string): boolean => /^(native|wasm)\/(?!build\/|node_modules\/).*\.(cc|h)$/.test(file);
  const sources = [...listFiles(ROOT, 'native', isSource), ...listFiles(ROOT, 'wasm', isSource)];
  const inputs = Object.keys(addon.inputs({ ...context, root: ROOT }));
  expect(inputs).toEqual(expect.arrayContaining(sources));
  expect(inputs).not.toContain('wasm/metadata.wasm');
  const gyp = JSON.parse(readFileSync(path.join(ROOT, 'native/binding.gyp'), 'utf8'));
  const [, command] = /^<!@\((.*)\)$/.exec(gyp.targets[0].sources[0]) ?? [];
  const compiled = execSync(String(command), { cwd: path.join(ROOT, 'native'), encoding: 'utf8' })
    .trim()
    .split(' ');
  expect(compiled).toEqual(sources.filter((name) => /^wasm\/.*\.cc$/.test(name)).map((name) => `../${name}`));
});
