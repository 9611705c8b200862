import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './cli.js';

/** Whether pages are made what they should be, not compared. */
export const WRITE: boolean = process.env.LOCKSTEP_DOCS === 'write';

/** The lines of the table that a page shows after `<!-- name -->`. */
export function readLines(page: string, name: string): string[] {
  const found = tableAfter(name).exec(readFileSync(path.join(root, page), 'utf8'));
  if (found === null) throw new RangeError(`${page} has no table after <!-- ${name} -->`);
  return found[2].split('\n');
}

function tableAfter(name: string): RegExp {
  return new RegExp(`(<!-- ${name} -->\\n\\n)(.*?)(\\n\\n)`, 's');
}

/**
 * The lines that a page shows after `<!-- name -->`: a block of text, or a table. With LOCKSTEP_DOCS=write they are first made
 * what they are now: look at the difference before it is committed.
 */
export function shownLines(page: string, name: string, now: readonly string[]): string[] {
  const place = path.join(root, page);
  const text = readFileSync(place, 'utf8');
  const fenced = new RegExp(`(<!-- ${name} -->\\n\\n\`\`\`text\\n)(.*?)(\\n\`\`\`)`, 's');
  const table = tableAfter(name);
  const block = fenced.test(text) ? fenced : table;
  const found = block.exec(text);
  if (found === null) throw new RangeError(`${page} has no block after <!-- ${name} -->`);
  if (WRITE) {
    const changed = text.replace(block, (_all, before: string, _old, after: string) => before + now.join('\n') + after);
    writeFileSync(place, changed);
    return [...now];
  }
  return found[2].split('\n');
}

/** README and the pages of docs/. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

/** The text of a file of the package. */
export function textOf(name: string): string {
  return readFileSync(path.join(root, name), 'utf8');
}

/** The fenced blocks of a page in one language. */
export function blocks(page: string, language: string): string[] {
  return [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1]);
}

/** Every block of every page in one language, to be named after its page. */
export function allBlocks(language: string): [page: string, index: number, code: string][] {
  return PAGES.flatMap((page) =>
    blocks(page, language).map((code, index): [string, number, string] => [page, index + 1, code]),
  );
}
