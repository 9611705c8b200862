import { type Drawing, loadDrawing } from './drawing.js';
import { PAGE_CSS } from './page-style.js';
import { type Figure, kindOf, type LegendEntry, type PlotTable } from './plots/index.js';
import type { ReportPage } from './report-page.js';

/** Widths of the two drawings of a figure: one for paper and screens, one for phones. CSS pixels. */
const WIDTHS = { wide: 860, narrow: 350 } as const;
/** Most rows of a table in a page. */
const MOST_ROWS = 400;
/** A table of more rows scrolls in a place of its own. */
const TALL_ROWS = 15;
/** Most members of a list or a record of the command's document in a page. */
const MOST_MEMBERS = 1000;

/**
 * The page as one HTML document that refers to nothing outside itself. It is complete without its script, which lets figures be
 * zoomed.
 */
export async function reportHtml(page: ReportPage): Promise<string> {
  const drawing = await loadDrawing();
  const sources = new Map<unknown, string>();
  const figures = page.figures.map((figure, index) => figureHtml(figure, index, drawing, sources));
  const zooms = page.figures.some(({ kind }) => kindOf(kind).zooms);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(`${page.title}: ${page.lead}`)}</title>
<style>${PAGE_CSS}</style>
</head>
<body>
<header>
<h1>${escaped(page.title)}</h1>
<p class="lead">${escaped(page.lead)}</p>
</header>
<main>
${factsHtml(page)}
${figures.join('\n')}
${page.tables.map(({ title, text, table }, index) => tableSection(title, text, table, `more-${index}`)).join('\n')}
<section aria-labelledby="text">
<h2 id="text">As text</h2>
<details>
<summary>What the command prints</summary>
<pre tabindex="0" role="region" aria-label="What the command prints">${escaped(page.text.trimEnd())}</pre>
</details>
</section>
</main>
<footer><p>The numbers of this page are in it as JSON: the whole document as <code>report</code>, and what each figure is drawn from. It loads nothing, and sends nothing.</p></footer>
${[...sources].map(([source, id]) => jsonHtml(id, source)).join('\n')}
${jsonHtml('report', trimmed(page.json))}
${zooms ? `<script>${drawing.script}</script>` : ''}
</body>
</html>
`;
}

function factsHtml({ facts }: ReportPage): string {
  const items = facts.map(({ name, value, beside }) => {
    const small = beside === undefined ? '' : `<small>${escaped(beside)}</small>`;
    return `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}${small}</dd></div>`;
  });
  return `<dl class="facts">\n${items.join('\n')}\n</dl>`;
}

/** A figure with its legend, two drawings and its table. Figures of the same source share its data. */
function figureHtml(figure: Figure, index: number, drawing: Drawing, sources: Map<unknown, string>): string {
  const { kind, title, text, source } = figure;
  const { data, plot, table, legend, zooms } = kindOf(kind);
  const id = `figure-${index}`;
  const known = sources.get(source) ?? `data-${index}`;
  sources.set(source, known);
  const shown = data(source);
  const lanes = kind === 'sequence';
  const drawings = Object.entries(WIDTHS).map(([name, width]) => {
    const svg = plot(shown, { Plot: drawing.Plot, document: drawing.document, width });
    return `<div class="${name}">${compact(svg.outerHTML, name === 'narrow')}</div>`;
  });
  return `<section aria-labelledby="${id}">
<h2 id="${id}">${escaped(title)}</h2>
<p>${escaped(text)}</p>
<figure${zooms ? ` data-zoom="${kind}"` : ''} data-source="${known}">
${legendHtml(legend(shown))}
<div class="drawing${lanes ? ` lanes" tabindex="0" role="region" aria-label="${escaped(`Diagram: ${title}`)}` : ''}">${drawings.join('\n')}</div>
${zooms ? zoomHtml(title) : ''}
${tableHtml(title, table(shown))}
</figure>
</section>`;
}

function legendHtml(entries: readonly LegendEntry[]): string {
  if (entries.length === 0) return '';
  const items = entries.map(
    ({ mark, label }) =>
      `<li><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" rx="2" fill="${mark}"/></svg>${escaped(label)}</li>`,
  );
  return `<ul class="plot-legend">${items.join('')}</ul>`;
}

