// The functions that the planner's modules export, read from where they are listed: wasm/exports.txt and asc/index.ts.
import { readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * @typedef {object} ExportedFunction
 * @property {string} name
 * @property {string} result its type in the language of the module
 * @property {{ name: string, type: string }[]} parameters
 * @property {string[]} doc lines that say what it does
 */

/**
 * The C functions of wasm/exports.txt. Throws where a line is none, or a name is there twice.
 * @param {string} root
 * @returns {ExportedFunction[]}
 */
export function metadataExports(root) {
  /** @type {ExportedFunction[]} */
  const found = [];
  /** @type {string[]} */
  let doc = [];
  for (const raw of readFileSync(path.join(root, 'wasm/exports.txt'), 'utf8').split('\n')) {
    const line = raw.trim();
    if (line.startsWith('#')) {
      doc.push(line.slice(1).trim());
      continue;
    }
    if (line !== '') {
      const [, result = '', name = '', list = '?'] = /^(void|int32_t) ([a-z_]\w*)\((.*)\)$/.exec(line) ?? [];
      const parameters =
        list === '' ? [] : list.split(',').map((text) => parameterOf(text.trim(), /^(int32_t) (\w+)$/));
      if (parameters.some((each) => each.name === '')) {
        throw new Error(
          `wasm/exports.txt: "${line}" is no C function of int32_t, such as: int32_t name(int32_t first)`,
        );
      }
      if (found.some((each) => each.name === name)) throw new Error(`wasm/exports.txt: ${name} is there twice`);
      found.push({ name, result, parameters, doc });
    }
    doc = [];
  }
  if (found.length === 0) throw new Error('wasm/exports.txt names no function: list what the planner calls');
  return found;
}

/**
 * The functions that asc/index.ts exports, as the files it names declare them.
 * @param {string} root
 * @returns {ExportedFunction[]}
 */
export function rulesExports(root) {
  const index = readFileSync(path.join(root, 'asc/index.ts'), 'utf8');
  return [...index.matchAll(/^export \{([^}]*)\} from '\.\/([^']+)';$/gm)].flatMap(([, names = '', file = '']) => {
    const source = readFileSync(path.join(root, `asc/${file}.ts`), 'utf8');
    return names.split(',').map((name) => rule(source, file, name.trim()));
  });
}

/**
 * @param {string} source
 * @param {string} file
 * @param {string} name
 * @returns {ExportedFunction}
 */
function rule(source, file, name) {
  const declared = new RegExp(`^export function ${name}\\(([^)]*)\\): (\\w+) \\{$`, 'm').exec(source);
  if (declared === null) throw new Error(`asc/${file}.ts declares no function ${name} that asc/index.ts could export`);
  const [, list = '', result = ''] = declared;
  const parameters = list
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => parameterOf(text.replace(/^(\w+): (\w+)$/, '$2 $1'), /^(\w+) (\w+)$/));
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n$/.exec(source.slice(0, declared.index));
  const doc =
    comment === null ? [] : (comment[1] ?? '').split('\n').map((line) => line.replace(/^\s*\*?\s?/, '').trimEnd());
  return { name, result, parameters, doc: doc.filter((line) => line !== '') };
}

/**
 * @param {string} text
 * @param {RegExp} form of a type, then a name
 */
function parameterOf(text, form) {
  const [, type = '', name = ''] = form.exec(text) ?? [];
  return { name, type };
}
