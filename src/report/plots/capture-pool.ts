import { bytesOf, grouped } from '../../text.js';
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

/** What capturing one graph added to the device's memory, as capture logs say it. */
export interface CapturedGraph {
  readonly key: {
    readonly mode: string;
    readonly tokens: number;
    readonly prefillRequests: number;
    readonly decodeRequests: number;
    readonly parts: number;
  };
  readonly reservedBytes: number;
  readonly allocatedBytes: number;
  readonly seconds: number;
}

/** Graphs in the order in which they were captured, and the memory so far. */
export interface CapturePoolData {
  readonly graphs: readonly (CapturedGraph & {
    readonly name: string;
    readonly reserved: number;
    readonly allocated: number;
  })[];
}

/** Adds up what each graph took. */
export function capturePoolData(captured: readonly CapturedGraph[]): CapturePoolData {
  let reserved = 0;
  let allocated = 0;
  return {
    graphs: captured.map((graph) => {
      reserved += graph.reservedBytes;
      allocated += graph.allocatedBytes;
      return { ...graph, name: graphName(graph), reserved, allocated };
    }),
  };
}

function graphName({ key: { mode, tokens, prefillRequests, parts } }: CapturedGraph): string {
  const kind = mode === 'piecewise' ? ' piecewise' : prefillRequests > 0 ? ' mixed' : '';
  return `${tokens}${kind}${parts > 1 ? ` in ${parts} parts` : ''}`;
}

/** Every graph in order. */
export function capturePoolTable({ graphs }: CapturePoolData): PlotTable {
  return {
    columns: ['captured', 'tokens', 'reserved', 'allocated', 'reserved so far', 'allocated so far', 'ms'],
    rows: graphs.map(({ name, reservedBytes, allocatedBytes, reserved, allocated, seconds }, index) => [
      index + 1,
      name,
      bytesOf(reservedBytes),
      bytesOf(allocatedBytes),
      bytesOf(reserved),
      bytesOf(allocated),
      (1000 * seconds).toFixed(1),
    ]),
  };
}

/** What the marks stand for. */
export function capturePoolLegend(): LegendEntry[] {
  return [
    { mark: COLOURS.ours, label: 'reserved so far (line), and by each graph (bar)' },
    { mark: COLOURS.loss, label: 'allocated so far (dashed), and by each graph (bar)' },
  ];
}

/** Bars of what each graph added, and lines of the pool so far, in capture order. */
export function capturePoolPlot({ graphs }: CapturePoolData, context: PlotContext): SvgElement {
  const { Plot, width } = context;
  const top = Math.max(1, ...graphs.map(({ reserved, allocated }) => Math.max(reserved, allocated)));
  const unit = 1024 ** Math.floor(Math.log(top) / Math.log(1024));
  const order = graphs.map((graph, index) => ({ ...graph, number: index + 1 }));
  type Ordered = (typeof order)[number];
  const bar = (value: (graph: Ordered) => number, fill: string, left: number): unknown =>
    Plot.rect(order, {
      x1: ({ number }: Ordered) => number + left,
      x2: ({ number }: Ordered) => number + left + 0.4,
      y1: 0,
      y2: (graph: Ordered) => value(graph) / unit,
      fill,
      title: (graph: Ordered) => `graph ${graph.number}, ${graph.name} tokens: ${bytesOf(value(graph))}`,
    });
  const every = Math.max(1, Math.ceil(graphs.length / (width < NARROW ? 6 : 18)));
  const svg = Plot.plot({
    ...frame(context, 260),
    marginLeft: 60,
    marginBottom: 44,
    marginTop: 24,
    x: {
      domain: [0.4, graphs.length + 0.6],
      label: 'tokens of each graph, in capture order →',
      ticks: order.filter((_, index) => index % every === 0).map(({ number }) => number),
      tickFormat: (number: number) => graphs[number - 1]?.name.split(' ')[0] ?? '',
    },
    y: { domain: [0, top / unit], grid: true, label: `↑ ${bytesOf(unit).replace('1 ', '')}`, ticks: 5 },
    marks: [
      bar(({ reservedBytes }) => reservedBytes, COLOURS.ours, -0.42),
      bar(({ allocatedBytes }) => allocatedBytes, COLOURS.loss, 0.02),
      Plot.line(order, {
        x: 'number',
        y: ({ reserved }: Ordered) => reserved / unit,
        stroke: COLOURS.ours,
        strokeWidth: 2,
      }),
      Plot.line(order, {
        x: 'number',
        y: ({ allocated }: Ordered) => allocated / unit,
        stroke: COLOURS.loss,
        strokeWidth: 2,
        strokeDasharray: '5 3',
      }),
      Plot.ruleY([0]),
    ],
  } as never);
  const last = graphs.at(-1);
  return described(
    context,
    svg,
    'Memory of graphs',
    `${grouped(graphs.length)} graphs in capture order reserve ${bytesOf(last?.reserved ?? 0)} and allocate ${bytesOf(last?.allocated ?? 0)}.`,
  );
}