/** Buttons that a script makes work, and shows. */
function zoomHtml(title: string): string {
  const buttons = { in: 'Zoom in', out: 'Zoom out', earlier: 'Earlier', later: 'Later', all: 'All' };
  const items = Object.entries(buttons).map(
    ([value, name]) => `<button type="button" value="${value}">${name}</button>`,
  );
  return `<div class="zoom" role="group" aria-label="${escaped(`Part of ${title.toLowerCase()}`)}" hidden>${items.join('')}</div>
<p class="said" role="status"></p>`;
}

function tableSection(title: string, text: string, table: PlotTable, id: string): string {
  return `<section aria-labelledby="${id}">
<h2 id="${id}">${escaped(title)}</h2>
<p>${escaped(text)}</p>
${gridHtml(title, table)}
</section>`;
}

function tableHtml(title: string, table: PlotTable): string {
  return `<details>
<summary>Numbers of ${escaped(title.charAt(0).toLowerCase() + title.slice(1))}</summary>
${gridHtml(title, table)}
</details>`;
}

function gridHtml(title: string, { columns, rows, note }: PlotTable): string {
  const left = rows.length - MOST_ROWS;
  const said = [
    ...(note === undefined ? [] : [note]),
    ...(left > 0 ? [`The first ${MOST_ROWS} of ${rows.length} rows; all are in the data of this page.`] : []),
  ];
  const words = rows.some((row) => row.slice(1).some((value) => /[a-z]{4,} [a-z]/i.test(`${value}`)));
  const body = rows.slice(0, MOST_ROWS).map((row) => {
    const [first = '', ...others] = row.map((value) => escaped(`${value}`));
    return `<tr><th scope="row">${first}</th>${others.map((value) => `<td>${value}</td>`).join('')}</tr>`;
  });
  const head = columns.map((name) => `<th scope="col">${escaped(name)}</th>`);
  return `<div class="scroll${rows.length > TALL_ROWS ? ' tall' : ''}" tabindex="0" role="region" aria-label="${escaped(`Table: ${title}`)}">
<table${words ? ' class="words"' : ''}>
<caption>${escaped([title, ...said].join('. '))}</caption>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table>
</div>`;
}

/** Attributes that say where something is drawn: what is written there no eye reads. */
const COORDINATES = / (?:d|x|y|[xy][12]|c[xy]|d[xy]|r[xy]?|width|height|points|transform|stroke-width)="[^"]*"/g;

/** An SVG without the digits that no eye sees, and without what HTML knows; `bare` leaves out what a pointer at rest would show. */
function compact(svg: string, bare: boolean): string {
  const short = svg
    .replace(COORDINATES, (attribute) => attribute.replace(/(\d\.\d\d)\d+/g, '$1'))
    .replace(/ xmlns(?::\w+)?="[^"]*"/g, '');
  return bare ? short.replace(/<title>[^<]*<\/title>/g, '') : short;
}

function jsonHtml(id: string, value: unknown): string {
  return `<script type="application/json" id="${id}">${JSON.stringify(value).replaceAll('<', '\\u003c')}</script>`;
}

/** A value in which lists and records that are too long for a page say how long they are. */
function trimmed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.length > MOST_MEMBERS ? { omitted: value.length } : value.map(trimmed);
  const entries = Object.entries(value);
  if (entries.length > MOST_MEMBERS) return { omitted: entries.length };
  return Object.fromEntries(entries.map(([key, member]) => [key, trimmed(member)]));
}

/** Text as HTML. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
