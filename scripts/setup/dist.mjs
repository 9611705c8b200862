import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { BUILT } from '../kernels/sources.mjs';
import { runChild, SetupError } from './child.mjs';
import { hashFile, listFiles, placeFile } from './files.mjs';
import { hashAll, hashRules } from './step.mjs';

/** @typedef {import('./step.mjs').Step} Step */

const RULES_FLAGS = [
  '-O3',
  '--enable',
  'simd',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--noExportMemory',
  '--memoryBase',
  '65536',
];
const BIN = 'dist/cli/main.js';

/** @type {Step} */
export const compile = {
  name: 'compile',
  does: 'compile src/ to dist/ with tsc',
  inputs: ({ root }) => ({
    ...hashAll(
      root,
      listFiles(root, 'src', (file) => /\.(c?ts|json)$/.test(file)),
    ),
    ...hashAll(root, ['tsconfig.json', 'package.json', 'package-lock.json', 'scripts/setup/dist.mjs']),
  }),
  async build(context) {
    const { root } = context;
    const work = '.setup/compile';
    rmSync(path.join(root, work), { recursive: true, force: true });
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    await runChild(context, 'compile', process.execPath, [
      tsc,
      '-p',
      'tsconfig.json',
      '--outDir',
      work,
      '--noEmitOnError',
    ]);
    const outputs = listFiles(root, work).map((file) => `dist${file.slice(work.length)}`);
    for (const file of outputs) {
      placeFile(
        root,
        file,
        readFileSync(path.join(root, work + file.slice('dist'.length))),
        file === BIN ? 0o755 : 0o644,
      );
    }
    rmSync(path.join(root, work), { recursive: true, force: true });
    return outputs;
  },
};

/** @type {Step} */
export const rules = {
  name: 'rules',
  does: 'compile asc/ to dist/memory/rules.wasm with asc',
  inputs: ({ root }) => ({
    ...hashAll(root, listFiles(root, 'asc')),
    ...hashAll(root, ['package-lock.json', 'scripts/setup/dist.mjs']),
    ...hashRules({ 'the flags of asc': RULES_FLAGS }),
  }),
  async build(context) {
    const { root } = context;
    const asc = path.join(root, 'node_modules/assemblyscript/bin/asc.js');
    const work = '.setup/rules.wasm';
    rmSync(path.join(root, work), { force: true });
    await runChild(context, 'rules', process.execPath, [asc, 'asc/index.ts', ...RULES_FLAGS, '-o', work]);
    placeFile(root, 'dist/memory/rules.wasm', readFileSync(path.join(root, work)));
    rmSync(path.join(root, work));
    return ['dist/memory/rules.wasm'];
  },
};

/**
 * What travels in dist, or beside the addons, as it is in the tree, by its place there.
 * @param {string} root
 * @returns {Map<string, string>}
 */
function copiesOf(root) {
  const modules = listFiles(root, 'wasm', (file) => file.endsWith('.wasm'));
  const vectors = listFiles(root, 'test/vectors', (file) => file.endsWith('.json'));
  const scripts = listFiles(root, 'src', (file) => file.endsWith('.py'));
  // nvcc's PTX is in the fatbin too; as text it is for tests.
  const images = listFiles(root, BUILT, (file) => !file.endsWith('/lockstep.ptx'));
  return new Map([
    ...modules.map((file) => /** @type {[string, string]} */ ([file, file.replace(/^wasm/, 'dist/memory')])),
    ...vectors.map((file) => /** @type {[string, string]} */ ([file, file.replace(/^test\/vectors/, 'dist/vectors')])),
    ...scripts.map((file) => /** @type {[string, string]} */ ([file, file.replace(/^src/, 'dist')])),
    ...images.map((file) => /** @type {[string, string]} */ ([file, file.replace(BUILT, 'prebuilds/kernels')])),
  ]);
}

/** @type {Step} */
export const copies = {
  name: 'copies',
  does: 'copy the committed C++ modules, the engine vectors and the Python scripts to dist/, the GPU kernels beside the addons',
  inputs: ({ root }) => ({
    ...hashAll(root, [...copiesOf(root).keys()]),
    ...hashAll(root, ['scripts/setup/dist.mjs', 'scripts/kernels/sources.mjs']),
  }),
  async build({ root }) {
    for (const module of ['wasm/metadata.wasm', 'wasm/metadata-scalar.wasm']) {
      if (hashFile(path.join(root, module)) !== undefined) continue;
      throw new SetupError(
        `${module} is missing: it is committed, so restore it (git checkout ${module}) or build it (npm run build:wasm)`,
      );
    }
    const files = copiesOf(root);
    // Beside one addon they would be packed twice.
    rmSync(path.join(root, `prebuilds/${process.platform}-${process.arch}/kernels`), { recursive: true, force: true });
    for (const [from, to] of files) placeFile(root, to, readFileSync(path.join(root, from)));
    return [...files.values()];
  },
};

/**
 * Removes from dist what no source accounts for any more. Returns what it removed.
 * @param {string} root
 * @param {string[]} outputs every file that belongs there
 * @returns {string[]}
 */
export function pruneDist(root, outputs) {
  const known = new Set(outputs);
  const stale = listFiles(root, 'dist').filter((file) => !known.has(file));
  for (const file of stale) rmSync(path.join(root, file));
  return stale;
}
