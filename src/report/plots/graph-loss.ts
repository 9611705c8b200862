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
import { type Place, type PlacedLabel, placedLabels } from './labels.js';

/** So many graphs, and what is lost with them, as ratios of the real tokens and of their time. */
export interface LossPoint {
  readonly graphs: number;
  readonly paddingRatio: number;
  readonly timeRatio: number;
}

/** Graphs of one plan or engine. */
export interface NamedLoss extends LossPoint {
  readonly name: string;
  readonly eagerSteps: number;
  readonly ours: boolean;
}

/** Graphs against loss: the best ladder of each number of graphs, and where plans and engines are. */
export interface GraphLossData {
  readonly curve: readonly LossPoint[];
  readonly points: readonly NamedLoss[];
  /** Whether times are known; if not, a size costs its tokens and there is one loss. */
  readonly timeKnown: boolean;
}

/** What of a plan's JSON document this plot shows. */
export interface PlanLosses extends LossPoint {
  readonly eagerSteps: number;
  readonly costKnown: boolean;
  readonly objective: string;
  readonly curve: readonly LossPoint[];
  readonly engines: readonly (LossPoint & { readonly engine: string; readonly eagerSteps: number })[];
  readonly seen: LossPoint & { readonly eagerSteps: number; readonly objective: string };
  readonly robust: LossPoint & { readonly eagerSteps: number; readonly objective: string };
  readonly asRan: (LossPoint & { readonly eagerSteps: number }) | null;
}

type Loss = 'paddingRatio' | 'timeRatio';

/** Losses below this are drawn at it: a logarithm has no zero. */
const LEAST = 1e-4;
const HEIGHT = 300;
const MARGIN = { left: 60, right: 20, top: 36, bottom: 40 };
/** Share of a panel's place that stays empty between it and the next, beside it or below it. */
const PADDING = { fx: 0.1, fy: 0.2 };

/** The curve and the points of a plan. */
export function graphLossData(plan: PlanLosses): GraphLossData {
  const { graphs, paddingRatio, timeRatio, eagerSteps, engines, asRan, curve, costKnown } = plan;
  const other = plan.objective === 'robust' ? plan.seen : plan.robust;
  const pick = (of: LossPoint & { readonly eagerSteps: number }): Omit<NamedLoss, 'name' | 'ours'> => ({
    graphs: of.graphs,
    paddingRatio: of.paddingRatio,
    timeRatio: of.timeRatio,
    eagerSteps: of.eagerSteps,
  });
  return {
    timeKnown: costKnown,
    curve: curve.map((point) => ({
      graphs: point.graphs,
      paddingRatio: point.paddingRatio,
      timeRatio: point.timeRatio,
    })),
    points: [
      { name: 'this plan', graphs, paddingRatio, timeRatio, eagerSteps, ours: true },
      { name: other.objective === 'seen' ? 'best for these steps' : 'robust plan', ...pick(other), ours: true },
      ...engines.map((score) => ({ name: score.engine, ...pick(score), ours: false })),
      ...(asRan === null ? [] : [{ name: 'as it ran', ...pick(asRan), ours: false }]),
    ],
  };
}

/** The points, then the curve where it still falls. */
export function graphLossTable({ curve, points, timeKnown }: GraphLossData): PlotTable {
  const row = (name: string, { graphs, paddingRatio, timeRatio }: LossPoint, eager: string): (string | number)[] => [
    name,
    grouped(graphs),
    percentOf(paddingRatio),
    ...(timeKnown ? [percentOf(timeRatio)] : []),
    eager,
  ];
  const shown = curve.filter(({ graphs }) => graphs <= mostGraphs(points));
  return {
    columns: ['graphs of', 'graphs', 'padding', ...(timeKnown ? ['time lost'] : []), 'eager steps'],
    rows: [
      ...points.map((point) => row(point.name, point, grouped(point.eagerSteps))),
      ...shown.map((point) => row('best of so many', point, '')),
    ],
    ...(shown.length < curve.length
      ? { note: `The curve goes on to ${curve.at(-1)?.graphs} graphs; shown is what the plot shows.` }
      : {}),
  };
}

/** What the marks stand for. */
export function graphLossLegend(): LegendEntry[] {
  return [
    { mark: COLOURS.ours, label: 'best ladder of each number of graphs, and our plans' },
    { mark: COLOURS.other, label: "engines' defaults" },
  ];
}

