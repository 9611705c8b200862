#!/usr/bin/env node
// `npm run pack:gpu`: what `npm run test:gpu` needs, Node included, in .setup/gpu/lockstep-gpu.tar.xz: for a machine with a GPU and neither
// network nor compiler. There: tar xf lockstep-gpu.tar.xz && cd lockstep-gpu && ./node scripts/test-gpu.mjs
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildReplay } from '../test/gpu/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, '.setup/gpu');
const staged = path.join(folder, 'lockstep-gpu');
const archive = path.join(folder, 'lockstep-gpu.tar.xz');
const MOST_BYTES = 64 * 2 ** 20;
/** Packages that the tests use, with all that these depend on. */
const PACKAGES = [
  'vitest',
  'fast-check',
  'ajv',
  'commander',
  'csv-stringify',
  'fastest-levenshtein',
  'csv-parse',
  'cli-progress',
  '@huggingface/tokenizers',
  '@huggingface/jinja',
];
const TREES = [
  'dist',
  'prebuilds',
  'test',
  'scripts',
  'package.json',
  'vitest.config.ts',
  'tsconfig.json',
  'tsconfig.test.json',
];

rmSync(staged, { recursive: true, force: true });
mkdirSync(staged, { recursive: true });
for (const tree of TREES) cpSync(path.join(root, tree), path.join(staged, tree), { recursive: true });
for (const name of closure(PACKAGES)) {
  cpSync(path.join(root, 'node_modules', name), path.join(staged, 'node_modules', name), { recursive: true });
}
copyFileSync(process.execPath, path.join(staged, 'node'));
mkdirSync(path.join(staged, '.setup/gpu'), { recursive: true });
for (const backend of /** @type {const} */ (['cuda', 'hip'])) {
  const program = buildReplay(backend);
  copyFileSync(program, path.join(staged, '.setup/gpu', path.basename(program)));
}
execFileSync('tar', ['-C', folder, '-cf', archive, '--use-compress-program=xz -T0 -3', 'lockstep-gpu'], {
  stdio: 'inherit',
});
rmSync(staged, { recursive: true, force: true });
const { size } = statSync(archive);
if (size > MOST_BYTES) throw new Error(`${archive} has ${size} bytes, more than the ${MOST_BYTES} that may be carried`);
console.log(`${archive}: ${(size / 2 ** 20).toFixed(1)} MiB`);

/**
 * The packages and what they depend on, as far as it is installed: of optional ones each machine has its own.
 * @param {readonly string[]} names
 */
function closure(names) {
  const all = new Set(names);
  for (const name of all) {
    const file = path.join(root, 'node_modules', name, 'package.json');
    const {
      dependencies = {},
      optionalDependencies = {},
      peerDependencies = {},
    } = JSON.parse(readFileSync(file, 'utf8'));
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (existsSync(path.join(root, 'node_modules', needed))) all.add(needed);
    }
  }
  // Types, and what alone compiles: peers of vite that tests do without.
  for (const name of all) if (/^@types\/|^typescript$|^tsx$/.test(name)) all.delete(name);
  return all;
}
