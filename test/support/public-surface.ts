import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { root } from './cli.js';

const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string }>;
};

/** Type declarations of every entry point, by its name in package.json. */
const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [[name, path.join(root, target.types)] as const],
);

const program = ts.createProgram(
  entries.map(([, file]) => file),
  {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
  },
);
export const checker: ts.TypeChecker = program.getTypeChecker();

/** What an entry exports. */
function symbolsOf(file: string): ts.Symbol[] {
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  return module ? checker.getExportsOfModule(module) : [];
}

/** What each entry of package.json exports, by the entry's name. */
export const exported: ReadonlyMap<string, readonly ts.Symbol[]> = new Map(
  entries.map(([name, file]) => [name, symbolsOf(file)]),
);
