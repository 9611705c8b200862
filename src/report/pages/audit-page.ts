import type { KeysAudit, TrafficAudit } from '../../capture/index.js';
import { type CaptureKey, keyKind, runsDecodes } from '../../keys/index.js';
import { ascending } from '../../numbers.js';
import type { Policy } from '../../policy/index.js';
import { bytesOf, grouped, percentOf, shortNumber } from '../../text.js';
import { costStaircaseData, type Figure, rangeOf, stepSizesData } from '../plots/index.js';
import type { Fact, ReportPage } from '../report-page.js';
import type { Printed } from './plan-page.js';

/** What was audited: the graphs, the largest decode, and the traffic where there was any. */
export interface Audited extends Printed {
  readonly policy: Pick<Policy, 'name' | 'mixedGraphs'>;
  readonly keys: readonly CaptureKey[];
  /** Tokens of the largest decode that the limits allow. */
  readonly largestDecode: number;
  readonly traffic: {
    readonly audit: TrafficAudit & { readonly sameGraphs: { readonly sizes: readonly number[] } | null };
    /** Decodes by tokens. */
    readonly counts: Float64Array;
  } | null;
}

/** The page of an audit. */
export function auditPage(audit: KeysAudit, audited: Audited): ReportPage {
  const { policy, keys, largestDecode, traffic, text, json } = audited;
  const of = (passes: (key: CaptureKey) => boolean): number[] =>
    ascending(keys.filter(passes).map(({ tokens }) => tokens));
  const decode = of((key) => runsDecodes(key, policy));
  const piecewise = of((key) => keyKind(key) === 'piecewise');
  const ladder = [...decode, ...piecewise.filter((size) => size > (decode.at(-1) ?? 0))];
  const costs = Object.fromEntries(Array.from({ length: largestDecode }, (_, index) => [index + 1, index + 1]));
  const within = ladder.filter((size) => size <= largestDecode);
  const above = ladder.find((size) => size > largestDecode);
  // The last stair of a ladder that reaches further goes on to the largest decode.
  if (above !== undefined && within.at(-1) !== largestDecode) {
    for (let size = largestDecode + 1; size <= above; size++) costs[size] = size;
    within.push(above);
  }
  const figures: Figure[] = [
    {
      kind: 'cost-staircase',
      title: 'Sizes and padding',
      text: 'The size on which a decode of so many tokens runs, up to the largest that the limits allow, and what of it is padding.',
      source: costStaircaseData(costs, within, { unit: 'tokens', name: 'tokens' }),
    },
  ];
  if (traffic !== null) {
    const counts = [...traffic.counts.entries()].filter(([, steps]) => steps > 0);
    const ladders = [
      { name: 'these graphs', sizes: ladder },
      ...(traffic.audit.sameGraphs === null ? [] : [{ name: 'best as many', sizes: traffic.audit.sameGraphs.sizes }]),
    ];
    figures.push({
      kind: 'step-sizes',
      title: 'Traffic and sizes',
      text: 'How many decodes of the traffic there are of each size, the sizes that are captured, and as many that would fit best.',
      source: stepSizesData(counts, ladders, 'decodes'),
    });
  }
  return {
    title: 'lockstep audit',
    lead: `${grouped(audit.graphs)} graphs under policy ${policy.name}: ${audit.uncovered.length > 0 ? 'some decodes have no full graph' : 'every decode has a graph'}.`,
    facts: auditFacts(audit, traffic),
    figures,
    tables: audit.uncovered.length === 0 ? [] : [uncoveredTable(audit)],
    text,
    json,
  };
}

function auditFacts(
  { graphs, graphBytes, captureSeconds, unreachable, wastedBytes, worst, prefillsUpTo }: KeysAudit,
  traffic: Audited['traffic'],
): Fact[] {
  return [
    { name: 'Graphs', value: grouped(graphs), beside: `${bytesOf(graphBytes)}, ${shortNumber(captureSeconds)} s` },
    { name: 'Sizes without a use', value: grouped(unreachable.length), beside: bytesOf(wastedBytes) },
    ...(worst === null
      ? []
      : [
          {
            name: 'Worst padding',
            value: percentOf(worst.padding),
            beside: `${grouped(worst.tokens)} tokens on ${grouped(worst.size)}`,
          },
        ]),
    {
      name: 'Prefills on graphs',
      value: prefillsUpTo > 0 ? `up to ${grouped(prefillsUpTo)}` : 'none',
      ...(prefillsUpTo > 0 ? { beside: 'tokens' } : {}),
    },
    ...(traffic === null
      ? []
      : [
          {
            name: 'Padding of the traffic',
            value: percentOf(traffic.audit.paddingRatio),
            beside: `${grouped(traffic.audit.decodes)} decodes`,
          },
          { name: 'Eager decodes', value: grouped(traffic.audit.eagerSteps), beside: 'of the traffic' },
        ]),
  ];
}

function uncoveredTable({ uncovered }: KeysAudit): ReportPage['tables'][number] {
  return {
    title: 'Decodes without a full graph',
    text: 'A step can hold so many decodes, and no full graph does.',
    table: { columns: ['requests', 'run'], rows: uncovered.map(({ from, to, run }) => [rangeOf(from, to), run]) },
  };
}
