import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import axe from 'axe-core';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { entries } from '../../site/api.mjs';
import { contents } from '../../site/contents.mjs';
import { deadLinks } from '../../site/links.mjs';
import { out, pages, planner } from '../../site/paths.mjs';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { root } from '../support/cli.js';
import { exported } from '../support/public-surface.js';
import { serveFolder } from '../support/static-site.js';

const docs = path.join(root, 'docs');
const markdown = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
const built = (name: string): string => readFileSync(path.join(out, name), 'utf8');

beforeAll(() => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['site/build.mjs'], { cwd: root, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
}, 900_000);

describe('the site', () => {
  test('has every page of docs/, and lists each but the histories', () => {
    const names = markdown(docs);
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(existsSync(path.join(out, name.replace(/\.md$/, '.html'))), name).toBe(true);
    const listed = contents().flatMap(({ items }) => items.map(({ link }) => `${link.slice(1)}.md`));
    const top = names.filter((name) => !name.includes('/') && name !== 'index.md');
    expect(listed.sort()).toEqual(top.sort());
  });

  test('shows no comment of the sources of its pages, and the files that they name', () => {
    expect(built('check.html')).not.toContain('mutations of agreement');
    expect(built('for-services.html')).toContain('keepAliveTimeout');
    expect(built('for-ci.html')).toContain('workflow_dispatch');
  });

  test('asks no other host for anything', () => {
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' });
    const texts = files.filter((name) => /\.(?:html|css)$/.test(name)).map((name) => [name, built(name)] as const);
    expect(texts.length).toBeGreaterThan(40);
    for (const [name, text] of texts) {
      expect(text, name).not.toMatch(
        /<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?:https?:)?\/\/|url\(["']?https?:/,
      );
    }
  });

  test('has the page that plans in a browser where it is built', () => {
    expect(existsSync(path.join(out, 'planner/index.html'))).toBe(existsSync(planner));
  });
});

describe('the pages of the API', () => {
  test('are one an entry of package.json, with every name that it exports and its words', () => {
    expect(entries().map(({ name }) => name.replace(/^lockstep/, '.'))).toEqual([...exported.keys()]);
    for (const { name, page } of entries()) {
      const text = readFileSync(path.join(pages, 'api', `${page}.md`), 'utf8');
      const sections = new Map(text.split(/^### /m).map((part) => [part.split('\n')[0].replace(/\(\)$/, ''), part]));
      const symbols = exported.get(name.replace(/^lockstep/, '.')) ?? [];
      const lacking = symbols
        .map((symbol) => symbol.name)
        .filter((symbol) => !sections.has(symbol.replaceAll('_', '\\_')));
      expect(lacking, name).toEqual([]);
      expect(symbols.length, name).toBeGreaterThan(5);
    }
  });
});

describe('links', () => {
  /** Links that lead nowhere in a site of these files. */
  function dead(files: Readonly<Record<string, string>>): string[] {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-links-'));
    try {
      mkdirSync(path.join(folder, 'more'));
      for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
      return deadLinks(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('that lead nowhere are found: a page, a place in a page, a picture', () => {
    const page =
      '<h2 id="here"></h2><a href="/more/b.html#there"></a><a href="#here"></a><a href="https://example.com/x">';
    expect(dead({ 'a.html': page, 'more/b.html': '<b id="there"></b><a href="../a.html">' })).toEqual([]);
    expect(dead({ 'a.html': page, 'more/b.html': '' })).toEqual(['a.html: /more/b.html#there']);
    expect(dead({ 'a.html': '<a href="./c.html"><img src="/x.svg">' })).toEqual(['a.html: ./c.html', 'a.html: /x.svg']);
  });
});

describe.skipIf(!hasBrowser)('in a browser', () => {
  let browser: Browser;
  let site: Awaited<ReturnType<typeof serveFolder>>;
  beforeAll(async () => {
    site = await serveFolder(out);
    browser = await startBrowser();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await site?.[Symbol.asyncDispose]();
  });

  async function open(name: string, colorScheme: 'light' | 'dark', width: number) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    page.setDefaultTimeout(240_000);
    await page.goto(`${site.address}/${name}`, { waitUntil: 'load' });
    return page;
  }

  test.each([
    ['index.html', 'light', 1280],
    ['five-bugs.html', 'dark', 1280],
    ['tutorial.html', 'light', 375],
    ['trust.html', 'dark', 375],
    ['api/check.html', 'light', 1280],
  ] as const)(
    '%s, %s, %i wide: axe finds nothing serious, and nothing lies beyond the edge',
    async (name, scheme, width) => {
      const page = await open(name, scheme, width);
      try {
        await page.evaluate(axe.source);
        const found = (await page.evaluate('axe.run()')) as axe.AxeResults;
        const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        expect(
          serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`),
        ).toEqual([]);
        expect(found.passes.length).toBeGreaterThan(10);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      } finally {
        await page.close();
      }
    },
  );

  test('pictures follow the page, light and dark, and not the system', async () => {
    const page = await open('tutorial.html', 'light', 1280);
    const ink = () => page.evaluate("getComputedStyle(document.querySelector('.figure text')).fill");
    try {
      const light = await ink();
      await page.evaluate("document.documentElement.classList.add('dark')");
      expect(await ink()).not.toBe(light);
    } finally {
      await page.close();
    }
  });

  test('search finds a reason, with no other host asked', async () => {
    const page = await open('index.html', 'light', 1280);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    try {
      await page.locator('.VPNavBarSearch button').first().click();
      await page.locator('.VPLocalSearchBox input').fill('above-ladder');
      const first = page.locator('.VPLocalSearchBox .result').first();
      expect(await first.getAttribute('href')).toMatch(/\.html(?:#|$)/);
      expect(asked.length).toBeGreaterThan(0);
      expect(asked.filter((address) => !address.startsWith(site.address))).toEqual([]);
    } finally {
      await page.close();
    }
  });
});
