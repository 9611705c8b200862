import { REASON_MEANINGS } from '../explain/index.js';
import { EAGER_REASONS, type ReasonCode } from '../planner/decision.js';
import { type RunSummary, SAMPLED_SHARE } from '../runtime/index.js';

/** The summary of a run as people read it. */
export function runReport(run: RunSummary): string {
  const lines: string[] = [];
  const line = (name: string, value: string): void => {
    lines.push(`  ${name.padEnd(12)} ${value}`);
  };
  const share = (part: number): string => (run.steps === 0 ? '0 %' : `${((100 * part) / run.steps).toFixed(1)} %`);
  lines.push(
    `${run.interrupted ? 'Interrupted after' : 'Ran'} ${count(run.steps)} steps on ${run.ranks} rank${run.ranks === 1 ? '' : 's'}${run.processes > run.ranks ? ` of ${run.processes / run.ranks} processes` : ''} in ${run.seconds.toFixed(1)} s (${run.simulatedSeconds.toFixed(1)} s of serving)`,
  );
  // What `auto` passed over, and why, is long: doctor has it.
  const fellBack = run.deviceChoice.includes(', since ');
  line('device', fellBack ? `${run.device}: no GPU device to be had (lockstep doctor says why)` : run.deviceChoice);
  line('ranks', `${run.transport}, policy ${run.policy}, seed ${run.seed}`);
  line(
    'requests',
    `${count(run.finished)} of ${count(run.requests)} finished, ${count(run.rejected)} rejected (never fit), ${count(run.preemptions)} preempted`,
  );
  line(
    'tokens',
    `${count(run.tokens)} computed, ${count(run.generatedTokens)} generated, ${count(run.reusedTokens)} reused from shared prefixes`,
  );
  line(
    'graphs',
    `${count(run.graphSteps)} steps (${share(run.graphSteps)}) on ${count(run.graphs)} captured graphs, ${(100 * run.paddingRatio).toFixed(1)} % padding`,
  );
  line(
    'eager',
    `${count(run.eagerSteps)} steps (${share(run.eagerSteps)}), ${count(run.eagerDecodeSteps)} of them decode`,
  );
  if (run.ubatchedSteps > 0 || run.twinSteps > 0)
    line('ubatches', `${count(run.ubatchedSteps)} steps ran in micro-batches, ${count(run.twinSteps)} on plain twins`);
  if (run.queryLen > 1) {
    line(
      'drafts',
      `up to ${run.queryLen - 1} a decode, each accepted with chance ${run.acceptRate} when all before it were (seed ${run.seed})`,
    );
  }
  const reasons = Object.entries(run.reasons) as [ReasonCode, number][];
  for (const [reason, number] of reasons.sort((a, b) => b[1] - a[1])) {
    const eager = EAGER_REASONS.includes(reason) ? 'eager: ' : '';
    lines.push(`    ${count(number).padStart(9)}  ${reason.padEnd(24)} ${eager}${REASON_MEANINGS[reason]}`);
  }
  const how =
    run.verify === 'full'
      ? 'every scheduled request after every step'
      : `a seeded share (1 in ${SAMPLED_SHARE}) of the scheduled requests`;
  line('verified', `${count(run.compared)} KV cache entries read back, ${how}: ${count(run.mismatches)} mismatches`);
  for (const { rank, process, step, request, position, expected, found } of run.firstMismatches) {
    lines.push(
      `    rank ${rank}${run.processes > run.ranks ? ` (process ${process})` : ''}, step ${step}: request ${request}, position ${position} holds ${found}, written was ${expected}`,
    );
  }
  line(
    'agreement',
    run.diverged === 0
      ? 'every rank took the same decisions'
      : `${run.diverged} ranks took other decisions than rank 0`,
  );
  return `${lines.join('\n')}\n`;
}

function count(value: number): string {
  return value.toLocaleString('en');
}
