import type { TimelineDocument } from '../../counts/index.js';
import { grouped, percentOf, shortNumber } from '../../text.js';
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

/** One rank's tokens in the graph steps of each column: real ones, and what they were padded with, and for whom. */
export interface RankSeries {
  readonly rank: number;
  readonly real: readonly number[];
  readonly toLargest: readonly number[];
  readonly toGraph: readonly number[];
  /** Steps of each column whose size this rank decided. */
  readonly decides: readonly number[];
}

/** Who padded whom. */
export interface RanksOverTimeData {
  readonly bins: readonly DrawnBin[];
  readonly ranks: readonly RankSeries[];
  /** Padding of each rank in tokens, by the rank that had the most tokens; the last is what the graph's size adds. */
  readonly paddedBy: readonly (readonly number[])[];
  /** Real tokens of each rank in all graph steps. */
  readonly real: readonly number[];
  readonly range: StepRange;
}

/** Columns of all strips together, and of one. */
const ALL_COLUMNS = 480;
const MOST_COLUMNS = 120;
const LEAST_COLUMNS = 8;
/** Strips that say their numbers where a pointer rests. */
const TOLD_RANKS = 4;
/** Ranks that have a column of their own in the table; the others are put together. */
const NAMED_RANKS = 8;

/** Ranks in a range of a timeline; the table of who padded whom is of the whole run. */
export function ranksOverTimeData(timeline: TimelineDocument, range?: StepRange): RanksOverTimeData {
  const columns = Math.max(LEAST_COLUMNS, Math.min(MOST_COLUMNS, Math.floor(ALL_COLUMNS / timeline.ranks)));
  const bins = drawnBins(timeline, columns, range);
  const sums = (series: readonly number[]): number[] => bins.map((bin) => sumOf(series, bin));
  return {
    bins,
    ranks: timeline.byRank.map((of, rank) => ({
      rank,
      real: sums(of.graphTokens),
      toLargest: sums(of.toLargest),
      toGraph: sums(of.toGraph),
      decides: sums(of.largest),
    })),
    paddedBy: timeline.paddedBy,
    real: timeline.byRank.map(({ graphTokens }) => graphTokens.reduce((sum, count) => sum + count, 0)),
    range: { from: bins[0]?.from ?? 0, to: bins.at(-1)?.to ?? 0 },
  };
}

/** Who padded whom in all graph steps: a row for each rank that was padded. */
export function ranksOverTimeTable({ paddedBy, real }: RanksOverTimeData): PlotTable {
  const ranks = paddedBy.length;
  const named = ranks > NAMED_RANKS ? NAMED_RANKS - 1 : ranks;
  const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);
  return {
    columns: [
      'padded',
      'real tokens',
      ...Array.from({ length: named }, (_, by) => `for rank ${by}`),
      ...(named < ranks ? [`for ranks ${named} to ${ranks - 1}`] : []),
      'for the size of the graph',
      'padding',
    ],
    rows: [
      ...paddedBy.map((row, rank) => line(`rank ${rank}`, real[rank], row)),
      line(
        'all ranks',
        sum(real),
        Array.from({ length: ranks + 1 }, (_, by) => sum(paddedBy.map((row) => row[by]))),
      ),
    ],
    note: 'Tokens, over all steps that ran as graphs: each rank is padded to the rank with the most tokens, and from there to the size of the graph.',
  };
  function line(name: string, tokens: number, row: readonly number[]): (string | number)[] {
    return [
      name,
      grouped(tokens),
      ...row.slice(0, named).map(grouped),
      ...(named < ranks ? [grouped(sum(row.slice(named, ranks)))] : []),
      grouped(row[ranks]),
      percentOf(tokens === 0 ? 0 : sum(row) / tokens),
    ];
  }
}

/** What the colours stand for. */
export function ranksOverTimeLegend(): LegendEntry[] {
  return [
    { mark: COLOURS.real, label: 'real tokens' },
    { mark: COLOURS.loss, label: 'padded to the rank with the most' },
    { mark: COLOURS.lossBySize, label: 'padded to the size of the graph' },
    { mark: 'currentColor', label: 'this rank, the first of several, had the most in most steps (bar below)' },
  ];
}

