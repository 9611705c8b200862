// Puts the pages of docs/ where VitePress reads them, beside those of the API.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { docs, pages, root } from './paths.mjs';

/** Copies every page and picture of docs/; what is no longer there goes. The API's pages stay. */
export function stageDocs() {
  mkdirSync(pages, { recursive: true });
  for (const name of readdirSync(pages)) {
    if (name !== 'api') rmSync(path.join(pages, name), { recursive: true });
  }
  cpSync(docs, pages, { recursive: true });
  for (const name of readdirSync(pages, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.md') || name.startsWith('api')) continue;
    const file = path.join(pages, name);
    writeFileSync(file, withoutComments(withFiles(readFileSync(file, 'utf8'))));
  }
}

const LANGUAGES = { '.mjs': 'js', '.yml': 'yaml' };

/**
 * A page with the files that it shows whole in the places of `<!-- file PATH -->`.
 * @param {string} text
 */
function withFiles(text) {
  return text.replaceAll(/^<!-- file (\S+) -->$/gm, (_all, /** @type {string} */ name) => {
    const language = LANGUAGES[/** @type {keyof typeof LANGUAGES} */ (path.extname(name))];
    if (language === undefined) throw new Error(`${name}: no language is known for such a file`);
    return `\`\`\`${language}\n${readFileSync(path.join(root, name), 'utf8').trimEnd()}\n\`\`\``;
  });
}

/**
 * A page without the comments by which tests find their tables.
 * @param {string} text
 */
export function withoutComments(text) {
  return text
    .split(/(^```.*?^```$)/ms)
    .map((part) => (part.startsWith('```') ? part : part.replaceAll(/<!--.*?-->\n*/gs, '')))
    .join('');
}
