import type { BenchResult } from '../../bench/index.js';
import { shortNumber } from '../../text.js';
import { COLOURS } from './colours.js';
import {
  described,
  frame,
  type LegendEntry,
  NARROW,
  type PlotContext,
  type PlotTable,
  type SvgElement,
} from './context.js';
import { wrapped } from './words.js';

/** The rows of a bench. Times in ns. */
export interface BenchRowsData {
  readonly rows: readonly BenchResult[];
}

/** The rows of a bench's JSON document. */
export function benchRowsData({ cases }: { readonly cases: readonly BenchResult[] }): BenchRowsData {
  return { rows: cases };
}

/** Every row with its limit and its peer. */
export function benchRowsTable({ rows }: BenchRowsData): PlotTable {
  return {
    columns: ['row', 'ns', 'limit ns', 'ratio', 'numpy ns', 'numpy / ours'],
    rows: rows.map(({ name, ns, limitNs, ratio, peerNs, peerRatio }) => [
      name,
      shortNumber(ns),
      shortNumber(limitNs),
      shortNumber(ratio),
      peerNs === null ? '' : shortNumber(peerNs),
      peerRatio === null ? '' : shortNumber(peerRatio),
    ]),
  };
}

/** What the marks stand for. */
export function benchRowsLegend({ rows }: BenchRowsData): LegendEntry[] {
  return [
    { mark: COLOURS.ours, label: 'ours (circle)' },
    { mark: COLOURS.other, label: "the machine's limit (line)" },
    ...(rows.some(({ peerNs }) => peerNs !== null) ? [{ mark: COLOURS.loss, label: 'numpy (diamond)' }] : []),
  ];
}

/** A row's name on as many lines as it needs, broken after hyphens too. */
function broken(name: string, letters: number): string {
  return wrapped(name.replaceAll('-', '- '), letters)
    .map((line) => line.replaceAll('- ', '-'))
    .join('\n');
}

/** A power of ten of nanoseconds. */
function timeOf(ns: number): string {
  const [value, unit] =
    ns < 1e3 ? [ns, 'ns'] : ns < 1e6 ? [ns / 1e3, 'µs'] : ns < 1e9 ? [ns / 1e6, 'ms'] : [ns / 1e9, 's'];
  return `${value} ${unit}`;
}

/** A line for each row: limit, ours and numpy on one logarithmic scale of time. */
export function benchRowsPlot({ rows }: BenchRowsData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const narrow = width < NARROW;
  const times = rows
    .flatMap(({ ns, limitNs, peerNs }) => [ns, limitNs, ...(peerNs === null ? [] : [peerNs])])
    .filter((ns) => ns > 0);
  const most = Math.max(10, ...times);
  const powers = Array.from({ length: Math.floor(Math.log10(most * 1.5)) + 1 }, (_, power) => 10 ** power);
  const svg = Plot.plot({
    ...frame(context, rows.length * (narrow ? 36 : 24) + 70),
    marginLeft: narrow ? 130 : 260,
    marginRight: 24,
    marginBottom: 40,
    x: {
      type: 'log',
      domain: [Math.min(1, ...times) / 1.5, most * 1.5],
      grid: true,
      label: 'time →',
      ticks: powers.filter((_, power) => !narrow || power % 3 === 0),
      tickFormat: timeOf,
    },
    y: {
      domain: rows.map(({ name }) => name),
      label: null,
      tickFormat: (name: string) => broken(name, narrow ? 18 : 42),
      tickSize: 0,
    },
    marks: [
      Plot.link(rows, { x1: 'limitNs', x2: 'ns', y1: 'name', y2: 'name', stroke: COLOURS.faint, strokeWidth: 2 }),
      Plot.tickX(rows, { x: 'limitNs', y: 'name', stroke: COLOURS.other, strokeWidth: 2, inset: narrow ? 9 : 4 }),
      Plot.dot(
        rows.filter(({ peerNs }) => peerNs !== null),
        { x: 'peerNs', y: 'name', symbol: 'diamond', fill: COLOURS.loss, r: 5 },
      ),
      Plot.dot(rows, {
        x: 'ns',
        y: 'name',
        fill: COLOURS.ours,
        r: 5,
        title: ({ name, ns, limitNs }: BenchResult) =>
          `${name}: ${shortNumber(ns)} ns, limit ${shortNumber(limitNs)} ns`,
      }),
    ],
  } as never);
  const far = rows.reduce((most, row) => (row.ratio > most.ratio ? row : most), rows[0]);
  return described(
    context,
    svg,
    'Time of each row',
    `${rows.length} rows beside their limits.${far === undefined ? '' : ` Farthest from its limit is ${far.name}: ${shortNumber(far.ratio)} times.`}`,
  );
}
