import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { percentOf } from '../../dist/text.js';
import { buildPage, hasBrowser, type ServedPage, servePage } from '../support/browser.js';
import { cli } from '../support/cli.js';
import { traces, tracesAbsent } from '../support/traces.js';

/** A log of vLLM as `--cudagraph-metrics` writes it. */
const LOG = `
| Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |
|-----------------|---------------|--------------|--------------|-------|
| 5               | 8             | 3            | FULL         | 40    |
| 13              | 16            | 3            | FULL         | 12    |
| 70              | 72            | 2            | FULL         | 2     |
`;

const SEVERAL_RANKS = 'vllm serve m --max-num-seqs 48 -dp 3 -cc.cudagraph_mode=FULL';

const TRACE = ['TIMESTAMP,ContextTokens,GeneratedTokens', ...rowsOf(60)].join('\n');

function rowsOf(requests: number): string[] {
  return Array.from({ length: requests }, (_, at) => {
    const second = `${at % 60}`.padStart(2, '0');
    return `2023-11-16 18:1${Math.floor(at / 60)}:${second}.0000000,${40 + 13 * at},${20 + ((at * 37) % 200)}`;
  });
}

describe.skipIf(!hasBrowser)('the plan in a browser', () => {
  let folder = '';
  let served: ServedPage;
  let page: Page | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-page-'));
    await buildPage(path.join(folder, 'built'));
    served = await servePage(path.join(folder, 'built'));
    writeFileSync(path.join(folder, 'vllm.log'), LOG);
    writeFileSync(path.join(folder, 'trace.csv'), TRACE);
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
    page = await served.open(hash, { acceptDownloads: true });
    await settled(page);
    return page;
  }

  test.each([
    ['a generated workload', '', null, []],
    [
      'a GPU, and few graphs',
      'graphs=9&gpu=h100&model=llama-3-70b&tp=4',
      null,
      '--graphs 9 --cost-model h100:llama-3-70b --tensor-parallel-size 4'.split(' '),
    ],
    [
      'other limits and ranks',
      'seqs=96&tokens=2048&ranks=3&query=2&objective=seen',
      null,
      '--max-num-seqs 96 --max-num-batched-tokens 2048 --ranks 3 --query-len 2 --objective seen'.split(' '),
    ],
    ['micro-batches', 'ubatches=2&policy=vllm-v2', null, '--ubatches 2 --policy vllm-v2'.split(' ')],
    [
      'a launch line',
      `engine=${encodeURIComponent('vllm serve m --max-num-seqs 100')}`,
      null,
      ['--engine', 'vllm serve m --max-num-seqs 100'],
    ],
    [
      'a launch line that says ranks and mode, under the policy of its name',
      `policy=vllm-v2&engine=${encodeURIComponent(SEVERAL_RANKS)}`,
      null,
      ['--policy', 'vllm-v2', '--engine', SEVERAL_RANKS],
    ],
    ["an engine's log", '', 'vllm.log', []],
    ['a trace', 'ranks=1', 'trace.csv', ['--ranks', '1']],
  ])('has the numbers of lockstep plan --json: %s', async (_, query, file, options) => {
    const opened = await open(`plan?${query}`);
    const source = file === null ? [] : [path.join(folder, file)];
    if (file !== null) await choose(opened, path.join(folder, file));
    await expectNumbers(opened, [...source, ...options]);
  });

  test.skipIf(tracesAbsent)('has them of a real trace', async () => {
    const file = path.join(traces, 'azure-llm-2023-conv.csv');
    const opened = await open('plan');
    await choose(opened, file);
    await expectNumbers(opened, [file]);
    expect(await opened.getByText('19,366 requests.').count()).toBe(1);
  });

  test('sends nothing away: without a network a file is planned all the same', async () => {
    const asked: string[] = [];
    page = await served.browser.newPage();
    page.setDefaultTimeout(240_000);
    page.on('request', (request) => asked.push(`${request.method()} ${request.url()} ${request.postData() ?? ''}`));
    await page.goto(`${served.address}#plan`);
    await settled(page);
    await page.locator('figure.drawing').first().waitFor();
    const loaded = asked.length;
    await page.context().setOffline(true);
    await choose(page, path.join(folder, 'trace.csv'));
    await page.getByText('60 requests.').waitFor();
    expect(asked.length).toBe(loaded);
    for (const request of asked) expect(request).toMatch(new RegExp(`^GET ${served.address}[\\w./-]* $`));
  });

  test('takes what is dropped, and knows a launch line from a log', async () => {
    const opened = await open('plan');
    await drop(opened, 'start.sh', 'vllm serve m --max-num-seqs 144\n');
    await opened.getByText('Engine:').waitFor();
    expect(new URL(opened.url()).hash).toBe('#plan?engine=vllm+serve+m+--max-num-seqs+144');
    await opened.getByRole('spinbutton', { name: 'Sequences' }).and(opened.locator('[placeholder="144"]')).waitFor();
    await opened.getByText('vllm, as you run it').waitFor();
    await drop(opened, 'vllm.log', LOG);
    await opened.getByText('Planned for vllm.log').waitFor();
    await opened.getByText('as the log ran').waitFor();
    await opened.getByRole('button', { name: 'Close the file' }).click();
    await opened.getByText('Planned for a generated workload').waitFor();
  });

  test('says what a file would have to be, and keeps the plan that was there', async () => {
    const opened = await open('plan');
    await drop(opened, 'poem.txt', 'the quick brown fox\n');
    const fault = opened.locator('.results .fault');
    await fault.waitFor();
    const text = (await fault.textContent()) ?? '';
    expect(text).toMatch(/^poem\.txt: .*logs of engines/s);
    expect(text).toContain('Nor is it a launch line');
    expect(await opened.getByText(/graphs for .* steps/).count()).toBe(1);
    await drop(opened, 'bad.csv', 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,x,44\n');
    await opened.getByText('bad.csv: the file:2: ContextTokens must be').waitFor();
  });

  test('plans as keys move a slider, and the link holds what they set', async () => {
    const opened = await open('plan?graphs=6');
    await opened.getByRole('slider', { name: 'Graphs, slider' }).press('ArrowRight');
    await opened.getByRole('heading', { name: /^7 graphs for/ }).waitFor();
    expect(new URL(opened.url()).hash).toBe('#plan?graphs=7');
    await opened.getByRole('spinbutton', { name: 'Ranks' }).fill('4');
    await opened.waitForFunction(() => location.hash === '#plan?graphs=7&ranks=4');
    await opened.reload();
    await settled(opened);
    expect(await opened.getByRole('spinbutton', { name: 'Ranks' }).inputValue()).toBe('4');
    await expectNumbers(opened, ['--graphs', '7', '--ranks', '4']);
  });

  test('draws the plan, and has the numbers of each plot as a table', async () => {
    const opened = await open('plan');
    const figures = opened.locator('figure.drawing');
    await figures.nth(2).locator('svg[role=img]').waitFor();
    expect(await figures.count()).toBe(3);
    const before = await figures.nth(0).locator('svg[role=img]').innerHTML();
    await figures.nth(0).getByText('The numbers of this plot').click();
    expect(await figures.nth(0).locator('tbody tr').count()).toBeGreaterThan(3);
    await opened.getByRole('spinbutton', { name: 'Graphs' }).fill('5');
    await opened.getByRole('heading', { name: /^5 graphs for/ }).waitFor();
    await expect.poll(() => figures.nth(0).locator('svg[role=img]').innerHTML()).not.toBe(before);
  });

  test('saves a plan that lockstep simulate takes', async () => {
    const opened = await open('plan?graphs=7');
    const file = await saved(opened, 'Save the plan for lockstep run --plan');
    const { status, stdout, stderr } = cli(['simulate', '--plan', file, '--requests', '20', '--json']);
    expect({ status, stderr: /error/i.test(stderr) }).toEqual({ status: 0, stderr: false });
    expect(JSON.parse(stdout)).toMatchObject({ graphs: 7 });
  });
});

