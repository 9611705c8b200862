import type { TimelineDocument } from '../../counts/index.js';
import type { CapturePlan } from '../../keys/index.js';
import type { RunSummary } from '../../run/index.js';
import type { SimulateSummary } from '../../simulation/index.js';
import { grouped, percentOf, shortNumber } from '../../text.js';
import { type CapturedGraph, capturePoolData, type Figure, stepSizesData } from '../plots/index.js';
import type { Fact, ReportPage } from '../report-page.js';
import type { Printed } from './plan-page.js';

/** What a page of a run or a simulation is made from, beside its summary. */
export interface Served extends Printed {
  /** What was served, as in "trace.csv". */
  readonly of: string;
  readonly plan: CapturePlan;
  readonly timeline: TimelineDocument;
}

type StepSummary = Omit<SimulateSummary, 'timeRatio' | 'stepsPerSecond'>;

/** The page of a simulation. */
export function simulatePage(summary: SimulateSummary, served: Served): ReportPage {
  const { text, json } = served;
  return {
    title: 'lockstep simulate',
    lead: `${grouped(summary.steps)} steps of ${served.of} on ${ranksOf(summary)}, decided and not run${interruptedWords(summary)}.`,
    facts: [
      ...stepFacts(summary),
      {
        name: 'Time of serving',
        value: `${shortNumber(summary.simulatedSeconds)} s`,
        beside: `simulated at ${grouped(summary.stepsPerSecond)} steps a second`,
      },
    ],
    figures: timeFigures(served),
    tables: [reasonsTable(summary)],
    text,
    json,
  };
}

/** The page of a run. `captured`: graphs in capture order. */
export function runPage(summary: RunSummary, captured: readonly CapturedGraph[], served: Served): ReportPage {
  const { text, json } = served;
  const pool: Figure[] =
    captured.length === 0
      ? []
      : [
          {
            kind: 'capture-pool',
            title: 'Memory of graphs',
            text: "What each graph added to rank 0's device memory, in the order of capture, and all of it so far. Graphs share one pool, so that the largest takes most.",
            source: capturePoolData(captured),
          },
        ];
  return {
    title: 'lockstep run',
    lead: `${grouped(summary.steps)} steps of ${served.of} on ${ranksOf(summary)} of ${summary.device}, ${summary.mismatches === 0 ? 'every result as expected' : `${grouped(summary.mismatches)} results wrong`}${interruptedWords(summary)}.`,
    facts: [
      ...stepFacts(summary),
      { name: 'Mismatches', value: grouped(summary.mismatches), beside: `${grouped(summary.compared)} compared` },
      { name: 'Ranks that diverged', value: grouped(summary.diverged), beside: `of ${grouped(summary.processes)}` },
      {
        name: 'Took',
        value: `${shortNumber(summary.seconds)} s`,
        beside: `${shortNumber(summary.simulatedSeconds)} s of serving`,
      },
    ],
    figures: [...timeFigures(served), ...pool],
    tables: [reasonsTable(summary)],
    text,
    json,
  };
}

/** Of a summary that covers what was done by then. */
function interruptedWords({ interrupted }: StepSummary): string {
  return interrupted ? ', interrupted before all was served' : '';
}

function ranksOf({ ranks }: StepSummary): string {
  return ranks === 1 ? 'one rank' : `${ranks} ranks`;
}

function stepFacts(summary: StepSummary): Fact[] {
  const { steps, graphSteps, eagerSteps, eagerDecodeSteps, idleRankSteps, paddingRatioAll, paddingRatioLargest } =
    summary;
  const share = (part: number): string => percentOf(steps === 0 ? 0 : part / steps);
  return [
    {
      name: 'Steps',
      value: grouped(steps),
      beside: `${grouped(summary.finished)} of ${grouped(summary.requests)} requests finished`,
    },
    {
      name: 'On graphs',
      value: share(graphSteps),
      beside: `${grouped(graphSteps)} steps on ${grouped(summary.graphs)} graphs`,
    },
    {
      name: 'Eager',
      value: share(eagerSteps),
      beside: `${grouped(eagerSteps)} steps, ${grouped(eagerDecodeSteps)} of them decodes`,
    },
    {
      name: 'Padding of all ranks',
      value: percentOf(paddingRatioAll),
      beside: `${percentOf(paddingRatioLargest)} of the largest rank`,
    },
    { name: 'With an idle rank', value: share(idleRankSteps), beside: `${grouped(idleRankSteps)} steps` },
    {
      name: 'Tokens computed',
      value: grouped(summary.tokens),
      beside: `${grouped(summary.generatedTokens)} generated`,
    },
  ];
}

function timeFigures({ timeline, plan }: Served): Figure[] {
  const full = plan.keys.filter(({ mode, prefillRequests }) => mode === 'full' && prefillRequests === 0);
  const sizes = [...new Set(full.map(({ tokens }) => tokens))].sort((one, other) => one - other);
  const decodes = timeline.decodes.map(({ tokens, steps }): [number, number] => [tokens, steps]);
  const said =
    timeline.perBin > 1
      ? ` The page keeps its ${grouped(timeline.decisions)} decisions in bins of ${grouped(timeline.perBin)}.`
      : '';
  return [
    {
      kind: 'steps-over-time',
      title: 'Steps over time',
      text: `How decisions went, from the first to the last: on a graph, or eager and why. The line is the share of steps in which some rank was idle.${said}`,
      source: timeline,
    },
    {
      kind: 'ranks-over-time',
      title: 'Ranks over time',
      text: 'Tokens of each rank in steps that ran as graphs, a step. All ranks run the size of the one with the most tokens, so that it pads the others; the next captured size pads all. The table says who padded whom.',
      source: timeline,
    },
    {
      kind: 'step-sizes',
      title: 'Step sizes',
      text: 'How many decodes there were of each size, which is that of the rank with the most tokens, and the sizes that are captured.',
      source: stepSizesData(decodes, [{ name: 'captured', sizes }], 'decodes'),
    },
  ];
}

function reasonsTable({ reasons, steps }: StepSummary): ReportPage['tables'][number] {
  return {
    title: 'Reasons',
    text: 'Why steps ran as they did, and decisions that no step followed.',
    table: {
      columns: ['reason', 'decisions', 'of all steps'],
      rows: Object.entries(reasons)
        .sort((one, other) => other[1] - one[1])
        .map(([reason, count]) => [reason, grouped(count), percentOf(steps === 0 ? 0 : count / steps)]),
    },
  };
}
