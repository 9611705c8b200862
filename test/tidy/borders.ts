import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/**
 * The rooms of src/, lowest first, as docs/architecture.md draws them. A file imports from rooms before its own, or from its own.
 * Rooms on one line of the page may import each other only in this order too.
 */
export const ROOMS = [
  'input',
  'checkpoint',
  'layout',
  'policy',
  'keys',
  'memory',
  'batch',
  'agreement',
  'planner',
  'native',
  'output',
  'recorder',
  'ranks',
  'device',
  'execution',
  'runtime',
  'decoder',
  'metrics',
  'workload',
  'counts',
  'engines',
  'formats',
  'simulation',
  'service',
  'server',
  'capture',
  'run',
  'replay',
  'explain',
  'check',
  'conformance',
  'bench',
  'report',
  'entry',
  'cli',
] as const;

/** Files beside the rooms that every room may import, lowest first; `index.ts` is the entry of the package, above them all. */
export const FOUNDATION = [
  'errors.ts',
  'names.ts',
  'numbers.ts',
  'text.ts',
  'checks.ts',
  'config.ts',
  'kv-pool.ts',
  'inspect.ts',
  'timing.ts',
  'wait.ts',
  'waiting.ts',
] as const;

/** Files by their path in src/, and their text. */
export type Sources = ReadonlyMap<string, string>;

/** Every TypeScript file of src/. */
export function readSources(root: string): Sources {
  const src = path.join(root, 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return new Map(files.sort().map((file) => [file, readFileSync(path.join(src, file), 'utf8')]));
}

/** The files that a file imports, type imports and dynamic ones included. */
function importsOf(file: string, text: string): string[] {
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => path.normalize(path.join(path.dirname(file), name)).replace(/\.js$/, '.ts'));
}

const roomOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file);

/** How high a file stands; an import may not point higher. -1 for a file that is in no known room. */
function floorOf(file: string): number {
  const room = roomOf(file);
  if (room === 'index.ts') return FOUNDATION.length + ROOMS.length;
  const order: readonly string[] = [...FOUNDATION, ...ROOMS];
  return order.indexOf(room);
}

/** What breaks the borders between rooms: a sentence each, none in a tidy house. */
export function brokenBorders(sources: Sources): string[] {
  const found: string[] = [];
  for (const [file, text] of sources) {
    if (floorOf(file) < 0) found.push(`${file} is in no room of docs/architecture.md`);
    for (const target of importsOf(file, text)) {
      if (!sources.has(target)) found.push(`${file} imports ${target}, which is no file`);
      if (roomOf(target) === roomOf(file)) continue;
      if (floorOf(target) > floorOf(file)) found.push(`${file} imports ${target}, which is above it`);
      if (target.includes('/') && target !== `${roomOf(target)}/index.ts`) {
        found.push(`${file} imports ${target} past ${roomOf(target)}/index.ts`);
      }
    }
  }
  return [...found, ...cycles(sources)];
}

/** Each way back to a file over the imports of files, type imports included. */
function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const begin = way.indexOf(file);
    if (begin >= 0) found.push(`a cycle of imports: ${[...way.slice(begin), file].join(' → ')}`);
    if (begin >= 0 || done.has(file)) return;
    for (const target of importsOf(file, sources.get(file) ?? '')) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return found;
}
