import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import axe from 'axe-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPage, hasBrowser, type ServedPage, servePage } from '../support/browser.js';

const VIEWS = [
  ['plan?graphs=12&gpu=h100&model=llama-3-8b', 'figure.drawing:nth-of-type(3) svg[role=img]'],
  ['step', '[data-testid=run]'],
  ['stories?name=megatron-before-3509&at=40', '.broken'],
  ['plan?graphs=0', '.fault'],
] as const;

const SCREENS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
  'narrow and dark': { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
} as const;

describe.skipIf(!hasBrowser)('the page is for everybody', () => {
  let folder = '';
  let served: ServedPage;
  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/lockstep-page-`);
    await buildPage(folder);
    served = await servePage(folder);
  });
  afterAll(async () => {
    await served.close();
    rmSync(folder, { recursive: true, force: true });
  });

  describe.each(Object.entries(SCREENS))('%s', (_, screen) => {
    test.each(VIEWS)('axe finds nothing serious in #%s, and nothing is wider than the screen', async (hash, shown) => {
      const page = await served.open(hash, screen);
      await page.locator(shown).first().waitFor();
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      await page.evaluate(axe.source);
      const { violations, passes } = await page.evaluate(
        async () => await (globalThis as unknown as { axe: typeof axe }).axe.run(document),
      );
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      const found = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
      expect(found).toEqual([]);
      expect(passes.length).toBeGreaterThan(10);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width).toBeLessThanOrEqual(screen.viewport.width);
      await page.close();
    });
  });

  test('every control is reached by the tabulator, and shows that it is', async () => {
    const page = await served.open('step', SCREENS.light);
    await page.locator('[data-testid=run]').waitFor();
    const controls = await page.locator('a, button:enabled, input, select, summary').count();
    const seen = new Set<string>();
    await page.locator('body').press('Tab');
    for (let at = 0; at < controls + 20; at++) {
      const { name, outline } = await page.evaluate(() => {
        const focused = document.activeElement as HTMLElement;
        const id = [...document.querySelectorAll('a, button, input, select, summary')].indexOf(focused);
        return { name: id < 0 ? '' : `${id}`, outline: getComputedStyle(focused).outlineStyle };
      });
      if (name !== '') {
        seen.add(name);
        expect(outline, `control ${name}`).not.toBe('none');
      }
      await page.keyboard.press('Tab');
    }
    expect(seen.size).toBe(controls);
    await page.close();
  });
});
