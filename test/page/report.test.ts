import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { cli } from '../support/cli.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-pages-'));

/** Commands, with the exit code of each. */
const COMMANDS: Readonly<Record<string, readonly [args: readonly string[], status: number]>> = {
  plan: [['plan', '--requests', '60', '--cost-model', 'h100:llama-3-8b'], 0],
  simulate: [['simulate', '--requests', '300', '--ranks', '3'], 0],
  run: [['run', '--requests', '10', '--device', 'host'], 0],
  audit: [['audit', '--ladder', '1,2,4,8,100', '--requests', '60'], 1],
  check: [['check', '--policy', 'vllm-before-28224', '--ranks', '3'], 1],
  bench: [['bench', '--filter', 'block-table', '--rounds', '1'], 0],
};

const LOOKS = [
  { name: 'light', colorScheme: 'light', width: 1100 },
  { name: 'dark', colorScheme: 'dark', width: 1100 },
  { name: 'narrow', colorScheme: 'light', width: 390 },
] as const;

/** Texts of drawings that leave them or the box that they are in, and names of points that lie on one another. */
const CUT_OFF = `(() => {
  const faults = [];
  const leaves = (inner, outer) =>
    inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
  for (const svg of document.querySelectorAll('.drawing svg')) {
    if (svg.getClientRects().length === 0) continue;
    const named = [];
    for (const text of svg.querySelectorAll('text')) {
      const [box, said] = [text.getBoundingClientRect(), text.textContent];
      if (box.width === 0) continue;
      if (leaves(box, svg.getBoundingClientRect())) faults.push('beyond the drawing: ' + said);
      const own = text.closest('[role=cell]')?.querySelector('rect');
      if (own && leaves(box, own.getBoundingClientRect())) faults.push('beyond its box: ' + said);
      if (text.closest('[stroke-width="4"]') === null) continue;
      for (const other of named) {
        const on = other.getBoundingClientRect();
        if (on.left < box.right && box.left < on.right && on.top + 2 < box.bottom && box.top + 2 < on.bottom)
          faults.push('on one another: ' + said + ', ' + other.textContent);
      }
      named.push(text);
    }
  }
  return faults;
})()`;

describe.skipIf(!hasBrowser)('in a browser', () => {
  let browser: Browser;

  beforeAll(async () => {
    for (const [name, [args, status]] of Object.entries(COMMANDS)) {
      const found = cli([...args, '--html', fileOf(name)]);
      expect(found.status, found.stderr).toBe(status);
    }
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  const fileOf = (name: string): string => path.join(folder, `${name}.html`);

  /** Opens a page and collects what goes wrong and what it fetches. */
  async function open(
    name: string,
    options: Parameters<Browser['newPage']>[0],
  ): Promise<{ readonly page: Page; readonly faults: string[]; readonly fetched: string[] }> {
    const page = await browser.newPage(options);
    const faults: string[] = [];
    const fetched: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(`${error}`));
    page.on('request', (request) => fetched.push(request.url()));
    await page.goto(pathToFileURL(fileOf(name)).href);
    return { page, faults, fetched };
  }

  describe.each(LOOKS)('$name', ({ colorScheme, width }) => {
    it.each(Object.keys(COMMANDS))('%s is whole, fits, and shuts no reader out', async (name) => {
      const { page, faults, fetched } = await open(name, { colorScheme, viewport: { width, height: 900 } });
      expect(await page.locator('.drawing svg:visible').count()).toBe(await page.locator('figure').count());
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      expect(await page.evaluate(CUT_OFF), 'texts beyond their drawing or box, or on one another').toEqual([]);
      // What is folded is looked at too.
      await page.evaluate('for (const details of document.querySelectorAll("details")) details.open = true');
      await page.evaluate(axe);
      const { violations } = (await page.evaluate('axe.run()')) as {
        violations: { id: string; impact: string; nodes: { html: string }[] }[];
      };
      expect(violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html}`)).toEqual([]);
      const paper = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(paper).toBe(colorScheme === 'dark' ? 'rgb(21, 24, 28)' : 'rgb(255, 255, 255)');
      expect(faults).toEqual([]);
      expect(fetched).toHaveLength(1);
      await page.close();
    });
  });

  it('steps can be zoomed by keyboard and by dragging, and the table follows', async () => {
    const { page, faults } = await open('simulate', { viewport: { width: 1100, height: 900 } });
    const figure = page.locator('figure[data-zoom="steps-over-time"]');
    const said = figure.locator('.said');
    const all = (): Promise<number[]> =>
      figure
        .locator('tbody tr')
        .first()
        .locator('td')
        .allTextContents()
        .then((cells) => cells.map((text) => Number(text.replaceAll(',', ''))));
    const whole = await all();
    await figure.getByRole('button', { name: 'Zoom in' }).focus();
    await page.keyboard.press('Enter');
    expect(await said.textContent()).toMatch(/^Decisions \d+ to \d+ of \d+ are shown\.$/);
    const [, from, to] = /Decisions (\d+) to (\d+)/.exec((await said.textContent()) ?? '')?.map(Number) ?? [];
    const part = await all();
    const sum = part.slice(0, -1).reduce((total, count) => total + count, 0);
    expect(sum).toBeLessThan(whole.slice(0, -1).reduce((total, count) => total + count, 0));
    // Whole bins: a few more decisions than asked for.
    expect(sum).toBeGreaterThanOrEqual(to - from);
    await figure.getByRole('button', { name: 'All' }).click();
    expect(await said.textContent()).toBe('All decisions are shown.');
    expect(await all()).toEqual(whole);
    const box = await figure.locator('.drawing').boundingBox();
    if (box === null) throw new Error('no drawing');
    await page.mouse.move(box.x + 0.5 * box.width, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.75 * box.width, box.y + 100, { steps: 4 });
    await page.mouse.up();
    const [, left, right, decisions] =
      /Decisions (\d+) to (\d+) of (\d+)/.exec((await said.textContent()) ?? '')?.map(Number) ?? [];
    expect(left / decisions).toBeGreaterThan(0.4);
    expect(left / decisions).toBeLessThan(0.55);
    expect((right - left) / decisions).toBeGreaterThan(0.2);
    expect((right - left) / decisions).toBeLessThan(0.35);
    expect(faults).toEqual([]);
    await page.close();
  });

  it('is complete with scripts forbidden', async () => {
    const { page } = await open('simulate', { javaScriptEnabled: false, viewport: { width: 390, height: 900 } });
    expect(await page.locator('.drawing .narrow svg:visible').count()).toBe(await page.locator('figure').count());
    expect(await page.locator('.zoom:visible').count()).toBe(0);
    await page.close();
  });

  it('prints what is folded, in the colours of paper', async () => {
    const { page } = await open('plan', { colorScheme: 'light', viewport: { width: 900, height: 900 } });
    expect(await page.locator('figure table').first().isVisible()).toBe(false);
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('figure table').first().isVisible()).toBe(true);
    const pdf = await page.pdf();
    expect(pdf.length).toBeGreaterThan(10_000);
    await page.close();
  });
});
