import { EAGER_REASONS, PARK_REASONS, type ReasonCode } from '../agreement/index.js';
import { REASON_MEANINGS } from '../explain/index.js';
import type { StepSummary } from '../simulation/index.js';
import { countOf, grouped, percentOf } from '../text.js';
import type { TableRow } from './show.js';

/** A name and its value as one line of a report. */
export function reportLine(name: string, value: string): string {
  return `  ${name.padEnd(12)} ${value}`;
}

/** The reasons of the decisions as rows, the most frequent first: those of steps, and of what no step followed. */
export function reasonRows(run: { readonly reasons: Partial<Record<ReasonCode, number>> }): TableRow[] {
  const reasons = (Object.entries(run.reasons) as [ReasonCode, number][]).sort((a, b) => b[1] - a[1]);
  return reasons.map(([reason, decisions]) => ({
    reason,
    decisions,
    how: PARK_REASONS.includes(reason) ? 'no step' : EAGER_REASONS.includes(reason) ? 'eager' : 'graph',
    meaning: REASON_MEANINGS[reason],
  }));
}

/** The first line of a report: what was done, the number of steps, and the time. */
export function stepHeadline(done: string, summary: StepSummary): string {
  const { interrupted, steps, ranks, seconds, simulatedSeconds } = summary;
  const { processes = ranks } = summary as { readonly processes?: number };
  const how = interrupted ? 'Interrupted after' : done;
  const where = `${ranks} rank${ranks === 1 ? '' : 's'}${processes > ranks ? ` of ${processes / ranks} processes` : ''}`;
  return `${how} ${countOf(steps, 'step')} on ${where} in ${seconds.toFixed(1)} s (${simulatedSeconds.toFixed(1)} s of serving)`;
}

/**
 * Requests, tokens, how the steps ran and why, for people: the reasons add up to the steps, and the decisions that no step followed
 * come after them. `graphs` ends the line of graph steps.
 */
export function stepLines(run: StepSummary, graphs: string): string[] {
  const share = (part: number): string => percentOf(run.steps === 0 ? 0 : part / run.steps);
  const lines = [
    reportLine(
      'requests',
      `${grouped(run.finished)} of ${grouped(run.requests)} finished, ${grouped(run.rejected)} rejected (never fit), ${grouped(run.preemptions)} preempted`,
    ),
    reportLine(
      'tokens',
      `${grouped(run.tokens)} computed, ${grouped(run.generatedTokens)} generated, ${grouped(run.reusedTokens)} reused from shared prefixes`,
    ),
    reportLine('graphs', `${countOf(run.graphSteps, 'step')} (${share(run.graphSteps)}) on ${graphs}`),
    reportLine(
      'eager',
      `${countOf(run.eagerSteps, 'step')} (${share(run.eagerSteps)}), ${grouped(run.eagerDecodeSteps)} of them decode`,
    ),
  ];
  if (run.ubatchedSteps > 0 || run.twinSteps > 0) {
    lines.push(
      reportLine(
        'ubatches',
        `${countOf(run.ubatchedSteps, 'step')} ran in micro-batches, ${grouped(run.twinSteps)} on plain twins`,
      ),
    );
  }
  if (run.queryLen > 1) {
    lines.push(
      reportLine(
        'drafts',
        `up to ${run.queryLen - 1} a decode, each accepted with chance ${run.acceptRate} when all before it were (seed ${run.seed})`,
      ),
    );
  }
  const reasons = (Object.entries(run.reasons) as [ReasonCode, number][]).sort((a, b) => b[1] - a[1]);
  lines.push(...reasons.filter(([reason]) => !PARK_REASONS.includes(reason)).map(reasonLine));
  const parks = reasons.filter(([reason]) => PARK_REASONS.includes(reason));
  if (parks.length > 0)
    lines.push(reportLine('no step', 'decisions in which every rank was idle'), ...parks.map(reasonLine));
  return lines;
}

/** How often a reason was given, and what it means. */
export function reasonLine([reason, number]: readonly [ReasonCode, number]): string {
  const eager = EAGER_REASONS.includes(reason) ? 'eager: ' : '';
  return `    ${grouped(number).padStart(9)}  ${reason.padEnd(24)} ${eager}${REASON_MEANINGS[reason]}`;
}