/** A strip for each rank: tokens of its graph steps over time, real and padded; a bar below where it decided the size. */
export function ranksOverTimePlot(data: RanksOverTimeData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const { bins, ranks, range } = data;
  const strip = ranks.length > 16 ? 28 : ranks.length > 4 ? 48 : 84;
  const totals = ranks.flatMap(({ real, toLargest, toGraph }) =>
    real.map((tokens, bin) => (tokens + toLargest[bin] + toGraph[bin]) / stepsOf(bins[bin])),
  );
  const top = Math.max(1, ...totals);
  const most = bins.map((_, bin) => Math.max(0, ...ranks.map(({ decides }) => decides[bin])));
  const parts = ranks.flatMap(({ rank, real, toLargest, toGraph }) =>
    bins.flatMap(({ from, to }, bin) => {
      let below = 0;
      const steps = stepsOf(bins[bin]);
      return (
        [
          [real, COLOURS.real],
          [toLargest, COLOURS.loss],
          [toGraph, COLOURS.lossBySize],
        ] as const
      ).flatMap(([series, colour]) => {
        if (series[bin] === 0) return [];
        const low = below;
        below += series[bin] / steps;
        return [{ rank: `rank ${rank}`, from, to, low, high: below, colour, tokens: series[bin] }];
      });
    }),
  );
  type Part = (typeof parts)[number];
  const decides = ranks.flatMap(({ rank, decides: own }) =>
    bins.flatMap(({ from, to }, bin) =>
      own[bin] > 0 && own[bin] === most[bin] ? [{ rank: `rank ${rank}`, from, to }] : [],
    ),
  );
  const told = ({ rank, from, to, tokens }: Part): string =>
    `${rank}, ${rangeOf(from, to - 1)}: ${grouped(tokens)} tokens`;
  const svg = Plot.plot({
    ...frame(context, strip * ranks.length + 74),
    marginLeft: 50,
    marginRight: 64,
    marginBottom: 40,
    marginTop: 24,
    x: {
      domain: [range.from, range.to],
      label: 'decisions →',
      ticks: width < NARROW ? 3 : 8,
      tickFormat: (value: number) => grouped(value),
    },
    y: {
      domain: [-0.12 * top, top],
      label: '↑ tokens a step',
      ticks: [0, top],
      tickFormat: (value: number) => shortNumber(value),
    },
    fy: { label: null, padding: 0.12, domain: ranks.map(({ rank }) => `rank ${rank}`) },
    marks: [
      // A mark for each colour, so that it is said once.
      ...[COLOURS.real, COLOURS.loss, COLOURS.lossBySize].map((fill) =>
        Plot.rect(
          parts.filter(({ colour }) => colour === fill),
          {
            fy: 'rank',
            x1: 'from',
            x2: 'to',
            y1: 'low',
            y2: 'high',
            fill,
            shapeRendering: 'crispEdges',
            ...(ranks.length > TOLD_RANKS ? {} : { title: told }),
          },
        ),
      ),
      Plot.rect(decides, {
        fy: 'rank',
        x1: 'from',
        x2: 'to',
        y1: -0.11 * top,
        y2: -0.03 * top,
        fill: 'currentColor',
        shapeRendering: 'crispEdges',
      }),
      Plot.ruleY([0]),
    ],
  } as never);
  const sums = ranks.map(({ rank, real, toLargest, toGraph }) => {
    const [tokens, padding] = [real, [...toLargest, ...toGraph]].map((list) =>
      list.reduce((sum, value) => sum + value, 0),
    );
    return `rank ${rank} ${grouped(tokens)} real tokens and ${grouped(padding)} of padding`;
  });
  const short =
    sums.length > NAMED_RANKS ? [...sums.slice(0, NAMED_RANKS), `and ${sums.length - NAMED_RANKS} more`] : sums;
  return described(context, svg, 'Ranks over time', `Graph steps: ${short.join(', ')}. ${binNote(bins)}`);
}

function stepsOf({ from, to }: DrawnBin): number {
  return to - from;
}