/** Loss in percent, on a logarithmic scale, by number of graphs: padding, and beside it time where it is known. */
export function graphLossPlot(data: GraphLossData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const { curve, points, timeKnown } = data;
  const narrow = width < NARROW;
  const losses: Loss[] = timeKnown ? ['paddingRatio', 'timeRatio'] : ['paddingRatio'];
  const titles = { paddingRatio: 'padding of real tokens', timeRatio: 'time lost' };
  const most = mostGraphs(points);
  const shown = curve.filter(({ graphs }) => graphs <= most);
  const at = (ratio: number): number => Math.max(LEAST, ratio) * 100;
  const own = losses.flatMap((loss) => points.map((point) => at(point[loss])));
  const top = Math.max(1, 3 * Math.max(...own));
  const bottom = Math.min(1, Math.min(...own) / 3);
  const panels = timeKnown ? (narrow ? 'fy' : 'fx') : null;
  const height = timeKnown && narrow ? 2 * HEIGHT : HEIGHT;
  const panelWidth = panelOf(width - MARGIN.left - MARGIN.right, panels === 'fx' ? PADDING.fx : null);
  const inner = panelOf(height - MARGIN.top - MARGIN.bottom, panels === 'fy' ? PADDING.fy : null);
  const place = (point: LossPoint, loss: Loss): Place => [
    (point.graphs / most) * panelWidth,
    inner * (1 - Math.log(at(point[loss]) / bottom) / Math.log(top / bottom)),
  ];
  const of = (loss: Loss): Record<string, unknown> => (panels === null ? {} : { [panels]: () => titles[loss] });
  const labels = (loss: Loss): (PlacedLabel & { readonly point: NamedLoss })[] => {
    const named = points.map((point) => ({ name: point.name, at: place(point, loss) }));
    const line = shown.map((point) => place(point, loss));
    const placed = placedLabels(named, line, { width: panelWidth, height: inner });
    return placed.map((label, index) => ({ ...label, point: points[index] }));
  };
  const marks = losses.flatMap((loss) => [
    Plot.line(shown, {
      x: 'graphs',
      y: (point: LossPoint) => at(point[loss]),
      stroke: COLOURS.ours,
      strokeWidth: 2,
      clip: true,
      ...of(loss),
    }),
    ...labels(loss)
      .filter(({ leads }) => leads)
      .map(({ point, dx, dy }) =>
        Plot.link([point], {
          x1: 'graphs',
          y1: () => at(point[loss]),
          x2: point.graphs + (dx / panelWidth) * most,
          y2: at(point[loss]) * (top / bottom) ** (-dy / inner),
          stroke: COLOURS.other,
          ...of(loss),
        }),
      ),
    Plot.dot(points, {
      x: 'graphs',
      y: (point: NamedLoss) => at(point[loss]),
      fill: (point: NamedLoss) => (point.ours ? COLOURS.ours : COLOURS.other),
      symbol: (point: NamedLoss) => (point.ours ? 'circle' : 'diamond'),
      stroke: COLOURS.paper,
      strokeWidth: 1,
      r: 6,
      title: (point: NamedLoss) => `${point.name}: ${point.graphs} graphs, ${percentOf(point[loss])}`,
      ...of(loss),
    }),
    ...labels(loss).map(({ point, dx, dy, anchor }) =>
      Plot.text([point], {
        x: 'graphs',
        y: () => at(point[loss]),
        text: 'name',
        dx,
        dy,
        textAnchor: anchor,
        fontWeight: point.ours ? 'bold' : 'normal',
        stroke: COLOURS.paper,
        fill: 'currentColor',
        strokeWidth: 4,
        ...of(loss),
      }),
    ),
  ]);
  const names =
    panels === null
      ? []
      : losses.map((loss) =>
          Plot.text([titles[loss]], {
            text: (title: string) => title,
            frameAnchor: 'top',
            dy: -18,
            fontWeight: 'bold',
            ...of(loss),
          }),
        );
  const svg = Plot.plot({
    ...frame(context, height),
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    x: { domain: [0, most], label: 'graphs →', ticks: narrow ? 5 : undefined },
    y: {
      type: 'log',
      domain: [bottom, top],
      grid: true,
      label: '↑ lost',
      tickFormat: (value: number) => (isPowerOfTen(value) ? `${Number(value.toPrecision(1))} %` : ''),
      ticks: 6,
    },
    color: { type: 'identity' },
    symbol: { type: 'identity' },
    ...(panels === null
      ? {}
      : { [panels]: { axis: null, padding: PADDING[panels], domain: losses.map((loss) => titles[loss]) } }),
    marks: [...marks, ...names],
  } as never);
  const told = points.map((point) => `${point.name} ${point.graphs} graphs, ${percentOf(point.paddingRatio)}`);
  return described(
    context,
    svg,
    'Graphs against loss',
    `Padding of real tokens by number of graphs: ${told.join('; ')}.`,
  );
}

/** How long each of two panels is on so many pixels, the share `padding` of its place between them; one panel takes all. */
function panelOf(pixels: number, padding: number | null): number {
  return padding === null ? pixels : (pixels * (1 - padding)) / (2 - padding);
}

function mostGraphs(points: readonly NamedLoss[]): number {
  return Math.ceil(1.25 * Math.max(4, ...points.map(({ graphs }) => graphs)));
}

function isPowerOfTen(value: number): boolean {
  const power = Math.log10(value);
  return Math.abs(power - Math.round(power)) < 1e-9;
}
