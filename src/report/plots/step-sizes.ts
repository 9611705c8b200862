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
import { rangeOf } from './words.js';

/** Captured sizes under a name. */
export interface NamedLadder {
  readonly name: string;
  /** Tokens, ascending. */
  readonly sizes: readonly number[];
}

/** Steps whose largest rank has between `from` and `to` tokens. */
export interface SizeBar {
  readonly from: number;
  readonly to: number;
  readonly steps: number;
}

/** The histogram of step sizes, with ladders. The first ladder is the one that the page is about. */
export interface StepSizesData {
  /** What was counted, as in "decodes". */
  readonly of: string;
  readonly steps: number;
  readonly bars: readonly SizeBar[];
  /** Whether sizes were put together, because there are too many for a bar each. */
  readonly binned: boolean;
  readonly ladders: readonly NamedLadder[];
}

/** Steps by size, as plans and timelines count them. */
export type SizeCounts = Iterable<readonly [tokens: number, steps: number]>;

/** Most bars of a histogram. */
const MOST_BARS = 256;
const LANE = 20;
/** Width of a bold letter, about. */
const LETTER = 7.5;
const HEIGHT = 240;

/** Counts of sizes as bars: one a size, or ranges of equal ratio where there would be too many. */
export function stepSizesData(counts: SizeCounts, ladders: readonly NamedLadder[], of: string): StepSizesData {
  const sizes = [...counts].filter(([, steps]) => steps > 0).sort((one, other) => one[0] - other[0]);
  const steps = sizes.reduce((sum, [, count]) => sum + count, 0);
  const most = sizes.at(-1)?.[0] ?? 1;
  if (most <= MOST_BARS) {
    const bars = sizes.map(([tokens, count]) => ({ from: tokens, to: tokens, steps: count }));
    return { of, steps, bars, binned: false, ladders };
  }
  const edges = [1];
  while ((edges.at(-1) as number) <= most) {
    const last = edges.at(-1) as number;
    edges.push(Math.max(last + 1, Math.round(last * most ** (2 / MOST_BARS))));
  }
  const bars: SizeBar[] = [];
  let at = 0;
  for (let bar = 0; bar + 1 < edges.length; bar++) {
    let count = 0;
    for (; at < sizes.length && sizes[at][0] < edges[bar + 1]; at++) count += sizes[at][1];
    if (count > 0) bars.push({ from: edges[bar], to: edges[bar + 1] - 1, steps: count });
  }
  return { of, steps, bars, binned: true, ladders };
}

/** Every bar, with the size that each ladder runs it on. */
export function stepSizesTable({ bars, ladders, steps, binned, of }: StepSizesData): PlotTable {
  return {
    columns: ['tokens', 'steps', 'share', ...ladders.map(({ name }) => `runs on (${name})`)],
    rows: bars.map((bar) => [
      rangeOf(bar.from, bar.to),
      grouped(bar.steps),
      percentOf(bar.steps / steps),
      ...ladders.map(({ sizes }) => {
        const size = sizes.find((one) => one >= bar.to);
        return size === undefined ? 'eager' : grouped(size);
      }),
    ]),
    ...(binned
      ? { note: `Sizes of ${of} are put together in ${bars.length} ranges, each run on the size of its largest.` }
      : {}),
  };
}

/** What the marks stand for. */
export function stepSizesLegend({ of, ladders }: StepSizesData): LegendEntry[] {
  return [
    { mark: COLOURS.bar, label: `${of} of a size` },
    ...(ladders.length > 0 ? [{ mark: COLOURS.ours, label: `sizes: ${ladders[0].name}` }] : []),
    ...(ladders.length > 1 ? [{ mark: COLOURS.other, label: 'sizes of others' }] : []),
  ];
}

/** Bars of steps by tokens; below them a line of ticks for each ladder, the first one also drawn over the bars. */
export function stepSizesPlot(data: StepSizesData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const { bars, ladders, of } = data;
  const most = bars.reduce((top, { steps }) => Math.max(top, steps), 1);
  const largest = Math.max(2, bars.at(-1)?.to ?? 1, ...ladders.map(({ sizes }) => sizes.at(-1) ?? 1));
  const narrow = width < NARROW;
  const unit = (most * LANE) / HEIGHT;
  const marks = [
    Plot.gridY({ ticks: ticksTo(most), stroke: COLOURS.faint, strokeOpacity: 1 }),
    Plot.rect(bars, {
      x1: ({ from }: SizeBar) => from - 0.5,
      x2: ({ to }: SizeBar) => to + 0.5,
      y1: 0,
      y2: 'steps',
      fill: COLOURS.bar,
      title: ({ from, to, steps }: SizeBar) => `${rangeOf(from, to)} tokens: ${grouped(steps)} steps`,
    }),
    ...ladders.flatMap(({ name, sizes }, lane) => {
      const colour = lane === 0 ? COLOURS.ours : COLOURS.other;
      const ticks = {
        x: (size: number) => size,
        stroke: colour,
        title: (size: number) => `${name}: ${grouped(size)} tokens`,
      };
      return [
        ...(lane === 0 ? [Plot.ruleX(sizes, { ...ticks, y1: 0, y2: most, strokeOpacity: 0.55 })] : []),
        Plot.ruleX(sizes, {
          ...ticks,
          y1: -(lane + 0.3) * unit,
          y2: -(lane + 1) * unit,
          strokeWidth: lane === 0 ? 2 : 1.5,
        }),
        Plot.text([name], {
          x: 0.5,
          y: -(lane + 0.65) * unit,
          dx: -6,
          text: (text: string) => text,
          textAnchor: 'end',
          fontWeight: lane === 0 ? 'bold' : 'normal',
        }),
      ];
    }),
    Plot.ruleY([0]),
    Plot.axisY({ ticks: ticksTo(most), tickFormat: shortCount, label: '↑ steps', labelAnchor: 'top' }),
    Plot.axisX({
      ticks: powersTo(largest, narrow ? 4 : 2),
      tickFormat: (size: number) => grouped(size),
      label: 'tokens of the largest rank →',
    }),
  ];
  const svg = Plot.plot({
    ...frame(context, HEIGHT + LANE * ladders.length + 60),
    marginLeft: Math.max(narrow ? 70 : 80, 16 + LETTER * Math.max(0, ...ladders.map(({ name }) => name.length))),
    marginBottom: 40,
    x: { type: 'log', base: 2, domain: [0.5, largest * 1.05] },
    y: { domain: [-unit * ladders.length, 1.05 * most] },
    marks,
  } as never);
  const peak = bars.reduce(
    (best, bar) => (bar.steps > best.steps ? bar : best),
    bars[0] ?? { from: 0, to: 0, steps: 0 },
  );
  return described(
    context,
    svg,
    'Step sizes',
    `${grouped(data.steps)} ${of} by the tokens of their largest rank, most of them (${grouped(peak.steps)}) with ${rangeOf(peak.from, peak.to)}; ${ladders
      .map(({ name, sizes }) => `${name} captures ${sizes.length} sizes`)
      .join(', ')}.`,
  );
}

/** Three or four round numbers up to the largest. */
function ticksTo(most: number): number[] {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
}

function shortCount(value: number): string {
  return value >= 10_000 ? `${Number((value / 1000).toPrecision(3))}k` : grouped(value);
}

function powersTo(most: number, base: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power <= most; power *= base) powers.push(power);
  return powers;
}
