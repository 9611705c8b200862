import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { StepTimeline } from '../../../dist/counts/index.js';
import {
  FIGURES,
  type Figure,
  type ReportPage,
  reportHtml,
  sequenceData,
  simulatePage,
  stepSizesData,
} from '../../../dist/report/index.js';
import { completeSimulateOptions, simulate } from '../../../dist/simulation/index.js';
import { generateWorkload } from '../../../dist/workload/index.js';

const PAGE: ReportPage = {
  title: 'lockstep <test>',
  lead: 'What & why.',
  facts: [{ name: 'Steps', value: '1,234', beside: 'of "all"' }],
  figures: [],
  tables: [{ title: 'Words', text: 'Some.', table: { columns: ['a', 'b'], rows: [['<b>', 1]] } }],
  text: 'printed </script> text',
  json: { inside: '</script><script>alert(1)</script>' },
};

const sizes: Figure = {
  kind: 'step-sizes',
  title: 'Sizes',
  text: 'Of steps.',
  source: stepSizesData([[4, 10]], [{ name: 'ours', sizes: [4] }], 'decodes'),
};

/** What a browser might fetch: addresses in attributes and in styles. Names of namespaces are in scripts alone. */
function references(html: string): string[] {
  const { document } = parseHTML(html);
  const attributes = [...document.querySelectorAll('*')].flatMap((element) =>
    [...element.attributes].filter(
      ({ name, value }) => /^(src|href|srcset|data|action|xlink:href)$/.test(name) || /url\(|\/\//.test(value),
    ),
  );
  const styles = [...document.querySelectorAll('style')]
    .map(({ textContent }) => textContent)
    .filter((text) => /url\(|@import|\/\//.test(text));
  return [...attributes.map(({ name, value }) => `${name}=${value}`), ...styles];
}

async function simulated(
  ranks: number,
  requests: number,
  maxNumSeqs: number,
): Promise<ReportPage & { readonly steps: number }> {
  const options = { ranks, ladder: 'vllm', limits: { maxNumSeqs }, policy: { ubatches: 2, ubatchThresholdDecode: 4 } };
  const timeline = new StepTimeline(ranks);
  const summary = await simulate(generateWorkload({ requests, seed: 1 }), options, {
    onSpan: (span) => timeline.add(span),
  });
  const { plan } = completeSimulateOptions(options);
  const page = simulatePage(summary, { of: 'much', plan, timeline: timeline.document(), text: 'text', json: summary });
  return { ...page, steps: summary.steps };
}

describe('a page', () => {
  it('says what it was given, and takes none of it for HTML', async () => {
    const { document } = parseHTML(await reportHtml({ ...PAGE, figures: [sizes] }));
    expect(document.querySelector('h1')?.textContent).toBe('lockstep <test>');
    expect(document.querySelector('.facts dd')?.textContent).toBe('1,234of "all"');
    expect(document.querySelector('tbody th[scope=row]')?.textContent).toBe('4');
    expect(document.querySelector('pre')?.textContent).toBe('printed </script> text');
    expect(
      [...document.querySelectorAll('script')].every((script) => script.getAttribute('type') === 'application/json'),
    ).toBe(true);
    expect(JSON.parse(document.getElementById('report')?.textContent ?? '')).toEqual(PAGE.json);
  });

  it('refers to nothing outside itself', async () => {
    const html = await reportHtml(await simulated(2, 100, 8));
    expect(references(html)).toEqual([]);
    expect(html.match(/https?:\/\/(?!www\.w3\.org\/)[^"'\s]*/g)).toBeNull();
    const markup = html.replace(/<script[\s\S]*?<\/script>/g, '');
    expect(markup.replaceAll('http-equiv', '')).not.toMatch(/http/i);
    expect(markup).toContain("default-src 'none'");
    // The check sees what it is for.
    expect(references(`${html}<img src="//elsewhere/a.png"><style>a{background:url(x)}</style>`)).toHaveLength(2);
  });

  it('has its drawings, each twice, its tables and its data without a script', async () => {
    const page = await simulated(2, 100, 8);
    const { document } = parseHTML((await reportHtml(page)).replace(/<script>[\s\S]*?<\/script>/g, ''));
    expect(document.querySelectorAll('figure')).toHaveLength(page.figures.length);
    for (const figure of document.querySelectorAll('figure')) {
      expect(figure.querySelectorAll('.wide > svg[role=img], .narrow > svg[role=img]')).toHaveLength(2);
      for (const svg of figure.querySelectorAll('.drawing svg')) {
        expect(svg.getAttribute('aria-label')?.length).toBeGreaterThan(20);
        expect(svg.querySelector('desc')?.textContent?.length).toBeGreaterThan(10);
      }
      expect(figure.querySelectorAll('table tbody tr').length).toBeGreaterThan(0);
      const data = JSON.parse(document.getElementById(figure.getAttribute('data-source') ?? '')?.textContent ?? 'null');
      expect(data).not.toBeNull();
      // A button that nothing makes work is not shown.
      for (const zoom of figure.querySelectorAll('.zoom')) expect(zoom.hasAttribute('hidden')).toBe(true);
    }
  });

  it('keeps the data that its figures are drawn from, once', async () => {
    const page = await simulated(2, 100, 8);
    const { document } = parseHTML(await reportHtml(page));
    const [steps, ranks] = page.figures;
    expect(steps.source).toBe(ranks.source);
    expect(document.querySelectorAll('script[type="application/json"]')).toHaveLength(1 + page.figures.length - 1);
    expect(JSON.parse(document.getElementById('data-0')?.textContent ?? '')).toEqual(steps.source);
  });

  it('has light and dark colours, a style for phones and one for paper', async () => {
    const html = await reportHtml({ ...PAGE, figures: [sizes] });
    for (const media of ['(prefers-color-scheme: dark)', 'print', '(max-width: 560px)'])
      expect(html).toContain(`@media ${media}`);
    // Every colour of the plots by a name, and each name with a value.
    const used = new Set([...html.matchAll(/var\((--[\w-]+)\)/g)].map(([, name]) => name));
    for (const name of used) expect(html, name).toContain(`${name}: #`);
    expect(used.size).toBeGreaterThan(8);
  });

  it('carries the script where it can be zoomed, and only there', async () => {
    const bundle = readFileSync(path.resolve(import.meta.dirname, '../../../dist/report/bundle.js'), 'utf8');
    const script = bundle.split('\n//# end of what goes into pages\n')[0];
    expect(bundle.length).toBeGreaterThan(script.length + 100_000);
    expect(script).not.toMatch(/<\/script/i);
    expect(await reportHtml(await simulated(1, 20, 4))).toContain(script);
    expect(await reportHtml({ ...PAGE, figures: [sizes] })).not.toContain('lockstepPage');
  });

  it('is one megabyte at most for a million steps, puts them together, and says so', async () => {
    const page = await simulated(2, 140_000, 16);
    expect(page.steps).toBeGreaterThan(900_000);
    const html = await reportHtml(page);
    expect(Buffer.byteLength(html)).toBeLessThan(1_000_000);
    expect(html).toMatch(/The page keeps its [\d,]+ decisions in bins of [\d,]+\./);
    expect(html).toMatch(/Steps are put together: each column is [\d,]+ of them/);
  });

  it('is one megabyte at most for many ranks', async () => {
    for (const ranks of [8, 64]) {
      const html = await reportHtml(await simulated(ranks, 3000, 8));
      expect(Buffer.byteLength(html), `${ranks} ranks`).toBeLessThan(1_000_000);
    }
  });
});

it('draws every kind of figure without data, and with one counterexample', async () => {
  const page = await simulated(1, 5, 1);
  const empty = new StepTimeline(1).document();
  const figures: Figure[] = [
    { kind: 'step-sizes', title: 'a', text: 'a', source: stepSizesData([], [], 'steps') },
    { kind: 'steps-over-time', title: 'b', text: 'b', source: empty },
    { kind: 'ranks-over-time', title: 'c', text: 'c', source: empty },
    { kind: 'capture-pool', title: 'd', text: 'd', source: { graphs: [] } },
    { kind: 'bench-rows', title: 'e', text: 'e', source: { rows: [] } },
    {
      kind: 'cost-staircase',
      title: 'f',
      text: 'f',
      source: { unit: 'ms', model: 'm', exact: [], stairs: [], eagerFrom: null },
    },
    { kind: 'graph-loss', title: 'g', text: 'g', source: { curve: [], points: [], timeKnown: true } },
    {
      kind: 'sequence',
      title: 'h',
      text: 'h',
      source: sequenceData({ property: 'P1', ranks: 1, trace: [{ phase: 'end', rank: null, text: 'x' }] }),
    },
  ];
  expect(figures.map(({ kind }) => kind).sort()).toEqual(Object.keys(FIGURES).sort());
  const html = await reportHtml({ ...page, figures });
  expect(html.replace(/<script[\s\S]*?<\/script>/g, '')).not.toMatch(/NaN|undefined|Infinity/);
});
