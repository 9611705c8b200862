// Builds the stand-ins for GPU libraries: node test/standin/build.mjs [--sanitize]. Prints the folder that holds them, which is named by
// what they are made from; a folder that is there is used again.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const native = path.join(root, 'native');
const here = import.meta.dirname;
const built = path.join(root, '.setup/standin');

const FLAGS = ['-std=c++17', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-fPIC', '-fvisibility=hidden', `-I${native}`];
const SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer'];

/** Name of the file, the folder of its sources, its flags, and whether it holds the host builds of the kernels. */
const LIBRARIES = [
  { file: 'libcuda.so.1', sources: 'driver', flags: [], kernels: true },
  { file: 'libamdhip64.so.6', sources: 'driver', flags: ['-DSTANDIN_HIP'], kernels: true },
];

/**
 * The folder with the stand-ins, built if need be; with `sanitize` they need libasan and libubsan in the process.
 * @param {{ sanitize?: boolean }} options
 * @returns {string}
 */
export function buildStandins({ sanitize = false } = {}) {
  const flags = [...FLAGS, ...(sanitize ? SANITIZE : [])];
  const folder = path.join(built, hashOf([...inputs(), process.env.CXX ?? '', ...flags]));
  if (existsSync(folder)) return folder;
  mkdirSync(built, { recursive: true });
  const made = mkdtempSync(path.join(built, 'making-'));
  try {
    const kernels = kernelSources().map((source) => compileKernels(source, made, flags));
    for (const library of LIBRARIES) link(library, made, flags, kernels);
    // Whoever else built the same meanwhile built the same.
    if (!existsSync(folder)) renameSync(made, folder);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return folder;
}

function inputs() {
  const files = (folder, keep) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(cc|h|inc|map|mjs)$/.test(name) && keep(name))
      .map((name) => path.join(folder, name));
  const standins = files(here, (name) => !name.includes('.test.'));
  return [...standins, ...['gpu', 'kernels', 'include', 'collectives'].flatMap((room) => rooms(room, files))].sort();
}

function rooms(room, files) {
  const folder = path.join(native, room);
  return existsSync(folder) ? files(folder, (name) => /\.(h|inc)$/.test(name) || room === 'kernels') : [];
}

/** The kernels' own sources, which compile without the rest of the addon. */
function kernelSources() {
  const folder = path.join(native, 'kernels');
  if (!existsSync(path.join(folder, 'threads.h'))) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cc') && !/core\/|host\//.test(includes(path.join(folder, name))))
    .map((name) => path.join(folder, name));
}

const includes = (file) => readFileSync(file, 'utf8').match(/^#include ".*"$/gm)?.join('\n') ?? '';

function compileKernels(source, folder, flags) {
  const object = path.join(folder, `${path.basename(source, '.cc')}.o`);
  compile([...flags, '-c', source, '-o', object]);
  return object;
}

// One translation unit a library: most of the time goes into the standard library's headers.
function link({ file, sources, flags: own, kernels: withKernels }, folder, flags, kernels) {
  const unit = path.join(folder, `${file}.cc`);
  const names = readdirSync(path.join(here, sources)).filter((name) => name.endsWith('.cc'));
  writeFileSync(unit, names.map((name) => `#include "${path.join(here, sources, name)}"\n`).join(''));
  const linker = [`-Wl,-soname,${file}`, '-Wl,-Bsymbolic', `-Wl,--version-script=${path.join(here, 'exported.map')}`];
  const objects = withKernels ? kernels : [];
  compile([...flags, ...own, '-shared', ...linker, unit, ...objects, '-o', path.join(folder, file), '-ldl', '-lpthread']);
}

function compile(args) {
  const [compiler = 'c++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  execFileSync(compiler, [...before, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

function hashOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part}\0`).update(path.isAbsolute(part) ? readFileSync(part) : '');
  return hash.digest('hex').slice(0, 16);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(buildStandins({ sanitize: process.argv.includes('--sanitize') }));
}
