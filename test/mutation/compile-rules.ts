import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import asc from 'assemblyscript/asc';
import { root } from '../support/cli.js';
import type { Mutation } from './mutation.js';

const folder = path.join(root, 'asc');

/** The sources of the rules by path, but for the checker, which holds them against its own laws. */
export function ruleSources(): Map<string, string> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && name !== 'layout.ts');
  return new Map(files.map((name) => [`asc/${name}`, readFileSync(path.join(folder, name), 'utf8')]));
}

/** Places at which a text occurs in the sources. */
export function occurrences(sources: ReadonlyMap<string, string>, text: string): string[] {
  return [...sources].flatMap(([file, source]) => Array.from({ length: source.split(text).length - 1 }, () => file));
}

/** The rules with one mistake, compiled in memory. */
export async function compileMutant(sources: ReadonlyMap<string, string>, mutation: Mutation): Promise<Uint8Array> {
  const [file] = occurrences(sources, mutation.find);
  const mutated = sources.get(file)?.replace(mutation.find, () => mutation.replace);
  let bytes: Uint8Array | undefined;
  const flags = [
    '-O1',
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
  const { error, stderr } = await asc.main(['asc/index.ts', ...flags, '-o', 'rules.wasm'], {
    readFile: (name, base) => {
      if (name === file) return mutated ?? null;
      try {
        return readFileSync(path.resolve(root, base, name), 'utf8');
      } catch {
        return null;
      }
    },
    writeFile: (_name, contents) => {
      if (contents instanceof Uint8Array) bytes = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || bytes === undefined) throw new Error(`${mutation.name} does not compile: ${error}\n${stderr}`);
  return bytes;
}
