import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { playStory } from '../../dist/check/index.js';
import { TOLD } from '../../page/src/stories/told.js';
import { buildPage, hasBrowser, type ServedPage, servePage } from '../support/browser.js';
import { cli } from '../support/cli.js';

describe.skipIf(!hasBrowser)('steps and stories in a browser', () => {
  let folder = '';
  let served: ServedPage;
  let page: Page | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/lockstep-page-`);
    await buildPage(folder);
    served = await servePage(folder);
  });
  afterEach(async () => {
    await page?.close();
    page = undefined;
  });
  afterAll(async () => {
    await served.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(hash: string): Promise<Page> {
    page = await served.open(hash);
    return page;
  }

  test('explains the first batch as lockstep explain does, word by word', async () => {
    const opened = await open('step');
    await expectStep(opened);
  });

  test('explains a batch of a link, in parts', async () => {
    const opened = await open(`step?batch=${encodeURIComponent('30d2@40_20d2@17;8,64;lockstep;2;2')}`);
    await expectStep(opened);
    expect(await opened.getByText('positions of part 1').count()).toBe(2);
  });

  test('follows what is edited by hand, marks what changed, and puts it into the link', async () => {
    const opened = await open('step');
    await steady(opened);
    await opened.getByRole('spinbutton', { name: 'requests, rank 1, row 1' }).fill('9');
    await opened.locator('mark', { hasText: '16 tokens (16 requests)' }).waitFor();
    expect(await opened.getByTestId('run').textContent()).toContain(', was full graph, key 1 of 5: 8 tokens');
    await expectStep(opened);
    await opened.getByRole('combobox', { name: 'phase, rank 0, row 1' }).selectOption('last');
    await opened.getByTestId('reason').filter({ hasText: 'no-key-for-phase' }).waitFor();
    await expectStep(opened);
    await opened.getByRole('button', { name: 'Add a rank' }).click();
    await opened.getByText('Idle: it holds no request.').waitFor();
    await expectStep(opened);
    const { hash } = new URL(opened.url());
    await opened.close();
    const again = await open(hash.slice(1));
    await expectStep(again);
    expect(await again.getByRole('spinbutton', { name: 'requests, rank 1, row 1' }).inputValue()).toBe('9');
    expect(await again.getByRole('group', { name: 'Rank 2' }).count()).toBe(1);
  });

  test('says why a batch or a ladder is refused', async () => {
    const opened = await open('step');
    await steady(opened);
    await opened.getByLabel("Captured sizes, or an engine's list").fill('2,many');
    await opened.locator('.fault', { hasText: 'many' }).waitFor();
    await opened.getByLabel("Captured sizes, or an engine's list").fill('2,8');
    await opened.locator('.fault').waitFor({ state: 'detached' });
    await expectStep(opened);
  });

  test.each(TOLD.map(({ name, title }) => [name, title]))('tells the story of %s to its end', async (name, title) => {
    const { before, fixed } = await playStory(name);
    const most = Math.max(before.trace.length, fixed.trace.length);
    const opened = await open(`stories?name=${name}`);
    await opened.getByRole('heading', { name: title }).waitFor();
    await opened.getByText(`Line 1 of ${most}`).waitFor();
    const was = opened.getByTestId('As it was').locator('tbody tr');
    expect(await was.count()).toBe(1);
    await opened.getByRole('button', { name: 'Next' }).focus();
    for (let at = 2; at <= most; at++) await opened.keyboard.press('ArrowRight');
    await opened.getByText(`Line ${most} of ${most}`).waitFor();
    expect(new URL(opened.url()).hash).toBe(`#stories?name=${name}&at=${most}`);
    expect(await was.count()).toBe(before.trace.length);
    for (const [line, { text }] of before.trace.entries()) expect(await was.nth(line).textContent()).toContain(text);
    expect(await opened.locator('.broken').count()).toBeGreaterThan(0);
    const after = opened.getByTestId('After the fix').locator('tbody tr');
    for (const [line, { text }] of fixed.trace.entries()) expect(await after.nth(line).textContent()).toContain(text);
    expect(await opened.getByText('Nothing breaks.').count()).toBe(1);
    await opened.keyboard.press('ArrowLeft');
    await opened.getByText(`Line ${most - 1} of ${most}`).waitFor();
  });

  test('a story is one of five, and each leads to the others', async () => {
    const opened = await open('stories');
    await opened.getByRole('heading', { name: TOLD[0]?.title }).waitFor();
    expect(TOLD).toHaveLength(5);
    for (const { title } of TOLD) {
      await opened.getByRole('link', { name: title }).click();
      await opened.getByRole('heading', { name: title }).waitFor();
      await opened.getByText(/^Line 1 of/).waitFor();
    }
  });
});

async function steady(page: Page): Promise<void> {
  await page.locator('.results[aria-busy=false] [data-testid=run]').waitFor();
}

/** What the page shows is what the command that it offers prints. */
async function expectStep(page: Page): Promise<void> {
  await steady(page);
  const command = (await page.getByText('| lockstep explain').textContent()) ?? '';
  const [, input = '', options = ''] = /^echo '(.*)' \| lockstep explain (.*)$/.exec(command) ?? [];
  const { stdout, status, stderr } = cli(['explain', ...options.split(' '), '--json'], `${input}\n`);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const { votes, decision, tensors } = JSON.parse(stdout);
  expect(await page.getByTestId('reason').textContent()).toContain(`${decision.reason}`);
  const text = cli(['explain', ...options.split(' ')], `${input}\n`).stdout;
  const shownRun = ((await page.getByTestId('run').textContent()) ?? '').replace(/, was .*/, '');
  expect(text).toContain(`run     ${shownRun}`);
  const rows = page.locator('section[aria-label^="Votes"] tbody tr');
  expect(await rows.count()).toBeGreaterThan(3);
  for (const row of await rows.evaluateAll((all) =>
    all.map((one) => [...one.children].map((cell) => cell.textContent ?? '')),
  )) {
    const [word = '', ...values] = row.map((cell) => cell.replace(/, was .*/, ''));
    expect(values, word).toEqual(votes.map((vote: Record<string, number>) => `${vote[word]}`));
  }
  for (const [rank, { whole }] of tensors.entries()) {
    const place = page.getByTestId(`tensors of rank ${rank}`);
    for (const name of ['positions', 'slotMapping', 'queryStartLoc']) {
      const values: readonly number[] = whole[name];
      if (values.length === 0 || values.length > 64) continue;
      const shown = await place
        .locator('tbody tr', { has: page.getByRole('rowheader', { name, exact: true, includeHidden: true }) })
        .locator('td')
        .last()
        .textContent();
      expect((shown ?? '').replace(/, was .*/, ''), `${name} of rank ${rank}`).toBe(values.join(' '));
    }
  }
}
