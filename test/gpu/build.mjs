// Builds the C++ loops that a GPU's bench stands beside: node test/gpu/build.mjs. Prints their folder, which needs no compiler where
// it is carried to.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const source = path.join(root, 'test/gpu/replay.cc');
const folder = path.join(root, '.setup/gpu');

/** The program of a vendor, built where it is older than its source and a compiler is there.
 * @param {'cuda' | 'hip'} backend
 */
export function buildReplay(backend) {
  const program = path.join(folder, `replay-${backend}`);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(folder, { recursive: true });
  const [compiler = 'c++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  const flags = ['-std=c++17', '-O2', `-I${path.join(root, 'native')}`, ...(backend === 'hip' ? ['-DREPLAY_HIP'] : [])];
  execFileSync(compiler, [...before, ...flags, source, '-o', program, '-ldl'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return program;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const backend of /** @type {const} */ (['cuda', 'hip'])) console.log(buildReplay(backend));
}
