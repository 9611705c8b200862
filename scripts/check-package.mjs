#!/usr/bin/env node
// Packs this checkout, installs the tarball in an empty folder without install scripts, and uses it there as a stranger would; with
// --runtimes also by other releases of Node, by Node for arm64 (qemu), Bun and Deno, which it fetches through npm.
// Run set-up and build:cross first. Prints a line a check; the last is `N passed, N failed`.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, insist, notRun, report } from './package/checks.mjs';
import { fetchRuntime, ownNode, RUNTIMES } from './package/runtimes.mjs';
import * as uses from './package/uses.mjs';
import { productOf } from './setup/addon.mjs';
import { allTargets } from './setup/cross-addon.mjs';
import { npmEnvironment } from './setup/packages.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const stories = path.join(root, '../shared/models/stories260k');
const env = npmEnvironment(process.env);
const work = mkdtempSync(path.join(tmpdir(), 'lockstep-package-'));
const app = path.join(work, 'app');

try {
  const tarball = path.join(work, pack());
  await check('the tarball holds what it should', () => checkContents(tarball));
  await check('publint', () => runBin('publint', ['run', tarball, '--strict']));
  await check('types resolve for ESM consumers (attw)', () => runBin('attw', attwArguments(tarball)));
  if (await check('installs without install scripts', () => install(tarball))) await useIt();
} finally {
  rmSync(work, { recursive: true, force: true });
}
report();

async function useIt() {
  const here = { folder: app, manifest, env, runtime: ownNode() };
  await useWith(here);
  await check('conformance vectors travel along', () => uses.conformance(here));
  await check('require() where Node cannot: the error says how', () => uses.saysHowToRequire(here));
  if (process.argv.includes('--runtimes')) {
    // As many at once as there are cores.
    // Of the Node that runs this, its release is tried already.
    const own = `node-linux-${process.arch}@${process.versions.node.split('.')[0]}.`;
    const waiting = RUNTIMES.filter((name) => !name.startsWith(own));
    const one = async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await useByOther(name);
    };
    await Promise.all(Array.from({ length: availableParallelism() }, one));
  }
  await check('on macOS, as far as Node says so: run gives the reason', () =>
    uses.refusesToRun(
      here,
      /built for Linux, this is darwin/,
      "Object.defineProperty(process, 'platform', { value: 'darwin' });",
    ),
  );
  await check('on Windows, as far as Node says so: run gives the reason', () =>
    uses.refusesToRun(
      here,
      /built for Linux, this is win32/,
      "Object.defineProperty(process, 'platform', { value: 'win32' });",
    ),
  );
  rmSync(path.join(app, 'node_modules', manifest.name, 'prebuilds'), { recursive: true, force: true });
  await check('without the addon: every entry point imports', () => uses.importsEverything(here));
  await check('without the addon: a step is planned', () => uses.plansStep(here));
  await check('without the addon: lockstep explain', () => uses.explains(here));
  await check('without the addon: run gives the reason', () => uses.refusesToRun(here, /there is no such file/));
}

/** @param {uses.Place} place */
async function useWith(place) {
  const { name } = place.runtime;
  await check(`${name}: every entry point imports`, () => uses.importsEverything(place));
  await check(`${name}: require()`, () => uses.requires(place));
  await check(`${name}: a step is planned`, () => uses.plansStep(place));
  await check(`${name}: --help of every command`, () => uses.helps(place));
  if (!existsSync(path.join(root, productOf(place.runtime.arch)))) {
    notRun(`${name}: devices`, `the addon for ${place.runtime.arch} was not built (npm run build:cross)`);
    return;
  }
  await check(`${name}: 20 requests on 2 ranks of the host device`, () => uses.runsOnHost(place));
  if (place.runtime.arch === process.arch) return;
  if (!existsSync(stories)) {
    notRun(`${name}: a model's text`, 'there is no model beside the checkout');
    return;
  }
  const [story] = JSON.parse(readFileSync(path.join(stories, 'expected.json'), 'utf8')).cases;
  await check(`${name}: a model's text, token for token`, () => uses.generates(place, stories, story));
}

