import type { TimelineDocument } from '../../counts/index.js';
import { type BenchRowsData, benchRowsLegend, benchRowsPlot, benchRowsTable } from './bench-rows.js';
import { type CapturePoolData, capturePoolLegend, capturePoolPlot, capturePoolTable } from './capture-pool.js';
import type { LegendEntry, PlotContext, PlotTable, SvgElement } from './context.js';
import {
  type CostStaircaseData,
  costStaircaseLegend,
  costStaircasePlot,
  costStaircaseTable,
} from './cost-staircase.js';
import { type GraphLossData, graphLossLegend, graphLossPlot, graphLossTable } from './graph-loss.js';
import {
  type RanksOverTimeData,
  ranksOverTimeData,
  ranksOverTimeLegend,
  ranksOverTimePlot,
  ranksOverTimeTable,
} from './ranks-over-time.js';
import { type SequenceData, sequencePlot, sequenceTable } from './sequence.js';
import type { StepRange } from './step-bins.js';
import { type StepSizesData, stepSizesLegend, stepSizesPlot, stepSizesTable } from './step-sizes.js';
import {
  type StepsOverTimeData,
  stepsOverTimeData,
  stepsOverTimeLegend,
  stepsOverTimePlot,
  stepsOverTimeTable,
} from './steps-over-time.js';

/** One kind of figure: from what a page keeps to a drawing, a table and a legend. */
export interface FigureKind<Source, Data> {
  /** Part of a run that is shown; only kinds that can be zoomed have one. */
  readonly data: (source: Source, range?: StepRange) => Data;
  readonly plot: (data: Data, context: PlotContext) => SvgElement;
  readonly table: (data: Data) => PlotTable;
  readonly legend: (data: Data) => readonly LegendEntry[];
  readonly zooms: boolean;
}

/** A figure whose page keeps its data as they are drawn. */
function still<Data>(
  plot: (data: Data, context: PlotContext) => SvgElement,
  table: (data: Data) => PlotTable,
  legend: (data: Data) => readonly LegendEntry[],
): FigureKind<Data, Data> {
  return { data: (source) => source, plot, table, legend, zooms: false };
}

/** What each kind of figure keeps in a page, and draws. */
interface Figures {
  readonly 'step-sizes': FigureKind<StepSizesData, StepSizesData>;
  readonly 'graph-loss': FigureKind<GraphLossData, GraphLossData>;
  readonly 'cost-staircase': FigureKind<CostStaircaseData, CostStaircaseData>;
  readonly 'capture-pool': FigureKind<CapturePoolData, CapturePoolData>;
  readonly 'bench-rows': FigureKind<BenchRowsData, BenchRowsData>;
  readonly sequence: FigureKind<SequenceData, SequenceData>;
  readonly 'steps-over-time': FigureKind<TimelineDocument, StepsOverTimeData>;
  readonly 'ranks-over-time': FigureKind<TimelineDocument, RanksOverTimeData>;
}

/** Every kind of figure by its name. */
export const FIGURES: Figures = {
  'step-sizes': still(stepSizesPlot, stepSizesTable, stepSizesLegend),
  'graph-loss': still(graphLossPlot, graphLossTable, graphLossLegend),
  'cost-staircase': still(costStaircasePlot, costStaircaseTable, costStaircaseLegend),
  'capture-pool': still(capturePoolPlot, capturePoolTable, capturePoolLegend),
  'bench-rows': still(benchRowsPlot, benchRowsTable, benchRowsLegend),
  sequence: still(sequencePlot, sequenceTable, () => []),
  'steps-over-time': {
    data: stepsOverTimeData,
    plot: stepsOverTimePlot,
    table: stepsOverTimeTable,
    legend: stepsOverTimeLegend,
    zooms: true,
  },
  'ranks-over-time': {
    data: ranksOverTimeData,
    plot: ranksOverTimePlot,
    table: ranksOverTimeTable,
    legend: ranksOverTimeLegend,
    zooms: true,
  },
};

/** Name of a kind of figure. */
export type FigureName = keyof Figures;
/** What a page keeps of a figure of this kind. */
export type FigureSource<Name extends FigureName> = Parameters<Figures[Name]['data']>[0];

/** One figure of a page. */
export type Figure = {
  [Name in FigureName]: {
    readonly kind: Name;
    readonly title: string;
    /** What it shows and how to read it, in a sentence or two. */
    readonly text: string;
    readonly source: FigureSource<Name>;
  };
}[FigureName];

/** The kind of a figure, for what treats all alike. */
export function kindOf(name: FigureName): FigureKind<unknown, unknown> {
  return FIGURES[name] as unknown as FigureKind<unknown, unknown>;
}
