#!/usr/bin/env node
// Packs this checkout, installs the tarball in an empty folder without install scripts, and uses it there as a stranger would.
// Run set-up first. Prints a line a check; the last is `N passed, N failed`.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { npmEnvironment } from './setup/packages.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const native = `prebuilds/${process.platform}-${process.arch}/lockstep.node`;
const kernels = `prebuilds/${process.platform}-${process.arch}/kernels`;
const env = npmEnvironment(process.env);
const work = mkdtempSync(path.join(tmpdir(), 'lockstep-package-'));
const place = path.join(work, 'app');
const installed = path.join(place, 'node_modules', manifest.name);
let passed = 0;
let failed = 0;

try {
  const tarball = path.join(work, pack());
  check('the tarball holds what it should', () => checkContents(tarball));
  check('publint', () => runBin('publint', ['run', tarball, '--strict']));
  check('types resolve for ESM consumers (attw)', () => runBin('attw', attwArguments(tarball)));
  if (check('installs without install scripts', () => install(tarball))) {
    for (const entry of entryPoints()) check(`import ${entry}`, () => importEntry(entry));
    check('lockstep run on the host device', runOnHost);
    check('conformance vectors travel along', conformance);
    rmSync(path.join(installed, 'prebuilds'), { recursive: true, force: true });
    for (const entry of entryPoints()) check(`without the addon: import ${entry}`, () => importEntry(entry));
    check('without the addon: a step is planned', planStep);
    check('without the addon: lockstep explain', explain);
    check('without the addon: lockstep run says that there is no device', refusesToRun);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * @param {string} name
 * @param {() => unknown} body throws if what the name says is not so
 */
function check(name, body) {
  try {
    body();
    passed += 1;
    console.log(`ok   ${name}`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error instanceof Error ? error.message : error}`);
    return false;
  }
}

/** @param {unknown} holds @param {string} complaint @returns {asserts holds} */
function insist(holds, complaint) {
  if (!holds) throw new Error(complaint);
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
  const wanted = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'package.json',
    manifest.bin.lockstep,
    'dist/memory/rules.wasm',
    'dist/report/bundle.js',
    'dist/memory/metadata.wasm',
    'dist/memory/metadata-scalar.wasm',
    native,
    ...['kernels.json', 'lockstep.fatbin', 'lockstep-old.ptx', 'lockstep.hip'].map((name) => `${kernels}/${name}`),
    ...vectors.map((name) => `dist/vectors/${name}`),
    ...entryTargets(),
  ];
  const missing = wanted.filter((file) => !files.includes(file));
  insist(missing.length === 0, `missing: ${missing.join(', ')}`);
  insist(
    files.some((file) => /^docs\/.*\.md$/.test(file)),
    'docs/ is missing',
  );
  const stray = files.filter(
    (file) => !/^(dist|prebuilds|docs|native\/include)\/|^(CHANGELOG\.md|LICENSE|README\.md|package\.json)$/.test(file),
  );
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
  return [
    tarball,
    '--profile',
    'esm-only',
    '--no-definitely-typed',
    '--format',
    'ascii',
    '--exclude-entrypoints',
    ...untyped,
  ];
}

/** @param {string} tarball */
function install(tarball) {
  mkdirSync(place);
  writeFileSync(path.join(place, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const args = [
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
    tarball,
  ];
  const found = spawnSync('npm', args, { cwd: place, env, encoding: 'utf8' });
  insist(found.status === 0, found.stdout + found.stderr);
  insist(existsSync(path.join(installed, native)), `${native} did not arrive`);
}

/** Every entry point as an importer writes it, patterns spelled out. */
function entryPoints() {
  return Object.entries(manifest.exports).flatMap(([name, target]) => {
    const specifier = manifest.name + name.slice(1);
    if (!name.includes('*')) return [specifier];
    const [folder, ending] = target.split('*');
    return readdirSync(path.join(installed, folder))
      .filter((file) => file.endsWith(ending))
      .map((file) => specifier.replace('*', file.slice(0, file.length - ending.length)));
  });
}

/** @param {string} source a module to run in the folder of the installation @returns {string} what it printed */
function runModule(source) {
  const found = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: place,
    env,
    encoding: 'utf8',
  });
  insist(
    found.status === 0 && found.stderr === '',
    `${found.stdout}${found.stderr} (exit code ${found.status}, signal ${found.signal})`,
  );
  return found.stdout;
}

/** @param {string} specifier */
function importEntry(specifier) {
  const name = JSON.stringify(specifier);
  if (specifier.endsWith('.wasm')) {
    runModule(
      `import { readFileSync } from 'node:fs'; new WebAssembly.Module(readFileSync(new URL(import.meta.resolve(${name}))));`,
    );
  } else if (specifier.endsWith('.json')) {
    const text = runModule(
      `import { createRequire } from 'node:module'; console.log(createRequire(import.meta.url)(${name}).version)`,
    );
    insist(text.trim() === manifest.version, `it is version ${text.trim()}`);
  } else {
    const text = runModule(`console.log(Object.keys(await import(${name})).length)`);
    insist(Number(text) > 0, 'it exports nothing, or prints when it is imported');
  }
}

/** @param {string[]} args @param {{ input?: string, status?: number }} [options] */
function runCommand(args, { input = '', status = 0 } = {}) {
  const command = path.join(place, 'node_modules/.bin/lockstep');
  const found = spawnSync(command, args, {
    cwd: place,
    env,
    encoding: 'utf8',
    input,
    timeout: 300_000,
    maxBuffer: 1 << 28,
  });
  insist(
    found.status === status,
    `lockstep ${args.join(' ')} ended with ${found.status ?? found.signal ?? found.error}, expected ${status}\n${found.stdout ?? ''}\n${found.stderr ?? ''}`,
  );
  return found.stdout;
}

function runOnHost() {
  const result = JSON.parse(runCommand(['run', '--requests', '20', '--ranks', '2', '--device', 'host', '--json']));
  insist(typeof result.schemaVersion === 'number', 'no schemaVersion');
  const { steps, mismatches, diverged, requests, ranks, device } = result;
  const told = JSON.stringify({ steps, mismatches, diverged, requests, ranks, device });
  insist(steps > 0 && mismatches === 0 && diverged === 0 && requests === 20 && ranks === 2 && device === 'host', told);
}

function conformance() {
  const result = JSON.parse(runCommand(['conformance', '--json']));
  insist(result.passed > 0 && result.failed === 0, JSON.stringify({ passed: result.passed, failed: result.failed }));
}

/** Three decodes, planned to the end: they run as the graph of four, the fourth being padding. */
function planStep() {
  runModule(`
    import { createPlanner, decodePlan, LOCKSTEP_POLICY } from '${manifest.name}/planner';
    const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 1024, blockSize: 16, numBlocks: 100 };
    const plan = decodePlan({ sizes: [1, 2, 4, 8], limits: { ...limits, queryLen: 1 }, policy: LOCKSTEP_POLICY });
    const planner = await createPlanner({ limits, plan });
    for (const block of [7, 9, 4]) {
      const row = planner.requests.add({ blockIds: [block], numComputedTokens: 5 });
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1, inputIds: Int32Array.of(block) });
    }
    planner.vote();
    const decision = planner.resolve(planner.table);
    const slots = planner.build(decision).tensors.slotMapping.subarray(0, 4).join();
    const found = [decision.run, decision.paddedTokens, slots].join(' ');
    if (found !== 'full 4 117,149,69,-1') throw new Error(found);
    planner.dispose();
  `);
}

function explain() {
  const requests = [{ phase: 'decode', queryLen: 1, numComputedTokens: 20, blockIds: [1, 2] }];
  const [line = ''] = runCommand(['explain', '--json'], {
    input: `${JSON.stringify({ ranks: [{ requests }, { requests }] })}\n`,
  }).split('\n');
  const result = JSON.parse(line);
  insist(result.votes.length === 2 && result.decision !== undefined && result.tensors.length > 0, line);
}

function refusesToRun() {
  runCommand(['run', '--requests', '20', '--ranks', '2', '--device', 'host', '--json'], { status: 3 });
}
