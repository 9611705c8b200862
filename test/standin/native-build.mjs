// Compiles what lies below the addon's JS classes, or all of it, apart from set-up: for builds with sanitizers.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const built = path.join(root, '.setup/standin');

/**
 * C++ sources and headers of folders, as paths from the root.
 * @param {readonly string[]} folders
 */
export function sourcesIn(folders) {
  return folders
    .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)))
    .filter((file) => /\.(cc|h|inc)$/.test(file))
    .sort();
}

/**
 * A library or program of native code, with the kernels of GPUs beside it, where it looks for them. One that was made of the same is used
 * again; `inputs` are all files that count, `sources` those of them that are compiled, `flags` for both steps.
 *
 * @param {{ name: string, inputs: readonly string[], sources: readonly string[], flags: readonly string[], compile: readonly string[],
 *   link: readonly string[] }} what
 * @returns {Promise<string>} its path
 */
export async function buildNative({ name, inputs, sources, flags, compile, link }) {
  const words = [process.version, process.env.CXX ?? '', name, ...flags, ...compile, ...link];
  const hash = createHash('sha256').update(words.join('\0'));
  for (const file of inputs) hash.update(`${file}\0`).update(readFileSync(path.join(root, file)));
  const folder = path.join(built, `${path.parse(name).name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return path.join(folder, name);
  mkdirSync(built, { recursive: true });
  const making = mkdtempSync(path.join(built, 'making-'));
  try {
    const object = (/** @type {string} */ file) => path.join(making, `${file.replaceAll('/', '-')}.o`);
    const left = [...sources];
    const work = async () => {
      for (let file = left.pop(); file !== undefined; file = left.pop()) {
        await run([...flags, ...compile, '-c', path.join(root, file), '-o', object(file)]);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    await run([...flags, ...sources.map(object), '-o', path.join(making, name), ...link]);
    for (const file of sources) rmSync(object(file));
    cpSync(path.join(root, 'native/kernels/built'), path.join(making, 'kernels'), { recursive: true });
    renameSync(making, folder);
  } catch (error) {
    // What another process made meanwhile is the same.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return path.join(folder, name);
}

/** @param {readonly string[]} args */
async function run(args) {
  const [compiler = 'g++', ...before] = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  await promisify(execFile)(compiler, [...before, ...args], { maxBuffer: 1 << 26 });
}
