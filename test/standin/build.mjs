// Builds the stand-ins for GPU libraries: node test/standin/build.mjs [--sanitize]. Prints the folder that holds them, which is named by
// what they are made from; a folder that is there is used again.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const native = path.join(root, 'native');
const here = import.meta.dirname;
const built = path.join(root, '.setup/standin');

const FLAGS = ['-std=c++17', '-g', '-Wall', '-Wextra', '-Werror', `-I${native}`];
const SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer'];
const CODE = ['-O1', '-fPIC', '-fvisibility=hidden'];
const VERSIONS = path.join(here, 'exported.map');

/** @type {readonly { file: string, folder: string, flags: readonly string[] }[]} */
const LIBRARIES = [
  { file: 'libcuda.so.1', folder: 'driver', flags: [] },
  { file: 'libamdhip64.so.6', folder: 'driver', flags: ['-DSTANDIN_HIP'] },
  // Its calls are counted, and do nothing.
  { file: 'libcuda-null.so.1', folder: 'null', flags: [] },
  { file: 'libnccl.so.2', folder: 'nccl', flags: [] },
  { file: 'librccl.so.1', folder: 'nccl', flags: ['-DSTANDIN_HIP'] },
  { file: 'liblookups.so', folder: 'lookups', flags: ['-O2'] },
];

/**
 * Sources of each program, in programs/.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const PROGRAMS = {
  rules: ['rules.cc', 'rules-memory.cc', 'rules-streams.cc', 'rules-kernels.cc', 'image.cc'],
  behaviours: ['behaviours.cc', 'image.cc'],
  job: ['job.cc', 'image.cc'],
  collectives: ['collectives.cc', 'collective-rules.cc'],
};

/**
 * The folder with the stand-ins; with `sanitize`, libasan has to be in the process first.
 * @param {{ sanitize?: boolean }} [options]
 * @returns {string}
 */
export function buildStandins({ sanitize = false } = {}) {
  const flags = sanitize ? SANITIZE : [];
  const kernels = kernelSources();
  const inputs = [...sources(here, 'driver', 'nccl', 'null', 'shared', 'lookups'), ...headers(), ...kernels, VERSIONS];
  return made('libraries', inputs, flags, (folder) => {
    const objects = kernels.map((source) => {
      const object = path.join(folder, `${path.basename(source, '.cc')}.o`);
      compile([...FLAGS, ...flags, ...CODE, '-c', source, '-o', object]);
      return object;
    });
    for (const { file, folder: room, flags: own } of LIBRARIES) {
      const unit = unitOf(file, room, names(path.join(here, room), '.cc'));
      const object = path.join(folder, `${file}.o`);
      compile([...FLAGS, ...flags, ...CODE, ...own, '-c', unit, '-o', object]);
      const linker = ['-shared', '-Wl,-Bsymbolic', `-Wl,-soname,${file}`, `-Wl,--version-script=${VERSIONS}`];
      const linked = [object, ...(room === 'driver' ? objects : []), '-o', path.join(folder, file)];
      compile([...flags, ...linker, ...linked, '-ldl', '-lpthread']);
    }
  });
}

/**
 * The path of a program of programs/.
 * @param {string} name
 * @param {{ sanitize?: boolean }} [options]
 * @returns {string}
 */
export function buildProgram(name, { sanitize = false } = {}) {
  const flags = sanitize ? SANITIZE : [];
  const folder = made(name, [...sources(here, 'programs'), ...headers()], flags, (place) => {
    const object = path.join(place, `${name}.o`);
    compile([...FLAGS, ...flags, '-c', unitOf(name, 'programs', PROGRAMS[name] ?? []), '-o', object]);
    compile([...flags, object, '-o', path.join(place, name), '-ldl', '-lpthread']);
  });
  return path.join(folder, name);
}

/**
 * A folder that `make` fills, unless one made of the same is there.
 * @param {string} name
 * @param {readonly string[]} inputs
 * @param {readonly string[]} flags
 * @param {(folder: string) => void} make
 */
function made(name, inputs, flags, make) {
  const hash = createHash('sha256');
  for (const text of [name, process.env.CXX ?? '', ...flags]) hash.update(`${text}\0`);
  for (const file of [fileURLToPath(import.meta.url), ...inputs]) hash.update(`${file}\0`).update(readFileSync(file));
  const folder = path.join(built, hash.digest('hex').slice(0, 16));
  if (existsSync(folder)) return folder;
  mkdirSync(built, { recursive: true });
  const making = mkdtempSync(path.join(built, 'making-'));
  try {
    make(making);
    renameSync(making, folder);
  } catch (error) {
    // What another process made meanwhile is the same.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return folder;
}

/**
 * One translation unit of several sources: most of the time goes into the standard library's headers.
 * @param {string} name
 * @param {string} room
 * @param {readonly string[]} files
 */
function unitOf(name, room, files) {
  const text = files.map((file) => `#include "${path.join(here, room, file)}"\n`).join('');
  const unit = path.join(built, `${name}.cc`);
  // At one place whatever is built, for compilers' caches; put there whole, as another process may be compiling it.
  if (existsSync(unit) && readFileSync(unit, 'utf8') === text) return unit;
  const writing = `${unit}.${process.pid}`;
  writeFileSync(writing, text);
  renameSync(writing, unit);
  return unit;
}

/** Those of native/ that stand-ins and programs include. */
function headers() {
  return sources(native, 'gpu', 'kernels', 'include', 'collectives').filter((file) => !file.endsWith('.cc'));
}

/**
 * @param {string} folder
 * @param {string} ending
 */
const names = (folder, ending) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort();

/**
 * @param {string} base
 * @param {readonly string[]} rooms
 */
function sources(base, ...rooms) {
  return rooms
    .map((room) => path.join(base, room))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      ['.cc', '.h', '.inc'].flatMap((ending) => names(folder, ending).map((name) => path.join(folder, name))),
    );
}

/** The kernels' own sources: those that compile without the rest of the addon. */
function kernelSources() {
  const folder = path.join(native, 'kernels');
  return names(folder, '.cc')
    .map((name) => path.join(folder, name))
    .filter((file) => !/^#include "(?:core\/(?!condition-variable\.h)|host\/|gpu\/)/m.test(readFileSync(file, 'utf8')));
}

/** @param {readonly string[]} args */
function compile(args) {
  const [compiler = 'c++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  execFileSync(compiler, [...before, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(buildStandins({ sanitize: process.argv.includes('--sanitize') }));
}
