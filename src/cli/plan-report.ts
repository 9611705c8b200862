import type { MixedShape, PlanDocument, PlanScore } from '../capture/index.js';
import { bytesOf, countOf, grouped, percentOf } from '../text.js';
import type { TableRow } from './show.js';
import { sizeLines } from './sparkline.js';
import { reportLine } from './step-report.js';

/** Points of the curve that are drawn, and the characters of its longest bar. */
const DRAWN = 16;
const BAR = 40;
/** Sizes and twins that are written out. */
const LISTED = 12;

/** What a plan was made for, in addition to its document. */
export interface PlanSetting {
  /** The file, or the workload that was generated. */
  readonly of: string;
  /** Lines that name the options left to their defaults. */
  readonly assumed: readonly string[];
  /** Whether bars of eighths are drawn. Default: no. */
  readonly bars?: boolean;
}

/** The plan and the engines beside it, one a row; `sizes` are those that decodes run on. */
export function planRows(plan: PlanDocument): TableRow[] {
  const row = (
    engine: string,
    score: PlanDocument | PlanDocument['engines'][number],
    version: string | null,
    sizes: string,
  ): TableRow => ({
    engine,
    graphs: score.graphs,
    paddingRatio: score.paddingRatio,
    timeRatio: plan.costKnown ? score.timeRatio : null,
    eagerSteps: score.eagerSteps,
    graphBytes: score.graphBytes,
    captureSeconds: score.captureSeconds,
    version,
    sizes,
  });
  return [
    row('lockstep', plan, null, plan.ladders.decode.join(' ')),
    ...plan.engines.map((engine) => row(engine.engine, engine, engine.version, engine.sizes.join(' '))),
  ];
}

