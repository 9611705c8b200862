// Builds the addon with the address and undefined-behaviour sanitizers: node test/standin/sanitized-addon.mjs. Prints its path. A build that
// is there is used again; test/support/sanitized.cjs puts it in the place of the addon that is packed.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = path.join(root, '.setup/standin');
const prefix = path.dirname(path.dirname(process.execPath));

const ROOMS = ['addon', 'collectives', 'core', 'gpu', 'host', 'kernels', 'mpi'].map((room) => `native/${room}`);
const SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer'];
// What native/binding.gyp says, but for what makes it small and fast.
const FLAGS = [
  ...['-std=c++17', '-O1', '-g1', '-fPIC', '-fvisibility=hidden', '-fno-strict-aliasing', '-fexceptions'],
  ...['-DNAPI_VERSION=8', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
  ...['-DNAPI_CPP_EXCEPTIONS', '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL', '-DBUILDING_NODE_EXTENSION'],
  ...['native', 'node_modules/node-addon-api'].map((folder) => `-I${path.join(root, folder)}`),
  `-I${path.join(prefix, 'include/node')}`,
];

/**
 * The addon's path.
 * @returns {Promise<string>}
 */
export async function buildSanitizedAddon() {
  const files = [...ROOMS, 'wasm']
    .flatMap((room) => readdirSync(path.join(root, room)).map((name) => path.join(room, name)))
    .filter((file) => /\.(cc|h|inc)$/.test(file))
    .sort();
  const hash = createHash('sha256').update([process.version, process.env.CXX ?? '', ...FLAGS, ...SANITIZE].join('\0'));
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(path.join(root, file)));
  const folder = path.join(built, `addon-${hash.digest('hex').slice(0, 16)}`);
  const addon = path.join(folder, 'lockstep.node');
  if (existsSync(addon)) return addon;
  mkdirSync(built, { recursive: true });
  const making = mkdtempSync(path.join(built, 'making-'));
  try {
    const sources = files.filter((file) => file.endsWith('.cc'));
    const object = (/** @type {string} */ file) => path.join(making, `${file.replaceAll('/', '-')}.o`);
    const left = [...sources];
    const work = async () => {
      for (let file = left.pop(); file !== undefined; file = left.pop()) {
        await compile([...FLAGS, ...SANITIZE, '-c', path.join(root, file), '-o', object(file)]);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    const linked = [...sources.map(object), '-o', path.join(making, 'lockstep.node')];
    await compile([...SANITIZE, '-shared', '-Wl,-z,nodelete', ...linked, '-ldl', '-lpthread']);
    for (const file of sources) rmSync(object(file));
    // Where it looks for the kernels of GPUs.
    cpSync(path.join(root, 'native/kernels/built'), path.join(making, 'kernels'), { recursive: true });
    // What was meanwhile made beside it is the same.
    if (!existsSync(folder)) renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return addon;
}

/** @param {readonly string[]} args */
async function compile(args) {
  const [compiler = 'g++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  await promisify(execFile)(compiler, [...before, ...args], { maxBuffer: 1 << 26 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await buildSanitizedAddon());
