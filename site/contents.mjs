// The table of contents: the lists of docs/index.md, which readers see too.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { docs } from './paths.mjs';

/**
 * Sections of the first page that list pages, in order.
 * @returns {{ text: string, items: { text: string, link: string }[] }[]}
 */
export function contents() {
  return readFileSync(path.join(docs, 'index.md'), 'utf8')
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      text: section.split('\n')[0],
      items: [...section.matchAll(/^(?:- |\d+\. )\[([^\]]+)\]\(([^)]+)\.md\)/gm)].map(([, text, link]) => ({
        text,
        link: `/${link}`,
      })),
    }))
    .filter(({ items }) => items.length > 0);
}
