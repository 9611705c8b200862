import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import vm from 'node:vm';
import { build as viteBuild } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import webpack from 'webpack';
import { root } from '../support/cli.js';
import { ANSWER, FETCHING_PAGE, PLAN_STEP } from '../support/planner-page.js';

/** Where the page of a bundle is served from, as far as the test goes: `fetch` there reads the bundle's folder. */
const ORIGIN = 'https://page.example/';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-bundlers-'));
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules', 'lockstep'));
  writeFileSync(path.join(folder, 'page.js'), FETCHING_PAGE + PLAN_STEP);
  writeFileSync(path.join(folder, 'index.html'), '<script type="module" src="page.js"></script>');
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a bundle's script in a realm of its own, with what a page has and no Node, and plans the step. */
async function planIn(out: string, script: string): Promise<{ answer: unknown; fetched: string[] }> {
  const fetched: string[] = [];
  const fetch = async (address: URL | string): Promise<Response> => {
    const { href } = new URL(address);
    // Small modules become data in Vite's bundles; the web's own fetch reads those.
    if (href.startsWith('data:')) return globalThis.fetch(href);
    fetched.push(href);
    return new Response(readFileSync(path.join(out, href.slice(ORIGIN.length))));
  };
  const realm: Record<string, unknown> = { WebAssembly, URL, console, fetch, ArrayBuffer, Uint8Array, Promise };
  Object.assign(realm, { location: { href: ORIGIN, toString: () => ORIGIN }, self: realm, globalThis: realm });
  const page = vm.createContext(realm);
  vm.runInContext(script, page);
  const answer = await vm.runInContext('globalThis.step()', page);
  return { answer, fetched };
}

it('Vite bundles the planner with its modules, and the bundle plans a step without Node', async () => {
  const out = path.join(folder, 'vite');
  const warnings: string[] = [];
  await viteBuild({
    root: folder,
    configFile: false,
    base: ORIGIN,
    logLevel: 'silent',
    resolve: { preserveSymlinks: true },
    build: {
      outDir: out,
      modulePreload: false,
      rollupOptions: { onwarn: ({ message }) => void warnings.push(message) },
    },
  });
  expect(warnings).toEqual([]);
  const files = readdirSync(path.join(out, 'assets'));
  const [script = ''] = files.filter((file) => file.endsWith('.js'));
  const text = readFileSync(path.join(out, 'assets', script), 'utf8');
  expect(/\brequire\(|\bimport\(/.test(text)).toBe(false);
  const { answer, fetched } = await planIn(out, classic(text, `${ORIGIN}assets/${script}`));
  expect(answer).toBe(ANSWER);
  expect(fetched.map((href) => href.replace(/-[\w-]+\.wasm$/, '.wasm')).sort()).toEqual([
    `${ORIGIN}assets/metadata.wasm`,
    `${ORIGIN}assets/rules.wasm`,
  ]);
}, 600_000);

it('webpack bundles the planner with its modules, and the bundle plans a step without Node', async () => {
  const out = path.join(folder, 'webpack');
  const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
    webpack(
      {
        mode: 'production',
        context: folder,
        entry: './page.js',
        target: ['web', 'es2022'],
        resolve: { symlinks: false },
        output: { path: out, filename: 'page.js', publicPath: ORIGIN },
        performance: false,
      },
      (error, result) => (error === null ? resolve(result) : reject(error)),
    );
  });
  const { errors, warnings } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
  expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  const text = readFileSync(path.join(out, 'page.js'), 'utf8');
  expect(/\brequire\(|\bimport\(/.test(text)).toBe(false);
  const { answer, fetched } = await planIn(out, text);
  expect(answer).toBe(ANSWER);
  expect(fetched).toHaveLength(2);
  for (const href of fetched) expect(href).toMatch(/\.wasm$/);
}, 600_000);

/** A module without imports as a script: what is left of it to a module is its address. */
function classic(text: string, address: string): string {
  return text.replaceAll('import.meta.url', JSON.stringify(address));
}