/** Waits until nothing is asked of the planner any more. */
async function settled(page: Page): Promise<void> {
  await page.locator('.results[aria-busy=false] dl.headline').waitFor();
}

async function choose(page: Page, file: string): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(file);
  await page.getByText(`Planned for ${path.basename(file)}`).waitFor();
  await settled(page);
}

/** Drops a file onto the middle of the page. */
async function drop(page: Page, name: string, text: string): Promise<void> {
  const data = await page.evaluateHandle(
    ([file, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([content as string], file as string));
      return transfer;
    },
    [name, text],
  );
  await page.dispatchEvent('main', 'drop', { dataTransfer: data });
}

/** What a button saves: the path of the file. */
async function saved(page: Page, button: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).click(),
  ]);
  return await download.path();
}

/** The document that the page saves is that of the command line, and what it shows is of the document. */
async function expectNumbers(page: Page, args: readonly string[]): Promise<void> {
  const { stdout, stderr, status } = cli(['plan', ...args, '--json'], '');
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const { generated: _, trace: __, engine: ___, ...document } = JSON.parse(stdout);
  const file = await saved(page, 'Save all numbers as JSON');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(document);
  const shown = async (name: string): Promise<number> =>
    Number(await page.getByTestId(name).locator('data').getAttribute('value'));
  expect(await shown('padding')).toBe(document.paddingRatio);
  expect(await shown('padding of all ranks')).toBe(document.paddingRatioAll);
  expect(await shown('eager')).toBe(document.eagerSteps);
  expect(await shown('memory')).toBe(document.graphBytes);
  expect(await shown('start-up')).toBe(document.captureSeconds);
  // In words it says them as the command line does.
  const said = async (name: string): Promise<string> =>
    (await page.getByTestId(name).locator('data').textContent()) ?? '';
  expect(cli(['plan', ...args], '').stdout).toContain(`${await said('memory')}, ${await said('start-up')}, by `);
  expect(await said('padding')).toBe(percentOf(document.paddingRatio));
  if (document.costKnown) expect(await shown('time lost')).toBe(document.timeRatio);
  expect(await page.getByTestId('ladder').textContent()).toBe(document.ladders.decode.join(' '));
  for (const [engine, flags] of Object.entries(document.emit)) {
    expect(
      await page
        .locator('.flags', { has: page.getByRole('heading', { name: engine, exact: true }) })
        .locator('code')
        .textContent(),
    ).toBe(flags);
  }
}
