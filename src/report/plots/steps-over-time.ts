import type { TimelineDocument } from '../../counts/index.js';
import { grouped, percentOf } from '../../text.js';
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
import { binNote, type DrawnBin, drawnBins, type StepRange, sumOf } from './step-bins.js';
import { rangeOf } from './words.js';

/** One kind of decision: its name, its colour, and how many there were in each bin. */
export interface KindSeries {
  readonly kind: string;
  readonly colour: string;
  readonly counts: readonly number[];
}

/** Decisions by kind over the course of a run. */
export interface StepsOverTimeData {
  readonly bins: readonly DrawnBin[];
  readonly kinds: readonly KindSeries[];
  /** Steps with an idle rank, by bin. */
  readonly idle: readonly number[];
  readonly decisions: number;
  readonly range: StepRange;
}

/** Most columns of a drawing. */
const MOST_COLUMNS = 160;
const ORDER = ['graph', 'piecewise', 'ubatched', 'twin'];
const OF_GRAPHS: Readonly<Record<string, string>> = {
  graph: COLOURS.graph,
  piecewise: COLOURS.piecewise,
  ubatched: COLOURS.ubatched,
  twin: COLOURS.twin,
};

/** The kinds in a range of a timeline, in columns: graphs first, then eager by frequency, then decisions that no step followed. */
export function stepsOverTimeData(timeline: TimelineDocument, range?: StepRange): StepsOverTimeData {
  const bins = drawnBins(timeline, MOST_COLUMNS, range);
  const total = (kind: string): number => timeline.kinds[kind].reduce((sum, count) => sum + count, 0);
  const group = (kind: string): number =>
    ORDER.includes(kind) ? ORDER.indexOf(kind) : kind.startsWith('eager') ? 10 : 20;
  // The order is that of the whole run, so that a kind keeps its colour when a part is looked at.
  const names = Object.keys(timeline.kinds).sort(
    (one, other) => group(one) - group(other) || total(other) - total(one),
  );
  const eager = names.filter((name) => name.startsWith('eager'));
  const kinds = names.map((kind): KindSeries => {
    const place = Math.min(eager.indexOf(kind), COLOURS.eager.length - 1);
    const colour = OF_GRAPHS[kind] ?? (place >= 0 ? COLOURS.eager[place] : COLOURS.idle);
    return { kind, colour, counts: bins.map((bin) => sumOf(timeline.kinds[kind], bin)) };
  });
  return {
    bins,
    kinds,
    idle: bins.map((bin) => sumOf(timeline.idle, bin)),
    decisions: timeline.decisions,
    range: { from: bins[0]?.from ?? 0, to: bins.at(-1)?.to ?? 0 },
  };
}

/** Sums of the range, then its columns. */
export function stepsOverTimeTable({ bins, kinds, idle }: StepsOverTimeData): PlotTable {
  const sum = (counts: readonly number[]): string => grouped(counts.reduce((total, count) => total + count, 0));
  const note = binNote(bins);
  return {
    columns: ['decisions', ...kinds.map(({ kind }) => kind), 'with an idle rank'],
    rows: [
      ['all', ...kinds.map(({ counts }) => sum(counts)), sum(idle)],
      ...bins.map(({ from, to }, bin) => [
        rangeOf(from, to - 1),
        ...kinds.map(({ counts }) => grouped(counts[bin])),
        grouped(idle[bin]),
      ]),
    ],
    ...(note === '' ? {} : { note }),
  };
}

/** What the colours stand for. */
export function stepsOverTimeLegend({ kinds }: StepsOverTimeData): LegendEntry[] {
  return [
    ...kinds.map(({ kind, colour }) => ({ mark: colour, label: kind })),
    { mark: 'currentColor', label: 'steps with an idle rank (line)' },
  ];
}

/** Columns of decisions by kind, as shares, and a line of the share in which a rank was idle. */
export function stepsOverTimePlot(data: StepsOverTimeData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const { bins, kinds, idle, range } = data;
  const columns = bins.map((bin, index) => {
    const all = kinds.reduce((sum, { counts }) => sum + counts[index], 0);
    return { ...bin, all, idle: all === 0 ? 0 : (100 * idle[index]) / all };
  });
  const parts = columns.flatMap(({ from, to, all }, bin) => {
    let below = 0;
    return kinds.flatMap(({ kind, counts }) => {
      if (counts[bin] === 0) return [];
      const low = below;
      below += (100 * counts[bin]) / all;
      return [{ from, to, low, high: below, kind, count: counts[bin] }];
    });
  });
  type Part = (typeof parts)[number];
  const line = columns.flatMap(({ from, to, idle: share }) => [
    { x: from, y: share },
    { x: to, y: share },
  ]);
  const svg = Plot.plot({
    ...frame(context, 260),
    marginLeft: 50,
    marginRight: 32,
    marginBottom: 40,
    marginTop: 24,
    x: {
      domain: [range.from, range.to],
      label: 'decisions →',
      ticks: width < NARROW ? 3 : 8,
      tickFormat: (value: number) => grouped(value),
    },
    y: { domain: [0, 100], label: '↑ share (%)', ticks: 5 },
    marks: [
      // A mark for each kind, so that its colour is said once.
      ...kinds.map(({ kind: own, colour }) =>
        Plot.rect(
          parts.filter(({ kind }) => kind === own),
          {
            x1: 'from',
            x2: 'to',
            y1: 'low',
            y2: 'high',
            fill: colour,
            shapeRendering: 'crispEdges',
            title: ({ from, to, kind, count }: Part) => `${rangeOf(from, to - 1)}: ${grouped(count)} ${kind}`,
          },
        ),
      ),
      Plot.line(line, { x: 'x', y: 'y', stroke: COLOURS.paper, strokeWidth: 3.5 }),
      Plot.line(line, { x: 'x', y: 'y', stroke: 'currentColor', strokeWidth: 1.5 }),
      Plot.ruleY([0]),
    ],
  } as never);
  const all = columns.reduce((sum, column) => sum + column.all, 0);
  const told = kinds.map(({ kind, counts }) => {
    const count = counts.reduce((sum, one) => sum + one, 0);
    return `${kind} ${grouped(count)} (${percentOf(all === 0 ? 0 : count / all)})`;
  });
  return described(
    context,
    svg,
    'Steps over time',
    `Decisions ${grouped(range.from)} to ${grouped(Math.max(range.to - 1, range.from))} by kind: ${told.join(', ')}. ${binNote(bins)}`,
  );
}