/** A plan as text. Times are left out if none are known: a size then costs its tokens, which is the padding. */
export function planReport(plan: PlanDocument, { of, assumed, bars = false }: PlanSetting): string {
  const { graphs, eagerSteps, graphBytes, captureSeconds, steps, costModel, costKnown } = plan;
  const lines = [
    `Planned ${countOf(graphs, 'graph')} for ${countOf(steps, 'step')} of ${of}`,
    reportLine(
      'result',
      `${losses(plan, costKnown, " of the largest rank's tokens")}, ${grouped(eagerSteps)} eager steps`,
    ),
    reportLine('', `${percentOf(plan.paddingRatioAll)} padding of all ranks' tokens`),
    ...objectiveLines(plan),
    reportLine('capture', `${bytesOf(graphBytes)}, ${captureSeconds.toFixed(1)} s, by ${plan.captureCost.name}`),
    costKnown
      ? reportLine('time', `by ${costModel.name}`)
      : reportLine('cost', 'a size costs its tokens; give times with --cost or --cost-model'),
    ...assumed,
    ...(bars ? sizeLines(plan.histogram.decode) : []),
    reportLine('decode', plan.ladders.decode.join(' ')),
    ...(plan.maxSize === null
      ? []
      : [reportLine('', `none above ${countOf(plan.maxSize, 'token')} (--max-size): larger decodes run eager`)]),
    ...(plan.ladders.ubatched.length > 0 ? [reportLine('ubatched', plan.ladders.ubatched.join(' '))] : []),
    ...mixedLines(plan),
    '',
    ...curveLines(plan),
    '',
    ...engineLines(plan),
    '',
    ...unseenLines(plan),
    '',
    ...auditLines(plan),
    ...twinLines(plan),
    '',
    'flags',
    ...plan.emitted.flatMap(({ engine, flags, exact, note, ...score }) => [
      reportLine(engine, flags),
      ...(note === null ? [] : [reportLine('', note)]),
      ...(exact ? [] : [reportLine('', `what it captures then: ${losses(score, costKnown)}`)]),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

/** What the plan is best for, and what the other objective would have given: more graphs, where a robust plan was bounded. */
function objectiveLines(plan: PlanDocument): string[] {
  const { objective, costKnown, mostGraphs } = plan;
  const other = plan[objective === 'robust' ? 'seen' : 'robust'];
  const unseen = other.unseen === null ? '' : `, ${losses(other.unseen, costKnown)} on the unseen part`;
  const line = `${countOf(other.graphs, 'graph')}, ${losses(other, costKnown)}${unseen}`;
  const bounded = objective === 'robust' && mostGraphs !== null && other.graphs > mostGraphs;
  return [
    reportLine(
      'objective',
      objective === 'robust'
        ? 'robust: the steps seen, and those of other loads; --objective seen for the steps seen alone'
        : 'seen: the steps seen alone; --objective robust for other loads too',
    ),
    reportLine(objective === 'robust' ? 'seen alone' : 'robust', line),
    ...(bounded
      ? [
          reportLine(
            'more graphs',
            `${grouped(mostGraphs)} at most, as vLLM by default; --graphs ${other.graphs} --objective seen would pad as little as that`,
          ),
        ]
      : []),
  ];
}

/** What graphs lose, and by how much time where times are known. `of` says what the padding is a share of. */
function losses(
  { paddingRatio, timeRatio }: Pick<PlanScore, 'paddingRatio' | 'timeRatio'>,
  costKnown: boolean,
  of = '',
): string {
  return `${percentOf(paddingRatio)} padding${of}${costKnown ? `, ${percentOf(timeRatio)} more time` : ''}`;
}

function mixedLines({
  ladders: { mixed },
  mixedGrid,
  unplannedSteps,
  unplannedUnknownSteps: unknown,
}: PlanDocument): string[] {
  if (mixed.length > 0) {
    const some = mixed.slice(0, LISTED).map((shape) => `[${shape.join(' ')}]`);
    const lines = [reportLine('mixed', `${some.join(' ')}${mixed.length > LISTED ? ` … (${mixed.length})` : ''}`)];
    if (mixedGrid === null) return lines;
    const { exactCost, padding, lowerBound, gap } = mixedGrid;
    const of = (added: number): string => percentOf(exactCost > 0 ? added / exactCost : 0);
    const bound = `${of(lowerBound)} at least for as many, a gap of ${percentOf(gap)}`;
    return [...lines, reportLine('', `${of(padding)} over exact sizes; ${bound}`)];
  }
  const held = unplannedSteps - unknown;
  return [
    ...(held === 0
      ? []
      : [
          reportLine(
            'prefill',
            `${held === 1 ? '1 step holds' : `${countOf(held, 'step')} hold`} one; --mixed plans for them`,
          ),
        ]),
    ...(unknown === 0
      ? []
      : [
          reportLine(
            'unknown',
            `${grouped(unknown)} ${unknown === 1 ? 'step' : 'steps'} of unknown phase, which may hold a prefill; --mixed plans for them`,
          ),
        ]),
  ];
}

/** More time by number of decode graphs, as bars on a logarithmic scale of ten million to one. */
function curveLines({ curve, ladders, costKnown }: PlanDocument): string[] {
  const stride = Math.max(1, Math.ceil(curve.length / DRAWN));
  // Graphs beyond the end of the curve are captured for sizes that were not seen.
  const captured = ladders.decode.length + ladders.ubatched.length;
  const chosen = curve.findLast(({ graphs }) => graphs <= captured)?.graphs;
  const drawn = curve.filter(({ graphs }, at) => at % stride === 0 || graphs === chosen);
  const most = Math.max(...drawn.map(({ timeRatio }) => timeRatio), 1e-6);
  const bars = drawn.map(({ graphs, timeRatio }) => {
    const length = timeRatio <= 0 ? 0 : Math.max(1, Math.round(BAR * (1 + Math.log10(timeRatio / most) / 7)));
    const mark = graphs === chosen ? ' <' : '';
    return `  ${`${graphs}`.padStart(5)} ${'█'.repeat(length).padEnd(BAR)} ${percentOf(timeRatio)}${mark}`;
  });
  return [`decode graphs and ${costKnown ? 'time lost' : 'padding'} (logarithmic)`, ...bars];
}

function engineLines(plan: PlanDocument): string[] {
  const { costKnown } = plan;
  const row = (
    name: string,
    score: PlanScore & { readonly graphBytes: number | null; readonly captureSeconds: number | null },
    equal: string,
  ): string =>
    [
      name.padEnd(10),
      grouped(score.graphs).padStart(6),
      percentOf(score.paddingRatio).padStart(9),
      ...(costKnown ? [percentOf(score.timeRatio).padStart(9)] : []),
      grouped(score.eagerSteps).padStart(9),
      (score.graphBytes === null ? '-' : bytesOf(score.graphBytes)).padStart(9),
      (score.captureSeconds === null ? '-' : `${score.captureSeconds.toFixed(1)} s`).padStart(8),
      equal.padStart(14),
    ].join(' ');
  const ranRow = (ran: NonNullable<PlanDocument['asRan']>): string => row('as it ran', ran, '');
  const equal = (engine: string): string => {
    const of = (list: PlanDocument['equalTime']): string =>
      `${list.find((one) => one.engine === engine)?.graphs ?? '-'}`;
    return costKnown ? `${of(plan.equalPadding)} / ${of(plan.equalTime)}` : of(plan.equalPadding);
  };
  return [
    `  engine     graphs   padding ${costKnown ? '     time ' : ''}    eager    memory capture  ours as good`,
    `  ${row('lockstep', plan, '')}`.trimEnd(),
    ...(plan.asRan === null ? [] : [`  ${ranRow(plan.asRan)}`.trimEnd()]),
    ...plan.engines.map((engine) => `  ${row(engine.engine, engine, equal(engine.engine))}`),
    ...logLines(plan),
    "  (padding: of the largest rank's tokens)",
    `  (ours as good: decode graphs of ours that pad ${costKnown ? '/ lose time ' : ''}as little)`,
    `  (rules: ${plan.engines.map(({ engine, version }) => `${engine} ${version}`).join(', ')})`,
    ...plan.engines.flatMap(({ engine, notes }) => notes.map((note) => `  ${engine}: ${note}`)),
  ];
}

/** What a log tells of its graphs, and shows to be wrong. */
function logLines({ log, asRan, unknownSteps }: PlanDocument): string[] {
  if (log === null) {
    if (asRan === null) return [];
    return [`  as it ran: ${grouped(asRan.steps)} decodes of the step log, by the tokens that they really had`];
  }
  const { engine, mode, captured, capture, findings, oneList, unknownAsDecodes, sampled } = log;
  const lines: string[] = [];
  if (sampled)
    lines.push('  steps: samples of the requests that ran, taken as decodes; --cudagraph-metrics counts every step');
  if (asRan !== null) lines.push(`  as it ran: ${countOf(asRan.steps, 'step')} of the log that could be decodes`);
  if (captured !== null) {
    const took = capture === null ? '' : `; capturing took ${bytesOf(capture.bytes)}, ${capture.seconds} s`;
    lines.push(`  ${engine} captured ${captured.length} sizes up to ${captured.at(-1)} tokens${took}`);
  } else if (capture !== null) {
    lines.push(`  capturing took ${bytesOf(capture.bytes)}, ${capture.seconds} s`);
  }
  if (unknownSteps > 0) {
    const why = oneList ? `, and under ${mode} one list holds all` : unknownAsDecodes ? '; they count as decodes' : '';
    lines.push(`  the phase of ${grouped(unknownSteps)} ${unknownSteps === 1 ? 'step' : 'steps'} is unknown${why}`);
  }
  return [...lines, ...findings.map(({ text }) => `  ${text}`)];
}

function unseenLines({ unseen, source, costKnown }: PlanDocument): string[] {
  if (unseen === null) {
    const why =
      source === 'engine-log'
        ? 'an engine log does not give the order of its steps'
        : 'one of the two parts has no decode';
    return [`unseen: not scored, ${why}`];
  }
  const { split, shift, aboveSeen, shifted, engines } = unseen;
  const change = `${percentOf(shift)} of the decodes are of another size than before, ${percentOf(aboveSeen)} larger than any`;
  const line = (name: string, score: PlanScore): string =>
    reportLine(
      name,
      `${countOf(score.graphs, 'graph')}, ${losses(score, costKnown)}, ${grouped(score.eagerSteps)} eager`,
    );
  return [
    `unseen: planned on the first ${percentOf(split)} of the time, decodes of the rest`,
    line('lockstep', unseen),
    ...engines.map((engine) => line(engine.engine, engine)),
    shifted
      ? `  the traffic shifted: ${change}; plan again from newer steps, or --include sizes for what may come`
      : `  ${change}`,
  ];
}

function auditLines({ audit, costKnown }: PlanDocument): string[] {
  const { unreachable, uncovered, worstPadding, worstCost, unused, largestDecode, looseGate } = audit;
  const lines = ['audit'];
  if (uncovered !== null)
    lines.push(reportLine('uncovered', `decodes from ${uncovered.from} to ${uncovered.to} tokens`));
  else lines.push(reportLine('covered', `every decode up to ${largestDecode} tokens`));
  if (unreachable.length > 0) lines.push(reportLine('unreachable', unreachable.join(' ')));
  if (unused !== null && unused.length > 0)
    lines.push(reportLine('unused', `${unused.join(' ')}: no step seen ran on them`));
  if (looseGate !== null) {
    const { agreedFrom, capturedFrom } = looseGate;
    lines.push(
      reportLine('gates', `micro-batches are agreed on from ${agreedFrom} tokens, and captured from ${capturedFrom}`),
    );
  }
  if (worstPadding !== null) {
    lines.push(
      reportLine(
        'most padded',
        `${countOf(worstPadding.tokens, 'token')} on ${worstPadding.size}, ${percentOf(worstPadding.ratio)}`,
      ),
    );
  }
  if (costKnown && worstCost !== null) {
    lines.push(
      reportLine(
        'slowest',
        `${countOf(worstCost.tokens, 'token')} on ${worstCost.size}, ${percentOf(worstCost.ratio)} more time`,
      ),
    );
  }
  for (const { engine, maximum, asked, captured } of audit.uncapturedMaxima) {
    const what = maximum === 'largest-decode' ? 'decodes' : 'sizes';
    lines.push(reportLine('uncaptured', `by default ${engine} captures ${what} up to ${captured} of ${asked} tokens`));
  }
  return [...lines, ...mixedAuditLines(audit.mixed)];
}

function mixedAuditLines(audit: PlanDocument['audit']['mixed']): string[] {
  if (audit === null) return [];
  const { unreachable, eager, worstPadding, unused } = audit;
  const listed = (shapes: readonly MixedShape[]): string => {
    const some = shapes.slice(0, LISTED).map((shape) => `[${shape.join(' ')}]`);
    return `${some.join(' ')}${shapes.length > LISTED ? ` … (${shapes.length})` : ''}`;
  };
  const lines: string[] = [];
  if (unreachable.length > 0) lines.push(reportLine('unreachable', listed(unreachable)));
  if (unused !== null && unused.length > 0) {
    lines.push(reportLine('unused', `${listed(unused)}: no step seen ran on them`));
  }
  for (const { from, to, reason } of eager.slice(0, LISTED)) {
    const why = reason === 'no-key' ? 'no graph holds' : 'every graph pads too far';
    lines.push(reportLine('eager', `${from} to ${to} tokens with a prefill: ${why} those of most prefills`));
  }
  if (worstPadding !== null) {
    const { tokens, size, ratio } = worstPadding;
    lines.push(reportLine('most padded', `${countOf(tokens, 'token')} with a prefill on ${size}, ${percentOf(ratio)}`));
  }
  return lines;
}

function twinLines({ twins }: PlanDocument): string[] {
  if (twins.length === 0) return [];
  const lines = twins
    .slice(0, LISTED)
    .map(({ size, steps, ubatchedSteps, bytes, seconds }) =>
      reportLine(
        `${size}`,
        `${countOf(steps, 'step')} plain, ${grouped(ubatchedSteps)} in micro-batches; adds ${bytesOf(bytes)}, ${seconds.toFixed(2)} s`,
      ),
    );
  return [
    '',
    'twins',
    ...lines,
    ...(twins.length > LISTED ? [`  … ${twins.length - LISTED} more: --json lists all`] : []),
  ];
}
