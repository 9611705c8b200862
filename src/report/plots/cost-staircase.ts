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
import { rangeOf } from './words.js';

/** One stair: steps of `from` to `to` tokens run on the graph of `to`. */
export interface Stair {
  readonly from: number;
  readonly to: number;
  /** Cost of the graph, and of the fewest tokens that run on it. */
  readonly cost: number;
  readonly least: number;
}

/** What sizes cost, and what they cost on the graphs of a ladder. */
export interface CostStaircaseData {
  /** Unit of the costs: `tokens` where no time is known. */
  readonly unit: string;
  readonly model: string;
  /** Cost of exact sizes, ascending. */
  readonly exact: readonly { readonly tokens: number; readonly cost: number }[];
  readonly stairs: readonly Stair[];
  /** Sizes above the ladder, which run eager; null where there are none. */
  readonly eagerFrom: number | null;
}

/** Most points of the curve of exact costs. */
const MOST_POINTS = 512;

/** Costs by tokens, from 1 on without gaps, and the sizes that are captured. */
export function costStaircaseData(
  costs: Readonly<Record<string, number>>,
  ladder: readonly number[],
  { unit, name }: { readonly unit: string; readonly name: string },
): CostStaircaseData {
  const sizes = Object.keys(costs)
    .map(Number)
    .sort((one, other) => one - other);
  const every = Math.max(1, Math.ceil(sizes.length / MOST_POINTS));
  const last = sizes.length - 1;
  const kept = sizes.filter((_, index) => index % every === 0 || index === last);
  const at = (tokens: number): number => costs[tokens] ?? costs[sizes[last]];
  const within = ladder.filter((size) => costs[size] !== undefined);
  const stairs = within.map((to, index): Stair => {
    const from = index === 0 ? 1 : within[index - 1] + 1;
    return { from, to, cost: at(to), least: at(from) };
  });
  const top = within.at(-1) ?? 0;
  return {
    unit,
    model: name,
    exact: kept.map((tokens) => ({ tokens, cost: at(tokens) })),
    stairs,
    eagerFrom: (sizes[last] ?? 0) > top ? top + 1 : null,
  };
}

/** Every stair: what its graph costs, and the most that padding adds on it. */
export function costStaircaseTable({ stairs, unit, eagerFrom }: CostStaircaseData): PlotTable {
  return {
    columns: ['steps of (tokens)', 'run on', `cost (${unit})`, `cost of the fewest (${unit})`, 'padding adds at most'],
    rows: [
      ...stairs.map(({ from, to, cost, least }) => [
        rangeOf(from, to),
        grouped(to),
        shortNumber(cost),
        shortNumber(least),
        percentOf(least === 0 ? 0 : cost / least - 1),
      ]),
      ...(eagerFrom === null ? [] : [[`from ${grouped(eagerFrom)}`, 'eager', '', '', '']]),
    ],
  };
}

/** What the marks stand for. */
export function costStaircaseLegend(): LegendEntry[] {
  return [
    { mark: COLOURS.ours, label: 'cost on the graph that holds a step' },
    { mark: COLOURS.other, label: 'cost of exactly its tokens' },
    { mark: COLOURS.loss, label: 'what padding adds' },
  ];
}

/** Cost by tokens, exact and on the ladder, and the area between. */
export function costStaircasePlot(data: CostStaircaseData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const { exact, stairs, unit, eagerFrom } = data;
  const cost = costAt(exact);
  const edges = stairs.flatMap((stair) => [
    { x: stair.from - 1, y: stair.cost },
    { x: stair.to, y: stair.cost },
  ]);
  const areas = stairs.flatMap((stair, index) =>
    [
      stair.from - 1,
      ...exact.map(({ tokens }) => tokens).filter((tokens) => tokens >= stair.from && tokens < stair.to),
      stair.to,
    ].map((x) => ({ x, low: Math.min(stair.cost, cost(Math.max(x, 1))), high: stair.cost, index })),
  );
  const largest = Math.max(exact.at(-1)?.tokens ?? 1, stairs.at(-1)?.to ?? 1);
  const top = Math.max(...exact.map((point) => point.cost), ...stairs.map((stair) => stair.cost), 0);
  const svg = Plot.plot({
    ...frame(context, 280),
    marginLeft: 60,
    marginBottom: 40,
    marginTop: 24,
    x: {
      domain: [0, largest],
      label: 'tokens of the largest rank →',
      ticks: width < NARROW ? 4 : 8,
      tickFormat: (value: number) => grouped(value),
    },
    y: { domain: [0, top], grid: true, label: `↑ cost (${unit})`, tickFormat: (value: number) => shortNumber(value) },
    marks: [
      Plot.areaY(areas, { x: 'x', y1: 'low', y2: 'high', z: 'index', fill: COLOURS.loss, fillOpacity: 0.55 }),
      Plot.line(exact, { x: 'tokens', y: 'cost', stroke: COLOURS.other, strokeWidth: 1.5, strokeDasharray: '4 3' }),
      Plot.line(edges, { x: 'x', y: 'y', stroke: COLOURS.ours, strokeWidth: 2 }),
      ...(eagerFrom === null
        ? []
        : [
            Plot.rect([0], {
              x1: () => eagerFrom - 1,
              x2: () => largest,
              y1: 0,
              y2: top,
              fill: COLOURS.bad,
              fillOpacity: 0.18,
            }),
            Plot.text([0], {
              x: () => largest,
              y: 0,
              text: () => 'eager',
              dx: -6,
              dy: -12,
              textAnchor: 'end',
              fontWeight: 'bold',
            }),
          ]),
      Plot.ruleY([0]),
    ],
  } as never);
  const worst = stairs.reduce(
    (most, stair) => (stair.cost / stair.least > most.cost / most.least ? stair : most),
    stairs[0] ?? { from: 0, to: 0, cost: 1, least: 1 },
  );
  return described(
    context,
    svg,
    'Cost staircase',
    `Cost in ${unit} of steps of 1 to ${grouped(largest)} tokens, exact and on ${stairs.length} captured sizes. Padding adds most, ${percentOf(worst.cost / worst.least - 1)}, to a step of ${grouped(worst.from)} on the graph of ${grouped(worst.to)}.`,
  );
}

/** The cost at any size, on straight lines between the points. */
function costAt(points: CostStaircaseData['exact']): (tokens: number) => number {
  return (tokens) => {
    const after = points.findIndex((point) => point.tokens >= tokens);
    if (after <= 0) return points[Math.max(after, 0)]?.cost ?? 0;
    const [one, other] = [points[after - 1], points[after]];
    return one.cost + ((tokens - one.tokens) / (other.tokens - one.tokens)) * (other.cost - one.cost);
  };
}
