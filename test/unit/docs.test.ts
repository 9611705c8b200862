import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const pages = ['README.md', ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`)];

/** The runnable examples of a page: its ```js blocks, each a module of its own. */
function examples(page: string): string[] {
  const text = readFileSync(path.join(root, page), 'utf8');
  return [...text.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1]);
}

/** Runs a module as if it stood in the package's root, so that it can import the package by name. */
function run(code: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, encoding: 'utf8' });
}

describe('examples in the documentation', () => {
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    for (const [index, code] of examples(page).entries()) {
      it(`${page}, example ${index + 1}, runs and prints what its comments say`, () => {
        const printed = run(code).trim().split('\n');
        const promised = [...code.matchAll(/^\s*console\.log\(.*?\);\s*\/\/ (.*)$/gm)].map((match) => match[1]);
        for (const text of promised) expect(printed).toContainEqual(expect.stringContaining(text));
      });
    }
  }

  it('README shows an example of the SDK', () => {
    expect(examples('README.md').length).toBeGreaterThan(0);
  });

  it('every page the README names exists, and every page is named', () => {
    const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
    const named = [...readme.matchAll(/\]\((docs\/[^)#]+)/g)].map((match) => match[1]);
    expect(new Set(pages.slice(1).filter((name) => name.endsWith('.md')))).toEqual(new Set(named));
  });
});
