import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type ExportedFunction, metadataExports, rulesExports } from '../../scripts/exports.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What emscripten exports from every reactor beside the functions that are asked for. */
const EMSCRIPTEN = ['__errno_location', '_initialize', 'stackAlloc', 'stackRestore', 'stackSave'];

it.each<[string, (root: string) => ExportedFunction[], string[]]>([
  ['metadata.wasm', metadataExports, EMSCRIPTEN],
  ['metadata-scalar.wasm', metadataExports, EMSCRIPTEN],
  ['rules.wasm', rulesExports, []],
])('%s exports what is listed, with as many arguments', (file, listed, beside) => {
  const module = new WebAssembly.Module(readFileSync(path.join(ROOT, 'dist/memory', file)));
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const functions = Object.entries(exports).flatMap(([name, value]) =>
    typeof value === 'function' && !beside.includes(name) ? [[name, value.length]] : [],
  );
  const expected = listed(ROOT).map(({ name, parameters }) => [name, parameters.length]);
  expect(functions.sort()).toEqual(expected.sort());
});
