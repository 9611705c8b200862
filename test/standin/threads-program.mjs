// Builds programs/threads.cc, with all that lies below the addon's JS classes, with ThreadSanitizer: node test/standin/threads-program.mjs.
// Prints its path; a build that is there is used again.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative, root, sourcesIn } from './native-build.mjs';

const ROOMS = ['collectives', 'core', 'gpu', 'host', 'kernels', 'mpi'].map((room) => `native/${room}`);
const PROGRAM = ['test/standin/programs/threads.cc', 'test/standin/programs/threads.h'];
const BACKENDS = ['native/addon/backends.cc', 'native/addon/backends.h'];

/**
 * The program's path.
 * @returns {Promise<string>}
 */
export async function buildThreadsProgram() {
  const inputs = [...PROGRAM, ...BACKENDS, ...sourcesIn([...ROOMS, 'native/include'])];
  return await buildNative({
    name: 'threads',
    inputs,
    sources: inputs.filter((file) => file.endsWith('.cc')),
    flags: ['-fsanitize=thread', '-g1'],
    compile: [
      '-std=c++17',
      '-O1',
      '-ffp-contract=off',
      '-Wall',
      '-Wextra',
      '-Wno-tsan',
      `-I${path.join(root, 'native')}`,
    ],
    link: ['-ldl', '-lpthread'],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await buildThreadsProgram());
