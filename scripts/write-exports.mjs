// Writes wasm/exports.h and src/memory/exports.ts from wasm/exports.txt and asc/index.ts. `--check` compares instead and
// fails where they differ.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { metadataExports, rulesExports } from './exports.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const WIDTH = 120;
const notice = (/** @type {string} */ from) => `// Written by scripts/write-exports.mjs from ${from}.\n`;
const metadata = metadataExports(root);

const header = () => {
  const declared = metadata.map(
    ({ name, result, parameters }) =>
      `${result} ${name}(${parameters.map((each) => `${each.type} ${each.name}`).join(', ')});\n`,
  );
  const listed = metadata.map(({ name }) => `  X(${name})`).join(' \\\n');
  return `${notice('wasm/exports.txt')}#pragma once
#include <stdint.h>

namespace lockstep {
namespace metadata {
extern "C" {
${declared.join('')}}
}  // namespace metadata
}  // namespace lockstep

/// X(name) of each of them.
#define LOCKSTEP_METADATA_EXPORTS(X) \\
${listed}
`;
};

/** Words and addresses are numbers to JavaScript, and so are truths: 0 or 1. */
const typeOf = (/** @type {string} */ type) => (type === 'void' ? 'void' : 'number');
const camelCase = (/** @type {string} */ name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** @param {import('./exports.mjs').ExportedFunction} exported */
function method({ name, result, parameters, doc }) {
  const names = new Set(parameters.map((each) => each.name));
  const text = doc.map((line) => line.replace(/`(\w+)`/g, (all, word) => (names.has(word) ? camelCase(all) : all)));
  const inline = `  /** ${text[0]} */\n`;
  const block = `  /**\n${text.map((line) => `   * ${line}\n`).join('')}   */\n`;
  const comment = text.length === 0 ? '' : text.length === 1 && inline.length <= WIDTH ? inline : block;
  const given = parameters.map((each) => `${camelCase(each.name)}: number`);
  const line = `  ${name}(${given.join(', ')}): ${typeOf(result)};\n`;
  const lines = `  ${name}(\n${given.map((each) => `    ${each},\n`).join('')}  ): ${typeOf(result)};\n`;
  return comment + (line.length <= WIDTH ? line : lines);
}

const interfaces = () => `${notice('wasm/exports.txt and asc/index.ts')}
/** Exports of \`metadata.wasm\`; every argument is an int32. Edits return a row or 0, or a negative \`EDIT\` code. */
export interface MetadataExports {
  _initialize(): void;
${metadata.map(method).join('')}}

/** Exports of \`rules.wasm\`; every argument is an int32, an address or, where a doc line says so, a double. */
export interface RulesExports {
${rulesExports(root).map(method).join('')}}
`;

let stale = 0;
for (const [file, text] of [
  ['wasm/exports.h', header()],
  ['src/memory/exports.ts', interfaces()],
]) {
  const target = path.join(root, file);
  if (!process.argv.includes('--check')) writeFileSync(target, text);
  else if (readFileSync(target, 'utf8') !== text) {
    console.error(`${file} differs from wasm/exports.txt and asc/; run: npm run build:exports`);
    stale += 1;
  }
}
process.exitCode = stale ? 1 : 0;
