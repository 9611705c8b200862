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
const MARGIN = { top: 36, bottom: 40 };

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
  const panelWidth = (width - 80) / (panels === 'fx' ? 2 : 1);
  const inner = HEIGHT - MARGIN.top - MARGIN.bottom;
  const place = (point: LossPoint, loss: Loss): [number, number] => [
    (point.graphs / most) * panelWidth,
    inner * (1 - Math.log(at(point[loss]) / bottom) / Math.log(top / bottom)),
  ];
  const of = (loss: Loss): Record<string, unknown> => (panels === null ? {} : { [panels]: () => titles[loss] });
  const marks = losses.flatMap((loss) => [
    Plot.line(shown, {
      x: 'graphs',
      y: (point: LossPoint) => at(point[loss]),
      stroke: COLOURS.ours,
      strokeWidth: 2,
      clip: true,
      ...of(loss),
    }),
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
    ...placedLabels(points, (point) => place(point, loss), { width: panelWidth, height: inner }).map(
      ({ point, dx, dy, anchor }) =>
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
    marginLeft: 60,
    marginRight: 20,
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
      : { [panels]: { axis: null, padding: panels === 'fy' ? 0.2 : 0.1, domain: losses.map((loss) => titles[loss]) } }),
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

function mostGraphs(points: readonly NamedLoss[]): number {
  return Math.ceil(1.25 * Math.max(4, ...points.map(({ graphs }) => graphs)));
}

function isPowerOfTen(value: number): boolean {
  const power = Math.log10(value);
  return Math.abs(power - Math.round(power)) < 1e-9;
}

interface PlacedLabel {
  readonly point: NamedLoss;
  readonly dx: number;
  readonly dy: number;
  readonly anchor: 'start' | 'end';
}

/** Where a label may stand beside its point, the nearest place first. */
const PLACES: readonly (readonly [anchor: 'start' | 'end', dy: number])[] = [0, -14, 14, -28, 28, -42, 42].flatMap(
  (dy) => [['start', dy] as const, ['end', dy] as const],
);

/** Labels beside their points, on no other label and no point, and within the panel. */
function placedLabels(
  points: readonly NamedLoss[],
  place: (point: NamedLoss) => [number, number],
  { width, height }: { readonly width: number; readonly height: number },
): PlacedLabel[] {
  const taken = points.map((point) => {
    const [x, y] = place(point);
    return { left: x - 6, right: x + 6, y, half: 6 };
  });
  return points.map((point) => {
    const [x, y] = place(point);
    const letters = 7 * point.name.length;
    const box = ([anchor, dy]: (typeof PLACES)[number]) =>
      anchor === 'start'
        ? { left: x + 9, right: x + 9 + letters, y: y + dy, half: 7 }
        : { left: x - 9 - letters, right: x - 9, y: y + dy, half: 7 };
    const free = ({ left, right, y: at, half }: ReturnType<typeof box>): boolean =>
      left >= 0 &&
      right <= width + 16 &&
      at >= 6 &&
      at <= height - 6 &&
      taken.every((other) => other.right < left || other.left > right || Math.abs(other.y - at) >= half + other.half);
    const chosen = PLACES.find((one) => free(box(one))) ?? PLACES[0];
    taken.push(box(chosen));
    return { point, anchor: chosen[0], dx: chosen[0] === 'start' ? 9 : -9, dy: chosen[1] };
  });
}
