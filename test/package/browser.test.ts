import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import vm from 'node:vm';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { ANSWER, PAGE, PLAN_STEP } from '../support/planner-page.js';

/** What a TypeScript page may use of it, under the strictest reading of the declarations. */
const TYPED_PAGE = `
import { createPlanner, type StepPlanner } from 'lockstep/planner';
import { createRawBatch } from 'lockstep/engines';
export const planner: Promise<StepPlanner> = createPlanner();
export const batch: ReturnType<typeof createRawBatch> = createRawBatch();
`;

/** Names of the web that the planner may use. A page has no `process` and no `require`. */
const WEB = { WebAssembly, URL, console };

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-browser-'));
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules', 'lockstep'));
  writeFileSync(path.join(folder, 'page.js'), PAGE + PLAN_STEP);
  writeFileSync(path.join(folder, 'page.ts'), TYPED_PAGE);
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('esbuild bundles the planner for browsers, and the bundle plans a step without Node', async () => {
  const outfile = path.join(folder, 'bundle.js');
  const { warnings } = await build({
    absWorkingDir: folder,
    entryPoints: ['page.js'],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'page',
    target: 'es2022',
    loader: { '.wasm': 'binary' },
    // The addresses of the modules beside the code are of no use here: their bytes are given.
    logOverride: { 'empty-import-meta': 'silent' },
    outfile,
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  const bundle = readFileSync(outfile, 'utf8');
  expect(bundle).not.toMatch(/\brequire\(|\bimport\(/);
  // A realm of its own, as a page is. The planner looks for `WebAssembly` in its globals.
  const page = vm.createContext({ ...WEB, Uint8Array, ArrayBuffer, Promise });
  const printed = await vm.runInContext(`${bundle}; page.step()`, page);
  expect(printed).toBe(ANSWER);
});

it('a strict browser project without esnext.disposable compiles against its declarations', () => {
  const compilerOptions = {
    ...{ noEmit: true, strict: true, skipLibCheck: false, lib: ['es2022', 'dom'], types: [] },
    ...{ target: 'es2022', module: 'esnext', moduleResolution: 'bundler' },
  };
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['page.ts'] }));
  const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
}, 300_000);
