import { existsSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'vitepress';
import { entries } from '../api.mjs';
import { contents } from '../contents.mjs';
import { figures } from '../figures.mjs';
import { out, pages, planner } from '../paths.mjs';

/** The place of a heading, as GitHub names it, so that a link leads to it here and there. */
const slugify = (/** @type {string} */ heading) =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');

export default defineConfig({
  title: 'Lockstep',
  description:
    'Plans and runs the steps of LLM serving engines, so that no rank takes a step the others did not agree to.',
  lang: 'en-GB',
  srcDir: pages,
  outDir: out,
  cacheDir: path.join(pages, '../site-cache'),
  metaChunk: true,
  markdown: {
    config: figures,
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/' },
      { text: 'Tutorial', link: '/tutorial' },
      { text: 'Command line', link: '/cli' },
      { text: 'API', link: '/api/' },
      ...(existsSync(planner) ? [{ text: 'Planner', link: '/planner/', target: '_self' }] : []),
    ],
    sidebar: [
      ...contents(),
      {
        text: 'API',
        items: [
          { text: 'Entries', link: '/api/' },
          ...entries().map(({ name, page }) => ({ text: name, link: `/api/${page}` })),
        ],
      },
    ],
    footer: { message: 'Licence: Apache-2.0' },
  },
});
