// Looks at every link of the built site: VitePress itself looks at pages, and not at the places in them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Links of the HTML files in a folder that lead nowhere, as `page: link`.
 * @param {string} folder
 * @returns {string[]}
 */
export function deadLinks(folder) {
  const texts = new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.html') && !name.startsWith(`planner${path.sep}`))
      .map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]),
  );
  const ids = new Map([...texts].map(([name, text]) => [name, new Set(places(text))]));
  return [...texts].flatMap(([name, text]) =>
    [...new Set([...text.matchAll(/\s(?:href|src)="([^"]+)"/g)].map(([, link]) => link))]
      .filter((link) => !leads(folder, ids, name, link))
      .map((link) => `${name}: ${link}`),
  );
}

/** @param {string} text */
const places = (text) => [...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);

/**
 * Whether a link of a page leads somewhere. Other sites are not asked.
 * @param {string} folder
 * @param {Map<string, Set<string>>} ids
 * @param {string} page
 * @param {string} link
 */
function leads(folder, ids, page, link) {
  const target = new URL(link.replaceAll('&amp;', '&'), `file:///${page}`);
  if (target.protocol !== 'file:') return true;
  const [name, place] = [target.pathname, target.hash].map((part) => decodeURIComponent(part.slice(1)));
  const file = name === '' || name.endsWith('/') ? `${name}index.html` : name;
  const html = ids.has(file) ? file : `${file}.html`;
  if (place === '') return existsSync(path.join(folder, file)) || ids.has(html);
  return ids.get(html)?.has(place) ?? false;
}
