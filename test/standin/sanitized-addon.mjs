// Builds the addon with the address and undefined-behaviour sanitizers: node test/standin/sanitized-addon.mjs. Prints its path. A build that
// is there is used again; test/support/sanitized.cjs puts it in the place of the addon that is packed.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative, root, sourcesIn } from './native-build.mjs';

const prefix = path.dirname(path.dirname(process.execPath));

const ROOMS = ['addon', 'collectives', 'core', 'gpu', 'host', 'kernels', 'mpi'].map((room) => `native/${room}`);
const SANITIZE = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer'];
// What native/binding.gyp says, but for what makes it small and fast.
const FLAGS = [
  ...[
    '-std=c++17',
    '-O1',
    '-g1',
    '-fPIC',
    '-fvisibility=hidden',
    '-fno-strict-aliasing',
    '-fexceptions',
    '-ffp-contract=off',
  ],
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
  const inputs = sourcesIn([...ROOMS, 'native/include', 'wasm']);
  return await buildNative({
    name: 'lockstep.node',
    inputs,
    sources: inputs.filter((file) => file.endsWith('.cc')),
    flags: SANITIZE,
    compile: FLAGS,
    link: ['-shared', '-Wl,-z,nodelete', '-ldl', '-lpthread'],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await buildSanitizedAddon());