/** In a copy of the installed folder. @param {string} name */
async function useByOther(name) {
  const runtime = fetchRuntime(name, path.join(work, 'runtimes'));
  if (typeof runtime === 'string') return notRun(name, runtime);
  const folder = path.join(work, name.replace(/\W+/g, '-'));
  cpSync(app, folder, { recursive: true });
  await useWith({ folder, manifest, env, runtime });
}

function pack() {
  execFileSync('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', work], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '';
}

/** @param {string} tarball */
function checkContents(tarball) {
  const files = execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''));
  const vectors = readdirSync(path.join(root, 'test/vectors')).filter((name) => name.endsWith('.json'));
  const built = allTargets().map(productOf);
  const here = productOf(ownNode().arch);
  for (const file of built.filter((each) => each !== here && !existsSync(path.join(root, each)))) {
    notRun(`the tarball holds ${file}`, 'it was not built (npm run build:cross)');
  }
  const wanted = [
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'package.json',
    manifest.bin.lockstep,
    'dist/memory/rules.wasm',
    'dist/report/bundle.js',
    'dist/memory/metadata.wasm',
    'dist/memory/metadata-scalar.wasm',
    ...built.filter((each) => each === here || existsSync(path.join(root, each))),
    ...['kernels.json', 'lockstep.fatbin', 'lockstep-old.ptx', 'lockstep.hip'].map(
      (name) => `prebuilds/kernels/${name}`,
    ),
    ...vectors.map((name) => `dist/vectors/${name}`),
    ...entryTargets(),
  ];
  const missing = wanted.filter((file) => !files.includes(file));
  insist(missing.length === 0, `missing: ${missing.join(', ')}`);
  insist(
    files.some((file) => /^docs\/.*\.md$/.test(file)),
    'docs/ is missing',
  );
  const belongs =
    /^(dist|prebuilds\/kernels|docs|schemas|native\/include)\/|^(CHANGELOG|CONTRIBUTING|README|SECURITY)\.md$|^LICENSE$|^package\.json$/;
  const stray = files.filter((file) => !belongs.test(file) && !built.includes(file));
  insist(stray.length === 0, `does not belong there: ${stray.join(', ')}`);
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => name in manifest.scripts);
  insist(hooks.length === 0, `package.json runs ${hooks.join(', ')} when it is installed`);
}

/** Files that package.json names for its entry points, patterns left out. */
function entryTargets() {
  return Object.values(manifest.exports)
    .flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
    .filter((target) => !target.includes('*'))
    .map((target) => target.replace(/^\.\//, ''));
}

/** @param {string} name @param {string[]} args */
function runBin(name, args) {
  const found = spawnSync(path.join(root, 'node_modules/.bin', name), args, { cwd: work, env, encoding: 'utf8' });
  insist(found.status === 0, found.stdout + found.stderr);
}

/** @param {string} tarball */
function attwArguments(tarball) {
  // Neither a .wasm nor a .json entry point has types to resolve.
  const untyped = Object.keys(manifest.exports).filter((name) => /\.(wasm|json)$/.test(name));
  // require() where Node cannot require an ES module finds a file that throws, beside declarations of what it cannot load.
  const how = ['--profile', 'esm-only', '--ignore-rules', 'false-esm', '--no-definitely-typed', '--format', 'ascii'];
  return [tarball, ...how, '--exclude-entrypoints', ...untyped];
}

/** @param {string} tarball */
function install(tarball) {
  mkdirSync(app);
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const found = spawnSync('npm', ['install', '--ignore-scripts', ...quiet, tarball], {
    cwd: app,
    env,
    encoding: 'utf8',
  });
  insist(found.status === 0, found.stdout + found.stderr);
  const native = productOf(ownNode().arch);
  insist(existsSync(path.join(app, 'node_modules', manifest.name, native)), `${native} did not arrive`);
}
