import type { PlanDocument, PlanScore } from '../../capture/index.js';
import { bytesOf, grouped, percentOf, shortNumber } from '../../text.js';
import { costStaircaseData, type Figure, graphLossData, type NamedLadder, stepSizesData } from '../plots/index.js';
import type { Fact, ReportPage } from '../report-page.js';

/** What a page has from its command: what it prints, and the document of `--json`. */
export interface Printed {
  readonly text: string;
  readonly json: object;
}

/** The page of a plan. `of`: what it was made for. */
export function planPage(plan: PlanDocument, of: string, printed: Printed): ReportPage {
  const ladders: NamedLadder[] = [
    { name: 'this plan', sizes: plan.ladders.decode },
    ...plan.engines.map(({ engine, sizes }) => ({ name: engine, sizes })),
  ];
  const counted = plan.ladderOf === 'tokens' ? 'steps' : 'decodes';
  const counts = Object.entries(plan.histogram.decode).map(([tokens, steps]): [number, number] => [
    Number(tokens),
    steps,
  ]);
  const figures: Figure[] = [
    {
      kind: 'step-sizes',
      title: 'Step sizes and ladders',
      text: `How many ${counted} there are of each size, and below the sizes that this plan and each engine capture. A step runs on the next captured size to its right; what lies between is padding.`,
      source: stepSizesData(counts, ladders, counted),
    },
    {
      kind: 'graph-loss',
      title: 'Graphs against loss',
      text: `What padding costs with so many graphs. The line is the best ladder of each number of graphs for what this plan is best for, in the sizes that it may take. Points are plans and engines' defaults${plan.costKnown ? '' : '; no times are known, so that a size costs its tokens'}.`,
      source: graphLossData(plan),
    },
    {
      kind: 'cost-staircase',
      title: 'Cost staircase',
      text: 'What a step costs on the graph that holds it, and what exactly its tokens would cost.',
      source: costStaircaseData(plan.cost.decode, plan.ladders.decode, plan.costModel),
    },
  ];
  return {
    title: 'lockstep plan',
    lead: `${grouped(plan.graphs)} graphs for ${grouped(plan.steps)} steps of ${of}.`,
    facts: planFacts(plan),
    figures,
    tables: [enginesTable(plan), flagsTable(plan)],
    ...printed,
  };
}

function planFacts(plan: PlanDocument): Fact[] {
  const vllm = plan.engines.find(({ engine }) => engine === 'vllm');
  const than = (value: (score: PlanScore) => string): Pick<Fact, 'beside'> =>
    vllm === undefined ? {} : { beside: `vLLM's default: ${value(vllm)}` };
  return [
    { name: 'Graphs', value: grouped(plan.graphs), ...than(({ graphs }) => grouped(graphs)) },
    {
      name: "Padding of the largest rank's tokens",
      value: percentOf(plan.paddingRatio),
      ...than(({ paddingRatio }) => percentOf(paddingRatio)),
    },
    ...(plan.costKnown
      ? [{ name: 'Time lost', value: percentOf(plan.timeRatio), ...than(({ timeRatio }) => percentOf(timeRatio)) }]
      : []),
    { name: "Padding of all ranks' tokens", value: percentOf(plan.paddingRatioAll) },
    { name: 'Eager steps', value: grouped(plan.eagerSteps), ...than(({ eagerSteps }) => grouped(eagerSteps)) },
    {
      name: 'Capture takes',
      value: bytesOf(plan.graphBytes),
      beside: `${shortNumber(plan.captureSeconds)} s, by ${plan.captureCost.name}`,
    },
    { name: 'Steps counted', value: grouped(plan.steps), ...unplanned(plan) },
  ];
}

/** What of the steps counted no graph is planned for. */
function unplanned({ unplannedSteps, unplannedUnknownSteps: unknown }: PlanDocument): Pick<Fact, 'beside'> {
  const held = unplannedSteps - unknown;
  const parts = [
    ...(held === 0 ? [] : [`${grouped(held)} of them with a prefill`]),
    ...(unknown === 0 ? [] : [`${grouped(unknown)} of them of unknown phase`]),
  ];
  return parts.length === 0 ? {} : { beside: `${parts.join(', ')}: no graph is planned for those` };
}

function enginesTable({
  engines,
  graphs,
  paddingRatio,
  timeRatio,
  eagerSteps,
  costKnown,
  graphBytes,
  captureSeconds,
}: PlanDocument): ReportPage['tables'][number] {
  const row = (name: string, score: PlanScore, bytes: number, seconds: number, version: string): string[] => [
    name,
    version,
    grouped(score.graphs),
    percentOf(score.paddingRatio),
    ...(costKnown ? [percentOf(score.timeRatio)] : []),
    grouped(score.eagerSteps),
    bytesOf(bytes),
    shortNumber(seconds),
  ];
  return {
    title: "Beside engines' defaults",
    text: 'The same steps on the graphs that engines capture by default.',
    table: {
      columns: [
        'graphs of',
        'rules of',
        'graphs',
        'padding',
        ...(costKnown ? ['time lost'] : []),
        'eager steps',
        'memory',
        'capture (s)',
      ],
      rows: [
        row('this plan', { graphs, paddingRatio, timeRatio, eagerSteps }, graphBytes, captureSeconds, ''),
        ...engines.map((score) => row(score.engine, score, score.graphBytes, score.captureSeconds, score.version)),
      ],
    },
  };
}

function flagsTable({ emitted }: PlanDocument): ReportPage['tables'][number] {
  return {
    title: 'Flags',
    text: 'What to give each engine, so that it captures these sizes.',
    table: {
      columns: ['engine', 'flags', 'captures exactly these'],
      rows: emitted.map(({ engine, flags, exact, note }) => [
        engine,
        flags,
        exact ? 'yes' : `no${note === null ? '' : `: ${note}`}`,
      ]),
    },
  };
}
